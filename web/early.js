// The person's choice of colours and direction, before anything is drawn: a module would come too late, and flash. See model/session.js.
"use strict";
{
  const profile = new URLSearchParams(location.search).get("profile");
  const choice = (name) => {
    try {
      return JSON.parse(localStorage.getItem(`parley:${profile ? `${profile}:` : ""}choice:${name}`));
    } catch {
      return null;
    }
  };
  document.documentElement.dataset.theme = choice("theme") ?? "auto";
  document.documentElement.dir = choice("direction") === "rtl" ? "rtl" : "ltr";
}
