// What the books page knows: a stream of every instrument's last values, and one of the books of one product.

import { onDestroy } from "svelte";
import { ask } from "../api/call";
import { openStream } from "../api/live";
import { fromHash, toHash, type Place } from "../choice";
import { EMPTY, withRuns, type State } from "../state";
import { NOT_YET, isBroken, type Connection, type Stream } from "../stream";
import type { Records, RunKind } from "../types";
import { sameProduct } from "./figures";

/** Four times a second is as fast as figures can be read. */
const DRAW_MS = 250;
/** How far back a page goes: seventeen minutes of seconds, two hours of windows. */
const BEFORE: Record<RunKind, number> = { quote_stats: 1_000, depths: 1_000, windows: 240 };

const KINDS: readonly RunKind[] = ["quote_stats", "depths", "windows"];

export class Book {
  /** Every instrument: last values, feeds. */
  overview = $state.raw<State>(EMPTY);
  /** The chosen product at each venue: quotes and books by the second, windows. */
  view = $state.raw<State>(EMPTY);
  connection = $state.raw<Connection>(NOT_YET);
  choice = $state.raw<Place>(fromHash(location.hash));
  /** Why older rows are missing; empty if they came. */
  problem = $state("");

  readonly instrument = $derived(this.overview.instruments.find(({ id }) => id === this.choice.instrument));
  readonly last = $derived(this.overview.last.get(this.choice.instrument));
  readonly product = $derived(sameProduct(this.overview.instruments, this.choice.instrument));
  readonly isSimulated = $derived(this.overview.simulated || (this.overview.status?.simulated ?? false));
  /** Those with quotes: the others have no book to show. */
  readonly quoted = $derived(
    this.overview.instruments.filter(({ id }) => (this.overview.last.get(id)?.quote_time ?? null) !== null),
  );
  readonly feed = $derived(
    this.overview.status?.feeds.find(({ instruments }) => instruments.includes(this.choice.instrument)),
  );

  readonly #all: Stream;
  #books: Stream | null = null;

  constructor() {
    let isChanged = false;
    this.#all = openStream({ instruments: ["*"], kinds: ["last"] }, () => (isChanged = true));
    this.#onBooks = () => (isChanged = true);
    const timer = setInterval(() => {
      if (isChanged) this.#takeOver();
      isChanged = false;
    }, DRAW_MS);
    onDestroy(() => {
      clearInterval(timer);
      this.#all.close();
      this.#closeBooks();
    });
  }

  readonly #onBooks: () => void;

  /** Show another instrument, or flows of other windows. */
  choose(change: Partial<Place>): void {
    this.choice = { ...this.choice, ...change };
    history.replaceState(null, "", toHash(this.choice));
  }

  /** Show what the address says. */
  followAddress(): void {
    this.choice = fromHash(location.hash);
  }

  /** Follow the books of these instruments. Returns what ends it. */
  follow(ids: readonly string[]): () => void {
    this.#books = openStream({ instruments: [...ids], kinds: [...KINDS] }, this.#onBooks);
    return () => this.#closeBooks();
  }

  /** Fetch what was before of one of those that are followed. Returns what gives that up. */
  fetchBefore(instrument: string): () => void {
    const abort = new AbortController();
    this.problem = "";
    if (this.#books !== null) for (const kind of KINDS) void this.#fetch(this.#books, kind, instrument, abort.signal);
    return () => abort.abort();
  }

  async #fetch(stream: Stream, kind: RunKind, instrument: string, signal: AbortSignal): Promise<void> {
    const query = { instrument, order: "desc", limit: BEFORE[kind] };
    try {
      const page = await ask<Records>({ name: kind, query }, signal);
      stream.update((state) => ({ ...state, ...withRuns(state, { [kind]: page[kind]?.toReversed() }) }));
    } catch (error) {
      if (!signal.aborted) this.problem = (error as Error).message;
    }
  }

  #closeBooks(): void {
    this.#books?.close();
    this.#books = null;
    this.view = EMPTY;
  }

  #takeOver(): void {
    this.overview = this.#all.state;
    if (this.#books !== null) this.view = this.#books.state;
    const books = this.#books?.connection ?? NOT_YET;
    this.connection = isBroken(books) ? books : this.#all.connection;
  }
}
