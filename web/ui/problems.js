// What went wrong, in words for the person.

const WORDS = {
  network: "The server cannot be reached. Please try again when you are connected.",
  closed: "This window is not connected any more.",
  blocked: "You cannot write to this person.",
  not_member: "You are not a member of this chat any more.",
  forbidden: "You may not do this here.",
  not_found: "There is no such thing here, or this server cannot do it yet.",
  method_not_allowed: "This server cannot do this yet.",
  unavailable: "A part of the service is away. Please try again in a moment.",
  internal: "The service has a fault. Please try again in a moment.",
  username_taken: "This username is taken.",
};

export function explain(error) {
  if (!error?.code) throw error; // a fault of the page: the console and the tests should see it
  const first = error.errors?.[0];
  if (first) {
    const name = first.pointer.replace(/^\/(body|query|path)\/?/, "").replaceAll("_", " ");
    return name ? `${name}: ${first.reason}` : first.reason;
  }
  if (error.code === "rate_limited") {
    return error.retryAfter ? `That was too often. Please wait ${Math.ceil(error.retryAfter)} seconds.` : "That was too often. Please wait a little.";
  }
  return WORDS[error.code] ?? (error.detail || error.message || error.code);
}
