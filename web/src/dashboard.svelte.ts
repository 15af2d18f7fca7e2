// What the page shows, as signals: two streams, the reader's choice and the time.
//
// One stream follows every instrument's last values, the other one instrument's trades, candles and ledger. A stream's
// subscription never changes: another choice is another stream, so messages of the old one cannot be taken for it.

import { openStream } from "./api/live";
import { firstInterval, isSame, isSamePlace, readChart, writeChart, type Choice } from "./choice";
import { perFrame } from "./frame";
import { History } from "./history";
import { Followers } from "./indicators/followers.svelte";
import { firstOf, rememberedIndicators, rememberIndicators } from "./remembered";
import { EMPTY, type State } from "./state";
import { NOT_YET, isBroken, type Connection, type Stream } from "./stream";
import type { Interval, Subscription } from "./types";

export class Dashboard {
  /** Every instrument: last values, feeds, alerts. */
  overview = $state.raw<State>(EMPTY);
  /** The chosen instrument: candles, trades, ledger. */
  view = $state.raw<State>(EMPTY);
  overviewConnection = $state.raw<Connection>(NOT_YET);
  viewConnection = $state.raw<Connection>(NOT_YET);
  choice = $state.raw<Choice>(firstChoice());
  #replaced = $state.raw({ wanted: "", by: "" });
  /** What the address asked for and is not there, as long as the one shown in its place is. */
  readonly missing = $derived(this.choice.instrument === this.#replaced.by ? this.#replaced.wanted : "");
  /** The chosen indicators of the chosen candles. */
  readonly indicators = new Followers();
  /** ms since 1970, every second. */
  now = $state(Date.now());

  readonly instrument = $derived(this.overview.instruments.find(({ id }) => id === this.choice.instrument));
  readonly last = $derived(this.overview.last.get(this.choice.instrument));
  readonly isSimulated = $derived(
    this.overview.simulated || this.view.simulated || (this.overview.status?.simulated ?? false),
  );
  /** The worse of the two connections. A view that has just been asked for is not worse. */
  readonly connection = $derived(isBroken(this.viewConnection) ? this.viewConnection : this.overviewConnection);
  /** Since when the page may show what is no longer true, in ms since 1970; null before anything came. */
  readonly heardAt = $derived(earlier(this.viewConnection.heardAt, this.overviewConnection.heardAt));
  /** What the server did not understand. Of an instrument that nobody has seen yet it need not understand anything. */
  readonly refusal = $derived(this.overview.error || (this.instrument === undefined ? "" : this.view.error));

  /** Nobody has chosen an interval, and it is not known yet which one has something to show. */
  #isIntervalOpen = location.hash === "";
  /** When it was first known which instrument to show, in ms since 1970. */
  #shownSince: number | null = null;
  readonly #overviewStream: Stream;
  #viewStream: Stream | null = null;
  #history: History | null = null;
  readonly #draw = perFrame(() => this.#takeOver());
  readonly #clock: ReturnType<typeof setInterval>;

  constructor() {
    this.#overviewStream = this.#open({ instruments: ["*"], kinds: ["last", "alerts"] });
    this.#clock = setInterval(() => (this.now = Date.now()), 1_000);
    if (this.choice.instrument === "") return;
    // The address may lack what is remembered.
    if (!this.#followsAddress) history.replaceState(null, "", writeChart(this.choice));
    this.#openView();
  }

  /** Show another instrument or interval. The address changes, and `followAddress` does the rest. */
  choose(change: Partial<Choice>): void {
    this.#isIntervalOpen = false;
    if (change.indicators !== undefined) rememberIndicators(change.indicators);
    location.hash = writeChart({ ...this.choice, ...change });
  }

  /** Show what the address says. */
  followAddress(): void {
    const choice = readChart(location.hash);
    if (isSame(choice, this.choice)) return;
    if (isSamePlace(choice, this.choice)) {
      this.choice = choice;
      this.indicators.show(choice);
      return;
    }
    // The tape of the same instrument stays until the new stream has its own.
    const { trades } = choice.instrument === this.choice.instrument ? this.view : EMPTY;
    this.choice = choice;
    this.#openView();
    this.view = { ...EMPTY, trades };
  }

  /** Choose the instrument `steps` further down the list. */
  step(steps: number): void {
    const ids = this.overview.instruments.map(({ id }) => id);
    const next = ids[ids.indexOf(this.choice.instrument) + steps];
    if (next !== undefined) this.choose({ instrument: next });
  }

  /** Fetch candles before the oldest one. */
  loadOlder(): void {
    void this.#history?.loadOlder();
  }

  /** Reconnect now. */
  retry(): void {
    this.#overviewStream.retry();
    this.#viewStream?.retry();
  }

  close(): void {
    clearInterval(this.#clock);
    this.#overviewStream.close();
    this.#closeView();
    this.indicators.close();
  }

  #open(subscription: Subscription): Stream {
    return openStream(subscription, () => this.#draw());
  }

  #openView(): void {
    this.#closeView();
    this.indicators.show(this.choice);
    const { instrument, interval } = this.choice;
    if (instrument === "") return;
    const intervals: Interval[] = [interval];
    this.#viewStream = this.#open({
      instruments: [instrument],
      kinds: ["trades", "candles", "coverage"],
      intervals,
    });
    this.#history = new History(this.#viewStream, this.choice);
  }

  #closeView(): void {
    this.#viewStream?.close();
    this.#history?.close();
    this.#viewStream = this.#history = null;
    this.view = EMPTY;
    this.viewConnection = NOT_YET;
  }

  #takeOver(): void {
    this.overview = this.#overviewStream.state;
    this.overviewConnection = this.#overviewStream.connection;
    if (this.#viewStream !== null) {
      const { state } = this.#viewStream;
      if (state.commit !== null || state.error !== "") this.view = state;
      this.viewConnection = this.#viewStream.connection;
      void this.#history?.loadCoverage();
      this.indicators.reach(state.candles[0]?.start);
    }
    this.#chooseFirst();
    this.#chooseInterval();
  }

  /** With no instrument in the address, or one that is not there, show that of last time, else the first. */
  #chooseFirst(): void {
    const { instruments } = this.overview;
    if (instruments.some(({ id }) => id === this.choice.instrument)) return;
    const first = firstOf(instruments);
    if (first === undefined) return;
    this.#replaced = { wanted: this.choice.instrument, by: first.id };
    this.#replace({ instrument: first.id });
  }

  /** Opened without an address: begin with an interval that has something to show. */
  #chooseInterval(): void {
    if (!this.#isIntervalOpen || this.view.commit === null || !this.#followsAddress) return;
    this.#shownSince ??= Date.now();
    const interval = firstInterval(this.view.candles.length, Date.now() - this.#shownSince);
    if (interval === null) return;
    this.#isIntervalOpen = false;
    this.#replace({ interval });
  }

  /** Whether the address is the one that is shown: a link that was just clicked is followed a moment later. */
  get #followsAddress(): boolean {
    return isSame(readChart(location.hash), this.choice);
  }

  /** Choose for the reader: without a step in the browser's history. */
  #replace(change: Partial<Choice>): void {
    history.replaceState(null, "", writeChart({ ...this.choice, ...change }));
    this.followAddress();
  }
}

/** Return what the address says, with the indicators of last time where it names none. */
function firstChoice(): Choice {
  const choice = readChart(location.hash);
  return choice.indicators.length > 0 ? choice : { ...choice, indicators: rememberedIndicators() };
}

function earlier(a: number | null, b: number | null): number | null {
  return a === null || b === null ? (a ?? b) : Math.min(a, b);
}
