// Windows without a row. For short intervals the server keeps no row of a window in which nobody traded; on a chart
// such a window still takes its place, or time would run faster where it was quiet.

import { milliseconds } from "./format";
import { isInterval, secondsOf } from "./intervals";
import type { Candle } from "./types";

/** A longer hole stays a jump in the axis: nobody scrolls through a night of nothing. */
export const MAX_HOLE = 600;

/** Return `candles`, oldest first and of one interval, with an empty candle in the place of each absent one. */
export function filled(candles: readonly Candle[]): readonly Candle[] {
  const out: Candle[] = [];
  for (const candle of candles) {
    const before = out.at(-1);
    if (before !== undefined) out.push(...between(before, candle));
    out.push(candle);
  }
  return out;
}

/** Return empty candles for the windows after `before` and ahead of `next`. */
export function between(before: Candle, next: Candle): Candle[] {
  if (!isInterval(next.interval)) return [];
  const length = secondsOf(next.interval) * 1_000;
  const from = milliseconds(before.start) + length;
  const count = (milliseconds(next.start) - from) / length;
  if (count < 1 || count > MAX_HOLE) return [];
  return Array.from({ length: count }, (_, i) => ({ ...NOTHING, ...place(next, from + i * length) }));
}

function place({ instrument, interval }: Candle, ms: number): Pick<Candle, "instrument" | "interval" | "start"> {
  return { instrument, interval, start: new Date(ms).toISOString().replace("Z", "000000Z") };
}

/** Why there is nothing, the ledger knows: quiet where it is complete. */
const NOTHING = {
  open: null,
  high: null,
  low: null,
  close: null,
  volume: 0,
  quote_volume: 0,
  vwap: null,
  trades: 0,
  taker_buy_volume: 0,
  revision: 0,
  is_final: false,
  source: "TRADES",
  reason: "NONE",
} as const;
