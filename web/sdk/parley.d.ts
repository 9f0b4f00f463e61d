// Types of Parley's SDK. README.md says how it is used.

export type Id = string;
export interface Body { text: string; [key: string]: unknown }
export interface ChatEvent {
  chat: Id; seq: number; sender: Id; at: string;
  type: "message" | "edit" | "delete" | "reaction" | "member_added" | "member_removed" | "role_changed" | "chat_updated";
  client_id?: string; body?: Body; reply_to?: number; mentions?: Id[]; attachments?: object[];
  edited?: string; deleted?: boolean; reactions?: Record<string, Id[]>;
  target?: number; emoji?: string; on?: boolean; user?: Id; role?: string; by?: Id;
  title?: string | null; description?: string | null; avatar?: string | null; history?: string;
}
export interface User { id: Id; username: string; display_name: string; avatar?: string | null; created_at: string }
export interface Ok { chat: Id; seq: number; at: string }
export type State = "offline" | "connecting" | "online" | "ended"; // ended: not without a person (code tells why)

/** Every refusal, by REST or by WebSocket. */
export class ParleyError extends Error {
  code: string;            // the stable word of api.md; "network" when the server was not reached; "closed" after close()
  status: number | null; detail: string; temporary: boolean; retryAfter: number | null;
  errors: { pointer: string; reason: string }[]; requestId: string | null;
}

/** Where the SDK keeps what must outlive a page: the outbox, positions, and the events that were seen. */
export interface Storage { /* IndexedDbStorage in a page, MemoryStorage elsewhere; see parley.js */ }
export class MemoryStorage implements Storage { constructor() }
export class IndexedDbStorage implements Storage { constructor(name: string) }

/** A message that was given to send() and is not in the log yet, as far as we know. */
export interface Pending {
  client_id: string; chat: Id; body: Body; reply_to?: number; mentions?: Id[]; attachments?: object[];
  at: string;                                   // when it was given to send()
  state: "waiting" | "sending" | "failed";      // failed: refused for good; error says why; retry(client_id) or discard(client_id)
  error?: ParleyError;
}

export interface Options {
  url?: string;                  // origin of the server; in a page its own by default
  token: string; user: Id; device?: Id;
  storage?: Storage;             // default: IndexedDbStorage("parley-" + user) where there is IndexedDB, else MemoryStorage
  fetch?: typeof fetch; WebSocket?: typeof WebSocket; random?: () => number;
}

/** One message as a person sees it: the log's event with its later edits, deletion and reactions applied, or a pending one. */
export interface Entry {
  key: string;                   // stable for a list: the client_id of an own message before and after it is in the log, else the seq
  event: ChatEvent | null;       // null while pending
  pending: Pending | null;
}

/** A chat's log from some seq on, kept current. Emits "change" {detail: {entries: changed keys, kind: "appended"|"prepended"|"changed"}}. */
export class Timeline extends EventTarget {
  readonly chat: Id;
  readonly entries: readonly Entry[];    // messages and membership/chat events, by seq, then the pending ones; never edit/delete/reaction
  readonly hasOlder: boolean;
  loadOlder(limit?: number): Promise<void>;   // from the cache when offline
  get(seq: number): Entry | undefined;
  close(): void;
}

export class Parley extends EventTarget {
  static register(options: { url?: string; username: string; password: string; display_name?: string; fetch?: typeof fetch }): Promise<User>;
  /** Logs in; the caller keeps `session` (token, user, device) if the login is to outlive the page. */
  static login(options: { url?: string; username: string; password: string; device?: { id?: Id; name?: string }; fetch?: typeof fetch; WebSocket?: typeof WebSocket; storage?: Storage }):
    Promise<{ parley: Parley; session: { token: string; expires_at: string; user: User; device: { id: Id; name: string } } }>;

  constructor(options: Options);
  readonly state: State; readonly user: Id;
  connect(): Promise<void>;      // resolves at the first `ready`; reconnects by itself from then on, until close() or an ending
  close(): void;
  logout(): Promise<void>;       // ends the login at the server, and forgets what was stored

  // Events (CustomEvent, all data in detail):
  //   state    {state, code, retryAt}        code: close code or null; retryAt: ms since epoch or null
  //   event    ChatEvent                     each (chat, seq) once, of a chat in rising order without a gap (I5, I6), also across reconnects
  //   pending  Pending | {client_id, gone: true, seq?}
  //   receipt  {chat, user, delivered?, read?}   typing {chat, user, on}   presence {user, online, last_seen?}   head {chat, seq}
  //   resync   {gone: Id[]}                  after a resync has been carried out

  /** Local echo at once; survives reloads; the same client_id over all tries. `done` resolves when the server has it for good. */
  send(chat: Id, message: { text?: string; body?: Body; reply_to?: number; mentions?: Id[]; attachments?: object[] }): { client_id: string; done: Promise<Ok> };
  retry(client_id: string): void;
  discard(client_id: string): Promise<void>;
  pending(chat?: Id): Pending[];
  edit(chat: Id, seq: number, body: Body): Promise<Ok>;
  remove(chat: Id, seq: number): Promise<Ok>;
  react(chat: Id, seq: number, emoji: string, on: boolean): Promise<Ok>;
  read(chat: Id, seq: number): void;             // coalesced, kept until it was said
  typing(chat: Id, on: boolean): void;           // rate-limited here; ends by itself
  watch(chats: Id[]): void;                      // which chats are open: said again after each reconnect
  presence(users: Id[]): void;                   // whose presence is wanted: said again after each reconnect

  timeline(chat: Id): Promise<Timeline>;         // the newest page, from the cache at once when there is one
  history(chat: Id, range?: { before?: number; after?: number; limit?: number }): Promise<{ items: ChatEvent[]; first_seq: number | null; last_seq: number; more: boolean }>;
  receipts(chat: Id): Promise<{ user: Id; delivered: number; read: number }[]>;
  /** Any other call of the REST API: JSON in, JSON out, ParleyError otherwise; retries GET on temporary errors with jitter. */
  request<T = unknown>(method: string, path: string, body?: unknown): Promise<T>;
  /** All pages of a list. */
  list<T = unknown>(path: string): AsyncIterable<T>;
}
