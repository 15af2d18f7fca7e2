// What a quote says of an instrument now.

import { decimalsOf } from "../format";
import type { Instrument, Last } from "../types";

export interface Price {
  readonly instrument: Instrument;
  readonly bid: number | null;
  readonly ask: number | null;
  /** ask − bid */
  readonly spread: number | null;
  /** (ask − bid) / bid, in percent */
  readonly percent: number | null;
  readonly time: string;
}

/** Return the price of each instrument that has ever been quoted. */
export function pricesOf(instruments: readonly Instrument[], last: ReadonlyMap<string, Last>): Price[] {
  return instruments.flatMap((instrument) => {
    const { bid = null, ask = null, quote_time: time = null } = last.get(instrument.id) ?? {};
    return time === null ? [] : [{ instrument, bid, ask, ...spreadOf(bid, ask), time }];
  });
}

/** Return the spread of a quote; both are null if a side is empty. */
export function spreadOf(bid: number | null, ask: number | null): { spread: number | null; percent: number | null } {
  if (bid === null || ask === null) return { spread: null, percent: null };
  const spread = ask - bid;
  return { spread, percent: bid === 0 ? null : (spread / bid) * 100 };
}

/** Return how many decimals the spread of two prices has: a difference of floats has more than it means. */
export function spreadDecimals({ instrument, bid, ask }: Price): number {
  return Math.max(decimalsOf(instrument.price_step), decimalsOf(bid ?? 0), decimalsOf(ask ?? 0));
}
