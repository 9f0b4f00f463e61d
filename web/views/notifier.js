// Desktop notifications, only if the person switched them on; the number in the title and on the app's sign, always.

import { textOf } from "../model/events.js";
import { choices } from "../model/session.js";
import { firstLine } from "../ui/format.js";

export class Notifier {
  #room;

  constructor(room) {
    this.#room = room;
  }

  get on() {
    return choices.notifications && "Notification" in globalThis && Notification.permission === "granted";
  }

  async tell(event) {
    const { chats, people, me } = this.#room;
    const item = chats.get(event.chat);
    const looking = !document.hidden && document.hasFocus();
    if (!this.on || looking || !item || event.type !== "message" || event.sender === me.id) return;
    const mentioned = event.mentions?.includes(me.id);
    if (item.me.archived || (chats.isMuted(item) && !mentioned)) return;
    const name = people.name(event.sender);
    const title = item.chat.kind === "direct" ? name : `${name} · ${chats.title(item)}`;
    const options = { body: firstLine(textOf(event)), tag: event.chat, icon: "icon-192.png", data: { chat: event.chat } };
    const registration = await navigator.serviceWorker?.getRegistration().catch(() => null);
    if (registration?.active) {
      await registration.showNotification(title, options).catch(() => null);
      return;
    }
    const shown = new Notification(title, options);
    shown.onclick = () => {
      focus();
      this.#room.go(event.chat);
      shown.close();
    };
  }

  // What is on the screen already goes with the login.
  async forget() {
    const registration = await navigator.serviceWorker?.getRegistration().catch(() => null);
    for (const shown of await registration?.getNotifications() ?? []) shown.close();
  }

  showUnread(count) {
    const title = this.#room.openTitle();
    document.title = `${count > 0 ? `(${count}) ` : ""}${title ? `${title} · ` : ""}Parley`;
    if (count > 0) navigator.setAppBadge?.(count).catch(() => null);
    else navigator.clearAppBadge?.().catch(() => null);
  }
}
