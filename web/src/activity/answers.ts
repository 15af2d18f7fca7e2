// The answers of the calls under /compat, and the tables that are shown of them. Nothing is worked out here that the
// API defines: rows are put side by side and in order.

import type { Cell } from "../csv";

/** GET /compat/transactions_count_last_6_hours */
export interface Counts {
  count: Record<string, { total_transaction_count: number }>;
}

/** GET /compat/trade_volume_last_6_hours */
export interface Volumes {
  count: Record<string, { total_trade_volume: number }>;
}

/** A clock hour of GET /compat/hourly_stats_last_12_hours. */
export interface Hour {
  hour_start: string;
  transaction_count: number;
  total_trade_volume: number;
}

/** GET /compat/hourly_stats_last_12_hours */
export interface Stats {
  stats: Record<string, Hour[]>;
}

/** GET /compat/transactions_in_last_n_min */
export interface Recent {
  symbol: string;
  number_of_trades: number;
}

/** GET /compat/top_n_highest_volumes */
export interface Top {
  top_symbols: { symbol: string; total_volume: number }[];
}

export type Measure = "transaction_count" | "total_trade_volume";

export interface Total {
  readonly symbol: string;
  readonly count: number | null;
  readonly volume: number | null;
}

export const HOUR_MS = 3_600_000;

/** Return each symbol's count and volume, those with most trades first. */
export function totalsOf({ count: counts }: Counts, { count: volumes }: Volumes): Total[] {
  const symbols = [...new Set([...Object.keys(counts), ...Object.keys(volumes)])];
  const rows = symbols.map((symbol) => ({
    symbol,
    count: counts[symbol]?.total_transaction_count ?? null,
    volume: volumes[symbol]?.total_trade_volume ?? null,
  }));
  return rows.sort((a, b) => (b.count ?? 0) - (a.count ?? 0) || (a.symbol < b.symbol ? -1 : 1));
}

/** Return the starts of the `count` clock hours that were complete at `now`, in ms since 1970, oldest first. */
export function completedHours(now: number, count: number): number[] {
  const end = Math.floor(now / HOUR_MS) * HOUR_MS;
  return Array.from({ length: count }, (_, place) => end - (count - place) * HOUR_MS);
}

/** Return the hours to show: those that were complete at `now`, and whatever else was answered, oldest first. */
export function hoursOf({ stats }: Stats, now: number, count: number): number[] {
  const answered = Object.values(stats).flatMap((hours) => hours.map((hour) => Date.parse(hour.hour_start)));
  return [...new Set([...completedHours(now, count), ...answered])].sort((a, b) => a - b);
}

export interface Line {
  readonly symbol: string;
  /** One for each hour; null where the symbol had no trades. */
  readonly values: readonly (number | null)[];
}

/** Return what each symbol had in each of `hours`, by name. */
export function linesOf({ stats }: Stats, hours: readonly number[], measure: Measure): Line[] {
  return Object.keys(stats)
    .sort()
    .map((symbol) => {
      const values = new Map((stats[symbol] ?? []).map((hour) => [Date.parse(hour.hour_start), hour[measure]]));
      return { symbol, values: hours.map((hour) => values.get(hour) ?? null) };
    });
}

/** Return the lines that fit on a chart: those with the largest value, in the order of the symbols. */
export function mostOf(lines: readonly Line[], most: number): Line[] {
  const peak = ({ values }: Line): number => Math.max(...values.map((value) => value ?? 0));
  const kept = new Set([...lines].sort((a, b) => peak(b) - peak(a)).slice(0, most));
  return lines.filter((line) => kept.has(line));
}

export const TOTAL_COLUMNS = ["symbol", "total_transaction_count", "total_trade_volume"] as const;
export const HOUR_COLUMNS = ["hour_start", "symbol", "transaction_count", "total_trade_volume"] as const;
export const TOP_COLUMNS = ["symbol", "total_volume"] as const;

/** Return the totals as rows of a file. */
export function totalCells(rows: readonly Total[]): Cell[][] {
  return rows.map(({ symbol, count, volume }) => [symbol, count, volume]);
}

/** Return every hour of every symbol as rows of a file, by hour. */
export function hourCells({ stats }: Stats): Cell[][] {
  const rows = Object.entries(stats).flatMap(([symbol, hours]) =>
    hours.map((hour): [string, string, number, number] => [
      hour.hour_start,
      symbol,
      hour.transaction_count,
      hour.total_trade_volume,
    ]),
  );
  return rows.sort((a, b) => (a[0] === b[0] ? (a[1] < b[1] ? -1 : 1) : a[0] < b[0] ? -1 : 1));
}
