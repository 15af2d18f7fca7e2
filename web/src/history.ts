// What lies before the live snapshot: older candles and the ledger over them, fetched as the reader scrolls back.

import type { Place } from "./choice";
import { candlesBefore, coverageBetween } from "./rest";
import { MAX_CANDLES, withFetchedCoverage, withOlder } from "./state";
import type { Stream } from "./stream";

/** A failed request is made again when the page is next drawn or scrolled, but not sooner than this. */
const PAUSE_MS = 2_000;

/** Fetches the past of one stream's candles. */
export class History {
  readonly #stream: Stream;
  readonly #place: Place;
  readonly #abort = new AbortController();
  #isLoading = false;
  #isAtStart = false;
  #notBefore = 0;
  /** The ledger is known from here on. */
  #coveredFrom: string | undefined;

  constructor(stream: Stream, place: Place) {
    this.#stream = stream;
    this.#place = place;
  }

  /** Fetch the page before the oldest candle, unless there is none or enough is loaded. */
  async loadOlder(): Promise<void> {
    const { candles } = this.#stream.state;
    const oldest = candles[0]?.start;
    const isFull = candles.length > MAX_CANDLES * 0.8;
    if (oldest === undefined || isFull || this.#isLoading || this.#isAtStart || Date.now() < this.#notBefore) return;
    this.#isLoading = true;
    try {
      const { instrument, interval } = this.#place;
      const page = await candlesBefore(instrument, interval, oldest, this.#abort.signal);
      this.#isAtStart = page.length === 0;
      // A reset may have replaced the candles meanwhile: this page would then leave a hole after it.
      this.#stream.update((state) => (state.candles[0]?.start === oldest ? withOlder(state, page) : state));
    } catch (error) {
      this.#forgive(error);
    } finally {
      this.#isLoading = false;
    }
  }

  /** Fetch the ledger over the candles that came since the last call. */
  async loadCoverage(): Promise<void> {
    const oldest = this.#stream.state.candles[0]?.start;
    if (oldest === this.#coveredFrom || Date.now() < this.#notBefore) return;
    const known = this.#coveredFrom;
    this.#coveredFrom = oldest;
    if (oldest === undefined) return;
    const end = known !== undefined && oldest < known ? known : undefined;
    try {
      const rows = await coverageBetween(this.#place.instrument, oldest, end, this.#abort.signal);
      this.#stream.update((state) => withFetchedCoverage(state, rows));
    } catch (error) {
      this.#coveredFrom = known;
      this.#forgive(error);
    }
  }

  /** Forget requests under way. */
  close(): void {
    this.#abort.abort();
  }

  /** A failed request only leaves the chart shorter; the page says by other means that the server is away. */
  #forgive(error: unknown): void {
    if (this.#abort.signal.aborted) return;
    this.#notBefore = Date.now() + PAUSE_MS;
    console.warn("history:", error);
  }
}
