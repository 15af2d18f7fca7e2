// One socket that stays subscribed: it reconnects with full-jitter back-off and resumes where it was.

import { EMPTY, reduce, type State } from "./state";
import type { Message, Subscription } from "./types";

/** A status comes every second: a socket that is silent for so long is dead, whatever the system says. */
const SILENCE_MS = 5_000;
const BACKOFF_FLOOR_MS = 500;
const BACKOFF_CAP_MS = 10_000;

export interface Connection {
  readonly phase: "connecting" | "open" | "waiting";
  /** When the last message came, in ms since 1970, or null before the first. */
  readonly heardAt: number | null;
  /** When the next attempt begins while waiting, in ms since 1970. */
  readonly retryAt: number | null;
  /** How many attempts in a row brought nothing. */
  readonly failures: number;
}

export const NOT_YET: Connection = { phase: "connecting", heardAt: null, retryAt: null, failures: 0 };

/** Return whether something is wrong, as opposed to not there yet. */
export function isBroken({ phase, failures }: Connection): boolean {
  return phase !== "open" && failures > 0;
}

export interface StreamOptions {
  url: string;
  subscription: Subscription;
  onChange: () => void;
  /** What to offer when connecting: a token goes along as one of these. */
  protocols?: () => string[];
  /** An attempt to connect, or the connection, has ended. */
  onFailure?: () => void;
  /** The stream was closed for good. */
  onClosed?: () => void;
  random?: () => number;
  now?: () => number;
}

/** Live state of one subscription. To want something else, close it and open another. */
export class Stream {
  state: State = EMPTY;
  connection: Connection = NOT_YET;

  readonly #options: Required<StreamOptions>;
  #socket: WebSocket | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isClosed = false;

  constructor(options: StreamOptions) {
    const nothing = { protocols: () => [], onFailure: () => undefined, onClosed: () => undefined };
    this.#options = { ...nothing, random: Math.random, now: Date.now, ...options };
    this.#connect();
  }

  /** Change the state by what was learned elsewhere, such as an older page of candles. */
  update(change: (state: State) => State): void {
    this.state = change(this.state);
    this.#options.onChange();
  }

  /** Try again now instead of when the wait is over. */
  retry(): void {
    if (this.connection.phase === "waiting") this.#connect();
  }

  /** Stop for good. */
  close(): void {
    this.#isClosed = true;
    this.#drop();
    this.#options.onClosed();
  }

  #connect(): void {
    this.#drop();
    this.#become({ phase: "connecting", retryAt: null });
    const socket = new WebSocket(this.#options.url, this.#options.protocols());
    this.#socket = socket;
    socket.onopen = () => this.#subscribe(socket);
    socket.onmessage = (event: MessageEvent<string>) => this.#receive(event.data);
    socket.onclose = () => this.#wait();
    this.#expectWithin(SILENCE_MS);
  }

  #subscribe(socket: WebSocket): void {
    const { commit } = this.state;
    const since = commit === null ? {} : { since: commit };
    socket.send(JSON.stringify({ op: "subscribe", ...this.#options.subscription, ...since }));
  }

  #receive(text: string): void {
    const message = JSON.parse(text) as Message;
    this.#expectWithin(SILENCE_MS);
    this.connection = { phase: "open", heardAt: this.#options.now(), retryAt: null, failures: 0 };
    this.update((state) => reduce(state, message));
  }

  #wait(): void {
    this.#drop();
    const { failures } = this.connection;
    const ceiling = Math.min(BACKOFF_CAP_MS, BACKOFF_FLOOR_MS * 2 ** failures);
    const delay = ceiling * this.#options.random();
    this.#become({ phase: "waiting", retryAt: this.#options.now() + delay, failures: failures + 1 });
    this.#timer = setTimeout(() => this.#connect(), delay);
    this.#options.onFailure();
  }

  /** Give the socket up, without hearing of its close. */
  #drop(): void {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = null;
    if (socket === null) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  #expectWithin(delay: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#wait(), delay);
  }

  #become(change: Partial<Connection>): void {
    this.connection = { ...this.connection, ...change };
    if (!this.#isClosed) this.#options.onChange();
  }
}
