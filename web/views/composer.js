// Writing: the text, its draft, what it answers or edits, mentions while typing.

import { byId, debounce, setAttribute, setText } from "../ui/dom.js";
import { bytesOf, firstLine } from "../ui/format.js";
import { explain } from "../ui/problems.js";
import { note } from "../ui/say.js";
import { choices } from "../model/session.js";
import { textOf } from "../model/events.js";
import { MentionBox } from "./mentions.js";

const DRAFT_PAUSE_MS = 300;
const COUNT_FROM = 0.9;        // of the bound: from there on the person is told how much is left

export class Composer {
  #room; #form; #text; #mentions;
  #chat = null; #members = null;
  #reply = null;               // the event that is answered
  #editing = null;             // the event that is edited
  #saved = true;               // the draft is kept as it stands
  #saveSoon = debounce(() => this.#saveDraft(), DRAFT_PAUSE_MS);

  constructor(room) {
    this.#room = room;
    this.#form = byId("composer");
    this.#text = byId("composer-text");
    const { signal } = room;
    this.#mentions = new MentionBox({ text: this.#text, box: byId("mention-box"), room, members: () => this.#members, signal });
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    }, { signal });
    this.#text.addEventListener("input", () => this.#onInput(), { signal });
    this.#text.addEventListener("keydown", (event) => this.#onKey(event), { signal });
    this.#text.addEventListener("blur", () => this.#chat && room.parley.typing(this.#chat, false), { signal });
    byId("banner-close").addEventListener("click", () => this.#leaveBanner(), { signal });
    byId("composer-emoji").addEventListener("click", (event) => room.pickEmoji(event.currentTarget, (emoji) => this.insert(emoji)), { signal });
    addEventListener("pagehide", () => this.#saveDraft(), { signal });
  }

  open(item, members) {
    this.close();
    this.#chat = item.chat.id;
    this.#members = members;
    const draft = this.#room.drafts.get(this.#chat);
    this.#text.value = draft?.text ?? "";
    this.#resize();
    if (draft?.reply_to) this.#restoreReply(this.#chat, draft.reply_to);
    this.#drawRights();
  }

  close() {
    if (!this.#chat) return;
    this.#saveDraft();
    this.#room.parley.typing(this.#chat, false);
    this.#mentions.hide();
    this.#chat = this.#members = this.#reply = this.#editing = null;
    this.#text.value = "";
    this.#drawBanner();
  }

  async #restoreReply(chat, seq) {
    const { items } = await this.#room.parley.history(chat, { after: seq - 1, limit: 1 }).catch(() => ({ items: [] }));
    if (this.#chat === chat && items[0]?.seq === seq && !this.#editing) this.#setReply(items[0]);
  }

  membersChanged() {
    this.#drawRights();
    this.#mentions.refresh();
  }

  // A reader sees why there is nothing to write into.
  #drawRights() {
    const may = this.#members?.mayWrite ?? true;
    this.#form.hidden = !may;
    byId("no-writing").hidden = may || !this.#chat;
    const gone = this.#members?.loaded && this.#members.myRole === null;
    setText(byId("no-writing"), gone ? "You are not a member of this chat any more." : "Only its members may write here; you are a reader.");
  }

  focus() {
    if (!this.#form.hidden && !matchMedia("(pointer: coarse)").matches) this.#text.focus();
  }

  insert(text) {
    const { selectionStart: start, selectionEnd: end } = this.#text;
    this.#text.setRangeText(text, start, end, "end");
    this.#text.focus();
    this.#onInput();
  }

  replyTo(event) {
    if (this.#form.hidden) return;
    if (this.#editing) this.#stopEditing();
    this.#setReply(event);
    this.#text.focus();
  }

  #setReply(event) {
    this.#reply = event;
    this.#drawBanner();
    this.#draftChanged();
  }

  edit(event) {
    if (this.#form.hidden || event.deleted) return;
    if (!this.#editing) this.#saveDraft();
    this.#reply = null;
    this.#editing = event;
    this.#text.value = textOf(event);
    this.#drawBanner();
    this.#resize();
    this.#text.focus();
    this.#text.setSelectionRange(this.#text.value.length, this.#text.value.length);
  }

  #stopEditing() {
    this.#editing = null;
    const draft = this.#room.drafts.get(this.#chat);
    this.#text.value = draft?.text ?? "";
    this.#resize();
    this.#drawBanner();
    if (draft?.reply_to) this.#restoreReply(this.#chat, draft.reply_to);
  }

  #leaveBanner() {
    if (this.#editing) this.#stopEditing();
    else this.#setReply(null);
    this.#text.focus();
  }

  // Whether there was something to leave.
  escape() {
    if (this.#mentions.shown) this.#mentions.hide();
    else if (this.#editing || this.#reply) this.#leaveBanner();
    else return false;
    return true;
  }

  #drawBanner() {
    const about = this.#editing ?? this.#reply;
    byId("banner").hidden = !about;
    setText(byId("banner-title"), about ? this.#bannerTitle() : "");
    setText(byId("banner-text"), about ? firstLine(textOf(about)) : "");
    setAttribute(byId("banner-close"), "aria-label", this.#editing ? "Stop editing" : "Do not reply");
  }

  #bannerTitle() {
    if (this.#editing) return "Edit message";
    const { people, me } = this.#room;
    return `Reply to ${this.#reply.sender === me.id ? "yourself" : people.name(this.#reply.sender)}`;
  }

  #onInput() {
    this.#resize();
    this.#draftChanged();
    this.#mentions.update();
    if (this.#chat && !this.#editing) this.#room.parley.typing(this.#chat, this.#text.value.trim() !== "");
    this.#drawCount();
  }

  #drawCount() {
    const bound = this.#room.limits.max_text_bytes;
    const bytes = this.#text.value.length * 3 > bound * COUNT_FROM ? bytesOf(this.#text.value) : 0;
    const left = bound - bytes;
    byId("text-left").hidden = bytes < bound * COUNT_FROM;
    setText(byId("text-left"), left >= 0 ? `${left} left` : `${-left} too many`);
    byId("text-left").classList.toggle("bad", left < 0);
  }

  // Browsers that know field-sizing do this by themselves.
  #resize() {
    if (CSS.supports("field-sizing", "content")) return;
    this.#text.style.blockSize = "auto";
    this.#text.style.blockSize = `${this.#text.scrollHeight + 2}px`;
  }

  #onKey(event) {
    if (event.isComposing || this.#mentions.onKey(event)) return;
    if (event.key === "Enter" && !event.shiftKey && !event.altKey && this.#enterSends(event)) {
      event.preventDefault();
      this.#submit();
    } else if (event.key === "ArrowUp" && this.#text.value === "" && !event.shiftKey) {
      const last = this.#room.timeline.lastOwn();
      if (!last) return;
      event.preventDefault();
      this.edit(last);
    }
  }

  // On a touch keyboard Enter is a new line; there is a button to send.
  #enterSends(event) {
    return event.ctrlKey || event.metaKey || (choices.enterSends && !matchMedia("(pointer: coarse) and (hover: none)").matches);
  }

  #submit() {
    const text = this.#text.value.trim();
    if (!this.#chat || text === "") return;
    if (bytesOf(text) > this.#room.limits.max_text_bytes) {
      note("This message is too long. Please make it shorter or send it in parts.", { bad: true });
      return;
    }
    if (this.#editing) this.#sendEdit(text);
    else this.#send(text);
  }

  #send(text) {
    const { parley, drafts, timeline } = this.#room;
    const mentions = this.#mentions.idsIn(text).slice(0, this.#room.limits.max_mentions);
    const message = { text, ...(this.#reply && { reply_to: this.#reply.seq }), ...(mentions.length > 0 && { mentions }) };
    const { done } = parley.send(this.#chat, message);
    done.catch(() => null); // what was refused stands in the timeline, with what can be done about it
    parley.typing(this.#chat, false);
    this.#reply = null;
    this.#text.value = "";
    drafts.set(this.#chat, null);
    this.#drawBanner();
    this.#mentions.hide();
    this.#resize();
    this.#drawCount();
    timeline.ownMessage();
  }

  async #sendEdit(text) {
    const event = this.#editing;
    const chat = this.#chat;
    const unchanged = text === textOf(event);
    this.#stopEditing();
    if (unchanged) return;
    try {
      await this.#room.parley.edit(chat, event.seq, { ...event.body, text });
    } catch (error) {
      note(explain(error), { bad: true });
      if (this.#chat !== chat || this.#editing) return;
      this.edit(event); // what was written is not lost
      this.#text.value = text;
      this.#resize();
    }
  }

  #draftChanged() {
    this.#saved = false;
    this.#saveSoon();
  }

  // Only what was changed here: another tab may have sent, or forgotten, what is kept.
  #saveDraft() {
    if (!this.#chat || this.#editing || this.#saved) return;
    this.#saved = true;
    this.#room.drafts.set(this.#chat, { text: this.#text.value, ...(this.#reply && { reply_to: this.#reply.seq }) });
  }
}
