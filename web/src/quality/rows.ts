// The answer of the API, what is shown of it, and in which order. What the figures mean: docs/statistics.md.

import { duration } from "../format";
import type { Coverage, Time } from "../types";

/** How good the trades of an instrument's UTC day are. */
export interface Row {
  instrument: string;
  day: Time;
  followed_s: number;
  down_s: number;
  gap_s: number;
  completeness: number;
  missing: number;
  trades: number;
  refilled: number;
  duplicates: number;
  duplicate_rate: number | null;
  out_of_order: number | null;
  revisions: number;
  clock_skew_s: number | null;
  delay_p50_s: number | null;
  delay_p99_s: number | null;
  stale_s: number;
  crossed_s: number;
}

export interface Answer {
  simulated: boolean;
  quality: Row[];
}

export type Column = keyof Row;

export interface Head {
  column: Column;
  title: string;
  hint: string;
  write: (row: Row) => string;
}

export const HEADS: readonly Head[] = [
  head("completeness", "Complete", "Of the time followed, without the time in which trades are missing", complete),
  head("missing", "Missing", "Trades known to be missing, of holes that began that day", count),
  head("gap_s", "With holes", "Time in which trades are missing", length),
  head("down_s", "Down", "Time without a connection, unless nothing was missed or history filled it", length),
  head("followed_s", "Followed", "Time in which trades were wanted", length),
  head("trades", "Trades", "How many are stored", count),
  head("refilled", "Refilled", "Those of them that came from the venue's history", count),
  head("duplicate_rate", "Doubles", "Trades that came again, of all that connections brought", share),
  head("out_of_order", "Late", "Trades whose time is before that of one received before", share),
  head("revisions", "Revised", "How often late trades changed minutes that were final", count),
  head("clock_skew_s", "Skew", "Our clock against the venue's, and the shortest way: 1st percentile", length),
  head("delay_p50_s", "Delay p50", "How much longer than that half of the trades took at most", length),
  head("delay_p99_s", "Delay p99", "How much longer than that 99 of 100 trades took at most", length),
  head("stale_s", "Stale", "Quiet minutes in which the quote did not change either", length),
  head("crossed_s", "Crossed", "Time in which the book was crossed", length),
];

function head<C extends Column>(column: C, title: string, hint: string, write: (value: Row[C]) => string): Head {
  return { column, title, hint, write: (row) => write(row[column]) };
}

/** Return a share of 100, cut and not rounded: what lacks anything is never called complete. */
export function complete(value: number): string {
  return value >= 100 ? "100 %" : `${(Math.floor(value * 1_000) / 1_000).toFixed(3)} %`;
}

function count(value: number): string {
  return value.toLocaleString("en-US");
}

function share(value: number | null): string {
  if (value === null) return "–";
  return value > 0 && value < 0.001 ? "< 0.001 %" : `${value.toFixed(3)} %`;
}

function length(value: number | null): string {
  if (value === null) return "–";
  return value === 0 ? "0" : `${value < 0 ? "−" : ""}${duration(Math.abs(value))}`;
}

/** Return the rows whose instrument has every word of `filter`. */
export function filtered(rows: readonly Row[], filter: string): Row[] {
  const words = filter.toUpperCase().split(/\s+/).filter(Boolean);
  return rows.filter(({ instrument }) => words.every((word) => instrument.includes(word)));
}

/** Return the rows by a column; what is not known comes last, equals by day, the newest first, and name. */
export function sorted(rows: readonly Row[], column: Column, isDescending: boolean): Row[] {
  return rows.toSorted((one, other) => {
    const [a, b] = [one[column], other[column]];
    if (a === null || b === null) return Number(a === null) - Number(b === null) || byDay(one, other);
    return (a < b ? -1 : a > b ? 1 : 0) * (isDescending ? -1 : 1) || byDay(one, other);
  });
}

function byDay(one: Row, other: Row): number {
  const [a, b] = [`${other.day}${one.instrument}`, `${one.day}${other.instrument}`];
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Return the stretches of trades in which some are or were missing, the newest first. */
export function holesOf(coverage: readonly Coverage[]): Coverage[] {
  return coverage.filter(
    ({ channel, state }) => channel === "trades" && (state === "GAP" || state === "DOWN" || state === "REFILLED"),
  );
}
