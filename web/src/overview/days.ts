// Days and their means as values, and what is missing for a mean.

import type { Rows } from "../sql/ask";
import type { Time } from "../types";

/** A UTC day as `GET /api/v1/daily` tells it. */
export interface Daily {
  day: Time;
  close: number | null;
  is_final: boolean;
  sma_10d: number | null;
  sma_30d: number | null;
}

export interface Day {
  readonly day: Time;
  readonly price: number | null;
  readonly mean10: number | null;
  readonly mean30: number | null;
  readonly isFinal: boolean;
}

/** Return days that came newest first, oldest first. */
export function daysOf(newestFirst: readonly Daily[]): Day[] {
  return newestFirst.toReversed().map(({ day, close, sma_10d, sma_30d, is_final }) => {
    return { day, price: close, mean10: sma_10d, mean30: sma_30d, isFinal: is_final };
  });
}

/** Return the rows of the views of means: day, price, mean of 10 days, of 30; newest first. */
export function daysOfCoin({ rows }: Rows): Day[] {
  return rows.toReversed().map(([day, price, mean10, mean30]) => {
    return { day: String(day), price, mean10, mean30, isFinal: true } as Day;
  });
}

/** Return why the newest final day has no mean, and what would bring one; empty if it has both. */
export function daysLacking(days: readonly Day[], instrument: string): string {
  const final = days.filter(({ isFinal, price }) => isFinal && price !== null);
  const newest = final.at(-1);
  if (newest !== undefined && newest.mean10 !== null && newest.mean30 !== null) return "";
  const wanted = newest === undefined || newest.mean10 === null ? "10" : "30";
  const count = final.length === 1 ? "1 completed day is" : `${final.length} completed days are`;
  return (
    `A mean of ${wanted} days needs ${wanted} completed days in a row; ${count} stored. ` +
    `\`fulltape backfill ${instrument} --interval 1d --from 40d\` fetches the days before.`
  );
}
