// One indicator of one instrument and interval: live by a stream of its own, the past by HTTP as the chart reaches back.
// What the stream refuses, because it counts from the first candle there is, is asked for again and again.

import { CallError } from "../api/call";
import { openStream } from "../api/live";
import type { Place } from "../choice";
import { perFrame } from "../frame";
import { indicatorBefore } from "../rest";
import { withFetchedIndicator, withOlderIndicator } from "../state";
import type { Stream } from "../stream";
import type { IndicatorRow, Time } from "../types";
import type { Wanted } from "./key";
import { keyOf } from "./key";

/** A failed request for the past is made again when the page is next drawn, but not sooner than this. */
const PAUSE_MS = 2_000;
/** How often what is not streamed is asked for. */
const PACE_MS = 5_000;

export class Follower {
  readonly wanted: Wanted;
  readonly key: string;
  /** Its place among the colours, which it keeps. */
  readonly slot: number;
  /** At final candles, oldest first. */
  rows = $state.raw<readonly IndicatorRow[]>([]);
  /** The server has said what there is. */
  isKnown = $state(false);
  /** Why there is nothing newer, in words; empty if nothing is wrong. */
  problem = $state("");

  readonly #place: Place;
  readonly #stream: Stream;
  readonly #abort = new AbortController();
  readonly #draw = perFrame(() => this.#takeOver());
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isAsking = false;
  #isLoading = false;
  #isAtStart = false;
  #notBefore = 0;

  constructor(wanted: Wanted, place: Place, slot: number) {
    this.wanted = wanted;
    this.key = keyOf(wanted);
    this.slot = slot;
    this.#place = place;
    const { instrument, interval } = place;
    const subscription = { instruments: [instrument], kinds: ["indicators" as const] };
    this.#stream = openStream({ ...subscription, indicators: [`${this.key}@${interval}`] }, () => this.#draw());
  }

  /** Fetch the page before the oldest value, unless values go back to `start` or to the beginning. */
  async reach(start: Time): Promise<void> {
    const oldest = this.#stream.state.indicators[0]?.start;
    if (oldest === undefined || oldest <= start) return;
    if (this.#isLoading || this.#isAtStart || Date.now() < this.#notBefore) return;
    this.#isLoading = true;
    try {
      const page = await this.#ask(oldest);
      this.#isAtStart = page.length === 0;
      // A reset may have replaced the values meanwhile.
      this.#stream.update((state) =>
        state.indicators[0]?.start === oldest ? withOlderIndicator(state, page) : state,
      );
    } catch (error) {
      this.#notBefore = Date.now() + PAUSE_MS;
      this.#tell(error);
    } finally {
      this.#isLoading = false;
    }
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#abort.abort();
    this.#stream.close();
  }

  #takeOver(): void {
    if (this.#abort.signal.aborted) return;
    const { state } = this.#stream;
    this.rows = state.indicators;
    if (state.commit !== null) this.isKnown = true;
    if (state.error !== "" && !this.#isAsking) void this.#keepAsking();
  }

  /** Ask for the newest page now and then: as long as the stream refuses, and the API does not. */
  async #keepAsking(): Promise<void> {
    this.#isAsking = true;
    let isOver = false;
    if (!document.hidden) {
      try {
        const page = await this.#ask(undefined);
        this.#stream.update((state) => withFetchedIndicator(state, page));
        this.isKnown = true;
      } catch (error) {
        this.#tell(error);
        // What was wrong with the question stays wrong.
        isOver = error instanceof CallError && error.status === 400;
      }
    }
    if (isOver || this.#abort.signal.aborted) return;
    this.#timer = setTimeout(() => {
      this.#isAsking = false;
      this.#takeOver();
    }, PACE_MS);
  }

  async #ask(end: Time | undefined): Promise<IndicatorRow[]> {
    const page = await indicatorBefore(this.#place, this.wanted, end, this.#abort.signal);
    this.problem = "";
    return page;
  }

  #tell(error: unknown): void {
    if (!this.#abort.signal.aborted) this.problem = (error as Error).message;
  }
}
