// The levels of a book as values: one rung for each, from the best price away.

import { decimalsOf, rounded } from "../format";
import { computedDecimals } from "../instrument";
import type { Instrument, Time } from "../types";

/** Price and size. */
export type Level = readonly [price: number, size: number];

/** What `GET /api/v1/book` says. */
export interface BookAnswer {
  readonly simulated: boolean;
  readonly instrument: string;
  readonly commit: number;
  readonly time: Time;
  readonly state: "live" | "crossed";
  readonly bids: readonly Level[];
  readonly asks: readonly Level[];
}

/** One level as text; empty for one that the book does not have, so that the others stay where they are. */
export interface Rung {
  readonly price: string;
  readonly size: string;
  /** All sizes from the best price to this one. */
  readonly total: string;
  /** The part in percent of the largest total of both sides. */
  readonly share: number;
}

export interface Ladder {
  /** The best first. */
  readonly bids: readonly Rung[];
  readonly asks: readonly Rung[];
}

const NO_RUNG: Rung = { price: "", size: "", total: "", share: 0 };

/**
 * Return `count` rungs a side. Prices and sizes have all the digits that the venue sent, and of one column all have the
 * same decimals.
 */
export function ladderOf(answer: BookAnswer, instrument: Instrument | undefined, count: number): Ladder {
  const sides = [answer.bids.slice(0, count), answer.asks.slice(0, count)];
  const levels = sides.flat();
  const prices = decimalsOfAll(
    levels.map(([price]) => price),
    instrument?.price_step ?? 0,
  );
  const sizes =
    computedDecimals(instrument) ??
    decimalsOfAll(
      levels.map(([, size]) => size),
      instrument?.size_step ?? 0,
    );
  const totals = sides.map(totalsOf);
  const most = Math.max(...totals.map((side) => side.at(-1) ?? 0));
  const [bids = [], asks = []] = sides.map((side, i) =>
    Array.from({ length: count }, (_, n): Rung => {
      const [level, total] = [side[n], totals[i]![n]!];
      if (level === undefined) return NO_RUNG;
      const [price, size] = level;
      return {
        price: rounded(price, prices),
        size: rounded(size, sizes),
        total: rounded(total, sizes),
        share: (100 * total) / most,
      };
    }),
  );
  return { bids, asks };
}

function totalsOf(levels: readonly Level[]): number[] {
  let total = 0;
  return levels.map(([, size]) => (total += size));
}

/** Return how many decimals it takes to write a step and every one of these. */
function decimalsOfAll(values: readonly number[], step: number): number {
  return Math.max(decimalsOf(step), ...values.map(decimalsOf));
}
