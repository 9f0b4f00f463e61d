// The page begins here: a door for who is not logged in, a room for who is.

import { Door } from "./door.js";
import { savedSession, saveSession } from "./model/session.js";
import { Room } from "./room.js";
import { byId } from "./ui/dom.js";
import { keepOffline } from "./offline.js";
import { applyLook } from "./views/look.js";

let room = null;

function leave(reason) {
  room = null;
  saveSession(null);
  history.replaceState(null, "", location.pathname + location.search);
  byId("room").hidden = true;
  door.show(reason);
}

function enter(session) {
  door.hide();
  byId("room").hidden = false;
  room = new Room(session, {
    ended: leave,
    restart: () => {
      room.stop();
      enter(savedSession() ?? session);
    },
  });
  room.start();
}

const door = new Door((session) => {
  saveSession(session);
  enter(session);
});

applyLook();
const session = savedSession();
if (session) enter(session);
else door.show();
// Another tab has logged out or in: this one follows.
addEventListener("storage", (event) => {
  if (!event.key?.endsWith("session")) return;
  const now = savedSession();
  if (!now && room) {
    room.stop();
    leave("You have logged out in another tab.");
  } else if (now && !room) {
    enter(now);
  }
});
keepOffline();
