// Lines through closes: performance from a common beginning, and volatility.

import type { Moment } from "../chart/lines";
import { milliseconds } from "../format";
import type { Candle } from "../types";

const YEAR_MS = 365 * 86_400_000;

/** A stretch of time and the bars that it is shown with. */
export interface Period {
  readonly label: string;
  readonly interval: string;
  readonly barMs: number;
  readonly bars: number;
}

export const PERIODS: readonly Period[] = [
  { label: "1 h", interval: "1m", barMs: 60_000, bars: 60 },
  { label: "6 h", interval: "5m", barMs: 300_000, bars: 72 },
  { label: "1 d", interval: "15m", barMs: 900_000, bars: 96 },
  { label: "7 d", interval: "1h", barMs: 3_600_000, bars: 168 },
  { label: "30 d", interval: "4h", barMs: 14_400_000, bars: 180 },
];

/** The returns that a volatility is of, and how many of them there must be. */
export const RETURNS = 20;
const MIN_RETURNS = 10;

/** Return the closes of candles that came newest first: oldest first, those without trades left out. */
export function closesOf(newestFirst: readonly Candle[]): Moment[] {
  return newestFirst
    .filter(({ close }) => close !== null)
    .map(({ start, close }) => ({ at: milliseconds(start), value: close }))
    .reverse();
}

/** Return the moment from which all of these are known; null if one never is. */
export function commonStart(all: readonly (readonly Moment[])[]): number | null {
  const starts = all.map((moments) => moments[0]?.at);
  return starts.length > 0 && starts.every((start) => start !== undefined) ? Math.max(...starts) : null;
}

/** Return by how many percent a price has changed since `from`. */
export function performance(closes: readonly Moment[], from: number): Moment[] {
  const since = closes.filter(({ at }) => at >= from);
  const first = since[0]?.value;
  if (!first) return [];
  return since.map(({ at, value }) => ({ at, value: value === null ? null : 100 * (value / first - 1) }));
}

/**
 * Return the volatility at each close in percent a year: the standard deviation (ddof 1) of the last 20 log returns
 * times the root of the bars in 365 days. Only neighbours have a return; with fewer than 10 there is none.
 */
export function volatility(closes: readonly Moment[], barMs: number): Moment[] {
  const scale = 100 * Math.sqrt(YEAR_MS / barMs);
  const returns = closes.map(({ at, value }, i) => {
    const before = closes[i - 1];
    return before?.value && value && at - before.at === barMs ? Math.log(value / before.value) : null;
  });
  return closes.map(({ at }, i) => {
    const last = returns.slice(Math.max(0, i - RETURNS + 1), i + 1).filter((value) => value !== null);
    return { at, value: last.length < MIN_RETURNS ? null : scale * deviation(last) };
  });
}

function deviation(values: readonly number[]): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1));
}
