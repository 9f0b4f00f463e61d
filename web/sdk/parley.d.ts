// Types of Parley's SDK. README.md says how it is used; the contract of the server is api.md's.

export type Id = string;
export interface Body { text: string; [key: string]: unknown }

/** One entry of a chat's log. Ignore types that you do not know. */
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
export interface Session { token: string; expires_at: string; user: User; device: { id: Id; name: string } }

/** `ended`: not without a person; the close code tells why. */
export type State = "offline" | "connecting" | "online" | "ended";

/** Every refusal, by REST or by WebSocket. */
export class ParleyError extends Error {
  constructor(code: string, detail?: string, more?: Partial<Pick<ParleyError, "status" | "temporary" | "retryAfter" | "errors" | "requestId">>);
  /** The stable word of api.md; "network" when the server was not reached or has not answered; "closed" after close(). */
  code: string;
  status: number | null;
  detail: string;
  /** Worth trying again unchanged. */
  temporary: boolean;
  /** In seconds. */
  retryAfter: number | null;
  errors: { pointer: string; reason: string }[];
  requestId: string | null;
}

export interface Change {
  table: string; group: string;
  /** With a value it is put, without one it is deleted. */
  key?: string | number; value?: object;
  /** Instead of a key: all rows of the group with a lower key are deleted. */
  below?: number;
}
export interface Range { above?: string | number; below?: string | number; limit?: number; newest?: boolean }

/** Where the SDK keeps what must outlive a page: the outbox, positions, and the events that were seen. */
export interface Storage {
  /** Instances on one origin with the same name share one connection; null: shared with nobody. */
  readonly name: string | null;
  open(): Promise<void>;
  get(table: string, group: string, key: string | number): Promise<any>;
  /** In the order of keys; `newest` takes the last `limit` of them. */
  range(table: string, group: string, range?: Range): Promise<any[]>;
  /** All of them or none, durable when it resolves. */
  write(changes: Change[]): Promise<void>;
  clear(): Promise<void>;
  close(): void;
}
export class MemoryStorage implements Storage {
  constructor();
  readonly name: null;
  open(): Promise<void>;
  get(table: string, group: string, key: string | number): Promise<any>;
  range(table: string, group: string, range?: Range): Promise<any[]>;
  write(changes: Change[]): Promise<void>;
  clear(): Promise<void>;
  close(): void;
}
export class IndexedDbStorage implements Storage {
  constructor(name: string);
  readonly name: string;
  open(): Promise<void>;
  get(table: string, group: string, key: string | number): Promise<any>;
  range(table: string, group: string, range?: Range): Promise<any[]>;
  write(changes: Change[]): Promise<void>;
  clear(): Promise<void>;
  close(): void;
}

/** A message that was given to send() and is not in the log yet, as far as we know. */
export interface Pending {
  client_id: string; chat: Id; body: Body; reply_to?: number; mentions?: Id[]; attachments?: object[];
  /** When it was given to send(). */
  at: string;
  /** failed: refused for good; error says why; retry(client_id) or discard(client_id). */
  state: "waiting" | "sending" | "failed";
  error?: ParleyError;
}
/** With a seq it is in the log; without one it was discarded. */
export interface PendingGone { client_id: string; chat: Id; gone: true; seq?: number; at?: string }

export interface Options {
  /** Origin of the server; in a page its own by default. */
  url?: string;
  token: string; user: Id; device?: Id;
  /** By default IndexedDbStorage("parley-" + user) where there is IndexedDB, else MemoryStorage. */
  storage?: Storage;
  /** Node 20 needs one (`ws` for instance); pages and Node 22 have their own. */
  WebSocket?: unknown;
  fetch?: typeof fetch;
  /** For jitter. */
  random?: () => number;
  /** Of the browser by default; without them each instance has a connection of its own. */
  locks?: unknown; BroadcastChannel?: unknown;
}
export interface Account { url?: string; username: string; password: string; fetch?: typeof fetch }

/** One message as a person sees it: the log's event with its later edits, deletion and reactions applied, or a pending one. */
export interface Entry {
  /** Stable for a list: the client_id of an own message before and after it is in the log, else the seq. */
  readonly key: string;
  /** null while pending. */
  readonly event: ChatEvent | null;
  readonly pending: Pending | null;
}
export interface TimelineChange { entries: string[]; kind: "appended" | "prepended" | "changed" }

