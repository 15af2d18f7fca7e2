// An indicator's values, a row for each candle, oldest first.

import type { Candle, IndicatorRow, Time } from "../types";

/** Return the rows with others added. Of two of one candle the added one is the newer. */
export function withRows(
  old: readonly IndicatorRow[],
  added: readonly IndicatorRow[] | undefined,
  most: number,
): readonly IndicatorRow[] {
  if (!added?.length) return old;
  const oldest = old[0]?.start ?? "";
  // Before the oldest one it would leave a hole behind it.
  const rows = added.filter(({ start }) => start >= oldest);
  const newest = old.at(-1)?.start ?? "";
  const isInOrder = rows.every(({ start }, i) => start > (rows[i - 1]?.start ?? newest));
  const all = isInOrder ? [...old, ...rows] : byStart([...old, ...rows]);
  return all.slice(-most);
}

/** Return the rows with an older page before them. */
export function withOlderRows(old: readonly IndicatorRow[], page: readonly IndicatorRow[]): readonly IndicatorRow[] {
  const oldest = old[0]?.start;
  const older = oldest === undefined ? page : page.filter(({ start }) => start < oldest);
  return older.length === 0 ? old : [...older, ...old];
}

/** Return the value of a column; null where there is none. */
export function valueIn(row: IndicatorRow | undefined, output: string): number | null {
  const value = row?.[output];
  return typeof value === "number" ? value : null;
}

/** Return the row at a candle, or for null the newest one that has a value in one of the columns. */
export function rowAt(
  rows: readonly IndicatorRow[],
  start: Time | null,
  outputs: readonly string[],
): IndicatorRow | undefined {
  if (start !== null) return rows.findLast((row) => row.start === start);
  return rows.findLast((row) => outputs.some((output) => valueIn(row, output) !== null));
}

/** Where a line goes: a candle's start and the value there. */
export interface Point {
  readonly start: Time;
  readonly value: number;
}

/** Return the points of a column at candles that are on the chart: a point elsewhere would move its axis. */
export function pointsOf(candles: readonly Candle[], rows: readonly IndicatorRow[], output: string): Point[] {
  const points: Point[] = [];
  let at = 0;
  for (const row of rows) {
    while (at < candles.length && candles[at]!.start < row.start) at += 1;
    if (at === candles.length) break;
    const value = valueIn(row, output);
    if (value !== null && candles[at]!.start === row.start) points.push({ start: row.start, value });
  }
  return points;
}

/** Return the first index from which points can be told one by one instead of all anew, or null. */
export function changedFrom(old: readonly Point[], now: readonly Point[], most: number): number | null {
  if (now.length < old.length) return null;
  let same = 0;
  while (same < old.length && old[same]!.start === now[same]!.start && old[same]!.value === now[same]!.value) same += 1;
  const areStartsSame = old.slice(same).every(({ start }, i) => start === now[same + i]!.start);
  return areStartsSame && now.length - same <= most ? same : null;
}

function byStart(rows: readonly IndicatorRow[]): IndicatorRow[] {
  const merged = new Map(rows.map((row) => [row.start, row]));
  return [...merged.values()].sort((a, b) => (a.start < b.start ? -1 : 1));
}
