// What the page shows, as signals: the reader's choice and the newest answer to it.

import { Poll } from "../api/poll.svelte";
import { firstOf, rememberInstrument } from "../remembered";
import type { Coverage, Instrument, Last } from "../types";
import type { Answer } from "./answer";
import { callOf, fromHash, rangeUpTo, toHash, type Choice } from "./choice";

const SOON_MS = 15_000;
const LATER_MS = 60_000;
const MOST_STRETCHES = 5_000;

export class Distribution {
  choice = $state.raw<Choice>(fromHash(location.hash));
  /** The newest answer: it stays until there is one to another choice. */
  shown = $state.raw<Answer>();

  readonly instruments = new Poll<{ simulated: boolean; instruments: Instrument[] }>();
  readonly answer = new Poll<Answer>();
  readonly coverage = new Poll<{ coverage: Coverage[] }>();
  readonly last = new Poll<{ last: Last[] }>();

  readonly known = $derived(
    [...(this.instruments.answer?.instruments ?? [])].sort((a, b) => (a.id < b.id ? -1 : 1)),
  );
  /** The chosen one's id; without a choice that of last time, or of the first to be followed. */
  readonly id = $derived(this.choice.instrument || (firstOf(this.instruments.answer?.instruments ?? [])?.id ?? ""));
  /** What is shown is of this one, while the answer to another choice is under way. */
  readonly instrument = $derived(this.known.find(({ id }) => id === (this.shown?.instrument ?? this.id)));
  readonly call = $derived(callOf({ ...this.choice, instrument: this.id }));
  readonly figures = $derived(this.shown?.distribution ?? null);
  /** What is shown answers an earlier choice: the newer answer is under way, or failed. */
  readonly isOld = $derived(this.shown !== undefined && this.answer.answer === undefined);
  readonly isSimulated = $derived((this.instruments.answer?.simulated ?? false) || (this.shown?.simulated ?? false));
  /** When the newest trade was, whichever the range. */
  readonly newest = $derived(this.last.answer?.last[0]?.trade_time ?? null);

  /** Ask for what is chosen; to be called in an effect of a component. */
  constructor() {
    $effect(() => this.instruments.follow({ name: "instruments" }, LATER_MS));
    $effect(() => {
      const isShort = this.choice.range === null && ["15m", "1h"].includes(this.choice.period);
      return this.id === "" ? undefined : this.answer.follow(this.call, isShort ? SOON_MS : LATER_MS);
    });
    $effect(() => {
      if (this.known.some(({ id }) => id === this.id)) rememberInstrument(this.id);
    });
    $effect(() => {
      if (this.answer.answer !== undefined) this.shown = this.answer.answer;
    });
    $effect(() => {
      if (this.shown === undefined) return;
      const { instrument, start, end } = this.shown;
      const query = { instrument, start, end, order: "desc", limit: MOST_STRETCHES };
      return this.coverage.follow({ name: "coverage", query }, null);
    });
    $effect(() => {
      if (this.shown?.distribution !== null) return;
      return this.last.follow({ name: "last", query: { instrument: this.shown.instrument } }, LATER_MS);
    });
  }

  /** Choose something else. The address tells it, without a step in the browser's history. */
  choose(change: Partial<Choice>): void {
    this.choice = { ...this.choice, ...change };
    history.replaceState(null, "", toHash(this.choice));
  }

  /** Show what the address says. */
  followAddress(): void {
    this.choice = fromHash(location.hash);
  }

  /** Choose the instrument `steps` further down the list. */
  step(steps: number): void {
    const ids = this.known.map(({ id }) => id);
    const next = ids[ids.indexOf(this.id) + steps];
    if (next !== undefined) this.choose({ instrument: next });
  }

  /** Show the trades up to the newest one, however long ago that was. */
  showNewest(): void {
    if (this.newest !== null) this.choose({ range: rangeUpTo(this.newest, this.choice.period) });
  }
}