/** A chat's log from some seq on, kept current. Entries are replaced, never changed in place. */
export class Timeline extends EventTarget {
  private constructor();
  readonly chat: Id;
  /** Messages and membership and chat events by seq, then the pending ones; never edit, delete, reaction. */
  readonly entries: readonly Entry[];
  readonly hasOlder: boolean;
  /** From the cache when offline. */
  loadOlder(limit?: number): Promise<void>;
  get(seq: number): Entry | undefined;
  close(): void;
  addEventListener(type: "change", listener: (event: CustomEvent<TimelineChange>) => void, options?: boolean | AddEventListenerOptions): void;
  addEventListener(type: string, listener: EventListenerOrEventListenerObject | null, options?: boolean | AddEventListenerOptions): void;
}

export interface ParleyEvents {
  /** code: the close code or null; retryAt: ms since the epoch or null. */
  state: { state: State; code: number | null; retryAt: number | null };
  /** Each (chat, seq) once, of a chat in rising order without a gap, also across reconnects. */
  event: ChatEvent;
  pending: Pending | PendingGone;
  receipt: { chat: Id; user: Id; delivered?: number; read?: number };
  typing: { chat: Id; user: Id; on: boolean };
  presence: { user: Id; online: boolean; last_seen?: string };
  /** A large chat that is not watched is now at seq. */
  head: { chat: Id; seq: number };
  /** A resync has been carried out; gone: chats that the user is not in any more. */
  resync: { gone: Id[] };
  /** A large chat was too far behind: the events between after and before were left out; timeline() and history() have them. */
  skipped: { chat: Id; after: number; before: number };
  /** Something went wrong that the SDK could help itself over: a full disk, mostly. */
  warning: { error: Error };
}

export class Parley extends EventTarget {
  static register(options: Account & { display_name?: string }): Promise<User>;
  /** Logs in; the caller keeps `session` (token, user, device) if the login is to outlive the page. The name is for a new device. */
  static login(options: Account & Partial<Omit<Options, "token" | "user" | "device">> & { device?: { id?: Id | null; name?: string } }): Promise<{ parley: Parley; session: Session }>;

  constructor(options: Options);
  readonly state: State;
  readonly user: Id;
  /** Resolves at the first `ready`; reconnects by itself from then on, until close() or an ending. */
  connect(): Promise<void>;
  close(): void;
  /** Ends the login in all tabs and at the server, and forgets what was stored. It rejects when the server could not be told: here all
   *  is forgotten, but the token is valid until it expires or the session is ended from another device. */
  logout(): Promise<void>;

  addEventListener<T extends keyof ParleyEvents>(type: T, listener: (event: CustomEvent<ParleyEvents[T]>) => void, options?: boolean | AddEventListenerOptions): void;
  addEventListener(type: string, listener: EventListenerOrEventListenerObject | null, options?: boolean | AddEventListenerOptions): void;
  removeEventListener<T extends keyof ParleyEvents>(type: T, listener: (event: CustomEvent<ParleyEvents[T]>) => void, options?: boolean | EventListenerOptions): void;
  removeEventListener(type: string, listener: EventListenerOrEventListenerObject | null, options?: boolean | EventListenerOptions): void;

  /** Local echo at once; survives reloads; the same client_id over all tries. `done` resolves when the server has it for good. */
  send(chat: Id, message: { text?: string; body?: Body; reply_to?: number; mentions?: Id[]; attachments?: object[] }): { client_id: string; done: Promise<Ok> };
  retry(client_id: string): void;
  discard(client_id: string): Promise<void>;
  pending(chat?: Id): Pending[];
  /** Each waits up to 15 s for a connection. "network": it may have happened; all three may be repeated. */
  edit(chat: Id, seq: number, body: Body): Promise<Ok>;
  remove(chat: Id, seq: number): Promise<Ok>;
  react(chat: Id, seq: number, emoji: string, on: boolean): Promise<Ok>;
  /** Coalesced, kept until it was said. */
  read(chat: Id, seq: number): void;
  /** Call it with each keystroke: rate-limited here; ends by itself. */
  typing(chat: Id, on: boolean): void;
  /** Which chats are open: said again after each reconnect. */
  watch(chats: Id[]): void;
  /** Whose presence is wanted: said again after each reconnect. */
  presence(users: Id[]): void;

  /** The newest page, from the cache at once when there is one. */
  timeline(chat: Id): Promise<Timeline>;
  /** A page of the log, oldest first; the newest one without a range. */
  history(chat: Id, range?: { before?: number; after?: number; limit?: number }): Promise<{ items: ChatEvent[]; first_seq: number | null; last_seq: number; more: boolean }>;
  receipts(chat: Id): Promise<{ user: Id; delivered: number; read: number }[]>;
  /** Any other call of the REST API: JSON in, JSON out, ParleyError otherwise; tries GET again on temporary errors, with jitter. */
  request<T = unknown>(method: string, path: string, body?: unknown): Promise<T>;
  /** All pages of a list. */
  list<T = unknown>(path: string): AsyncIterable<T>;
}
