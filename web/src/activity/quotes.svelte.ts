// The newest quotes of one instrument: those that are stored, then live.

import { ask } from "../api/call";
import { openStream } from "../api/live";
import { perFrame } from "../frame";
import { MAX_QUOTES, withFetchedQuotes } from "../state";
import { NOT_YET, type Connection, type Stream } from "../stream";
import type { Quote } from "../types";

export class Quotes {
  /** Oldest first. */
  rows = $state.raw<readonly Quote[]>([]);
  connection = $state.raw<Connection>(NOT_YET);
  /** What is stored has been asked for: without a quote now there is none. */
  isLoaded = $state(false);

  readonly #instrument: string;
  readonly #abort = new AbortController();
  readonly #stream: Stream;
  readonly #draw = perFrame(() => this.#takeOver());
  #isAsked = false;

  constructor(instrument: string) {
    this.#instrument = instrument;
    this.#stream = openStream({ instruments: [instrument], kinds: ["quotes"] }, () => this.#draw());
  }

  close(): void {
    this.#abort.abort();
    this.#stream.close();
  }

  #takeOver(): void {
    if (this.#abort.signal.aborted) return;
    this.rows = this.#stream.state.quotes;
    this.connection = this.#stream.connection;
    // Not before the stream has begun: between what is stored and what it brings there would be a hole.
    if (this.#stream.state.commit !== null && !this.#isAsked) void this.#load();
  }

  async #load(): Promise<void> {
    this.#isAsked = true;
    const query = { instrument: this.#instrument, order: "desc", limit: MAX_QUOTES };
    try {
      const { quotes } = await ask<{ quotes: Quote[] }>({ name: "quotes", query }, this.#abort.signal);
      this.#stream.update((state) => withFetchedQuotes(state, quotes.reverse()));
    } catch (error) {
      // The line only begins later; the panel says by itself when the server is away.
      if (!this.#abort.signal.aborted) console.warn("quotes:", error);
    }
    this.isLoaded = true;
  }
}
