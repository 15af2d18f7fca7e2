// One call made again and again while the page is seen, as signals.

import { askAgain, CallError, type Call } from "./call";

/** A failed call is made again after this, or at its own pace if that is slower. */
const PAUSE_MS = 2_000;

export class Poll<Answer> {
  /** Undefined until there is one; kept while newer ones are asked for, and if they fail. */
  answer = $state.raw<Answer>();
  /** Why the newest attempt failed; empty if it did not. */
  problem = $state("");
  /** When the answer was true last, in ms since 1970. */
  answeredAt = $state.raw<number | null>(null);
  /** What the server's clock said when it made the answer, in ms since 1970; null if it did not tell. */
  servedAt = $state.raw<number | null>(null);
  isAsking = $state(false);

  #call: Call | null = null;
  #key = "";
  #etag: string | null = null;
  #everyMs: number | null = null;
  #dueAt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #abort: AbortController | null = null;
  readonly #onVisible = (): void => {
    if (document.hidden) clearTimeout(this.#timer);
    else if (this.#abort === null) this.#wait();
  };

  /**
   * Make a call now and every `everyMs`; null: once. Another call than before drops the answer to that. Returns what
   * ends it, so that an effect can return it.
   */
  follow(call: Call, everyMs: number | null): () => void {
    const key = JSON.stringify(call);
    if (key !== this.#key) {
      this.answer = undefined;
      this.answeredAt = null;
      this.problem = "";
      this.#etag = null;
    }
    this.#key = key;
    this.#call = call;
    this.#everyMs = everyMs;
    document.addEventListener("visibilitychange", this.#onVisible);
    this.refresh();
    return () => this.#stop();
  }

  /** Make the call now. */
  refresh(): void {
    clearTimeout(this.#timer);
    this.#abort?.abort();
    if (this.#call !== null) void this.#ask(this.#call);
  }

  #stop(): void {
    document.removeEventListener("visibilitychange", this.#onVisible);
    clearTimeout(this.#timer);
    this.#abort?.abort();
    this.#abort = this.#call = null;
  }

  async #ask(call: Call): Promise<void> {
    const abort = (this.#abort = new AbortController());
    this.isAsking = true;
    let waitMs = this.#everyMs;
    try {
      const answered = await askAgain<Answer>(call, this.#etag, abort.signal);
      if (abort.signal.aborted) return;
      if (answered !== null) {
        this.answer = answered.answer;
        this.#etag = answered.etag;
        this.servedAt = answered.servedAt;
      }
      this.answeredAt = Date.now();
      this.problem = "";
    } catch (error) {
      if (abort.signal.aborted) return;
      this.problem = (error as Error).message;
      const asked = error instanceof CallError ? (error.retryAfterS ?? 0) * 1_000 : 0;
      waitMs = Math.max(waitMs ?? 0, PAUSE_MS, asked);
    }
    this.#abort = null;
    this.isAsking = false;
    this.#dueAt = waitMs === null ? Infinity : Date.now() + waitMs;
    this.#wait();
  }

  /** Wait until the call is due, if the page is seen. */
  #wait(): void {
    clearTimeout(this.#timer);
    if (document.hidden || this.#call === null || this.#dueAt === Infinity) return;
    this.#timer = setTimeout(() => this.refresh(), Math.max(this.#dueAt - Date.now(), 0));
  }
}
