// What the page shows, as signals: the newest quote of every instrument, live, and the reader's choice.

import { openStream } from "../api/live";
import { perFrame } from "../frame";
import { firstOf } from "../remembered";
import { EMPTY, type State } from "../state";
import { NOT_YET, type Connection, type Stream } from "../stream";
import { milliseconds } from "../format";
import { fromHash, toHash, type Choice } from "./choice";
import { pricesOf } from "./prices";

/** Feeds that live say something every second or so. */
const IDLE_MS = 60_000;

export class Activity {
  choice = $state.raw<Choice>(fromHash(location.hash));
  overview = $state.raw<State>(EMPTY);
  connection = $state.raw<Connection>(NOT_YET);
  /** ms since 1970, every second. */
  now = $state(Date.now());

  /** By name. */
  readonly instruments = $derived([...this.overview.instruments].sort((a, b) => (a.id < b.id ? -1 : 1)));
  readonly prices = $derived(pricesOf(this.instruments, this.overview.last));
  /** Without a choice that of last time, or the first to be followed that has a price. */
  readonly first = $derived(
    firstOf(this.overview.instruments.filter(({ id }) => this.overview.last.get(id)?.quote_time)) ?? this.instruments[0],
  );
  readonly instrument = $derived(
    this.choice.instrument === "" ? this.first : this.instruments.find(({ id }) => id === this.choice.instrument),
  );
  /** Since when nothing has been stored, in ms since 1970; null while something does, or while nobody knows. */
  readonly idleSince = $derived.by(() => {
    const clock = this.overview.status?.engine.clock;
    if (clock === undefined || this.connection.phase !== "open") return null;
    return this.now - milliseconds(clock) > IDLE_MS ? milliseconds(clock) : null;
  });
  readonly isSimulated = $derived(this.overview.simulated || (this.overview.status?.simulated ?? false));

  readonly #stream: Stream;
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #draw = perFrame(() => {
    this.overview = this.#stream.state;
    this.connection = this.#stream.connection;
  });

  constructor() {
    this.#stream = openStream({ instruments: ["*"], kinds: ["last"] }, () => this.#draw());
    this.#timer = setInterval(() => (this.now = Date.now()), 1_000);
  }

  /** Set something else. The address tells it, without a step in the browser's history. */
  choose(change: Partial<Choice>): void {
    this.choice = { ...this.choice, ...change };
    history.replaceState(null, "", toHash(this.choice));
  }

  /** Show what the address says. */
  followAddress(): void {
    this.choice = fromHash(location.hash);
  }

  /** Choose the instrument `steps` further down the list of prices. */
  step(steps: number): void {
    const ids = this.prices.map(({ instrument }) => instrument.id);
    const next = ids[ids.indexOf(this.instrument?.id ?? "") + steps];
    if (next !== undefined) this.choose({ instrument: next });
  }

  close(): void {
    clearInterval(this.#timer);
    this.#stream.close();
  }
}
