// Events of a chat's log in words.

import { firstLine } from "../ui/format.js";

const ROLE_WORDS = { owner: "an owner", admin: "an admin", member: "a member", reader: "a reader" };

// The line that stands between messages.
export function noticeOf(event, people, me) {
  const name = (id) => (id === me ? "You" : people.name(id));
  const by = event.by ?? event.sender;
  switch (event.type) {
    case "member_added":
      if (event.seq === 1) return `${name(event.user)} began the chat`;
      return by && by !== event.user ? `${name(by)} added ${event.user === me ? "you" : people.name(event.user)}` : `${name(event.user)} joined`;
    case "member_removed":
      return by && by !== event.user ? `${name(by)} removed ${event.user === me ? "you" : people.name(event.user)}` : `${name(event.user)} left`;
    case "role_changed":
      return `${name(event.user)} ${event.user === me ? "are" : "is"} now ${ROLE_WORDS[event.role] ?? event.role}`;
    case "chat_updated": {
      if (event.title) return `${name(event.sender)} named the chat “${event.title}”`;
      if ("description" in event && event.description) return `${name(event.sender)} changed the description`;
      return `${name(event.sender)} changed the chat`;
    }
    default:
      return `${name(event.sender)} did something this page does not know`;
  }
}

export const textOf = (event) => (event.deleted ? "Message deleted" : event.body?.text ?? "");

// One line for the list of chats.
export function previewOf(event, people, me) {
  switch (event.type) {
    case "message": return firstLine(textOf(event));
    case "edit": return event.body ? firstLine(event.body.text) : "Message edited";
    case "delete": return "Message deleted";
    case "reaction": return event.on ? `reacted ${event.emoji}` : `took ${event.emoji} back`;
    default: return noticeOf(event, people, me);
  }
}

// Whether the preview is somebody's words, before which a group shows who.
export const isSaid = (event) => ["message", "edit", "reaction", "delete"].includes(event.type);
