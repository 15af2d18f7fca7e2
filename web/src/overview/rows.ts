// The overview table as values: one row for each instrument, from what the API says of it in four places.

import { csv } from "../csv";
import { milliseconds } from "../format";
import { contractOf } from "../instrument";
import { firstOf } from "../remembered";
import type { Instrument, Last, Stat } from "../types";

/** What an aggregator says of a whole coin, from the view `overview`. Changes are in percent. */
export interface Coin {
  name: string;
  allTimeHigh: number | null;
  /** Of 24 hours, in the quote currency. */
  volume: number | null;
  cap: number | null;
  supply: number | null;
  change1d: number | null;
  change7d: number | null;
}

/** The close of the newest bar, and the one before; newest first. */
export type Closes = readonly (number | null)[];

/** Of one instrument; null is what is not known. Changes are in percent. */
export interface Row {
  readonly id: string;
  readonly base: string;
  readonly quote: string;
  readonly venue: string;
  /** Such as `-PERP`; empty for what is traded on the spot. */
  readonly contract: string;
  readonly name: string;
  readonly step: number;
  readonly isCoin: boolean;
  readonly price: number | null;
  /** Of the newest bar of the chosen length against the close of the bar before. */
  readonly bar: number | null;
  /** Against what the venue says that the price was 24 hours ago. */
  readonly day: number | null;
  readonly change1d: number | null;
  readonly change7d: number | null;
  /** By how much the price has changed over each time that is known; of coins, a day and a week. */
  readonly changes: Changes;
  readonly high: number | null;
  readonly fromHigh: number | null;
  /** Of 24 hours, in the quote currency. */
  readonly volume: number | null;
  readonly cap: number | null;
  readonly supply: number | null;
  /** When the newest record came, in ms since 1970. */
  readonly updated: number | null;
}

export type Column = Exclude<keyof Row, "base" | "quote" | "contract" | "name" | "step" | "isCoin" | "changes">;

/** The times that changes are kept over, the longest last. */
export const TIMES = ["1m", "5m", "15m", "1h", "4h", "1d", "7d", "30d"] as const;
export type ChangeTime = (typeof TIMES)[number];
export type Changes = Readonly<Partial<Record<ChangeTime, number | null>>>;

/** Return the row of an instrument. */
export function rowOf(
  instrument: Instrument,
  last: Last | undefined,
  stat: Stat | undefined,
  coin: Coin | undefined,
  closes: Closes | undefined,
): Row {
  const price = last?.price ?? null;
  const [newest, before] = closes ?? [];
  const changes = coin === undefined ? changesOf(stat) : { "1d": coin.change1d, "7d": coin.change7d };
  // Statistics come a second after the price.
  const high =
    coin === undefined && stat !== undefined ? Math.max(stat.all_time_high, price ?? 0) : (coin?.allTimeHigh ?? null);
  return {
    id: instrument.id,
    base: instrument.base,
    quote: instrument.quote,
    venue: instrument.venue,
    contract: contractOf(instrument),
    name: coin?.name ?? "",
    step: instrument.price_step,
    isCoin: coin !== undefined,
    price,
    bar: against(newest, before),
    day: against(price, last?.open_24h),
    change1d: changes["1d"] ?? null,
    change7d: changes["7d"] ?? null,
    changes,
    high,
    fromHigh: against(price, high),
    volume: coin === undefined ? product(last?.volume_24h, price) : coin.volume,
    cap: coin?.cap ?? null,
    supply: coin?.supply ?? null,
    updated: last === undefined ? null : milliseconds(last.ingest_time),
  };
}

function changesOf(stat: Stat | undefined): Changes {
  return stat === undefined ? {} : Object.fromEntries(TIMES.map((time) => [time, stat[`change_${time}`]]));
}

function against(now: number | null | undefined, before: number | null | undefined): number | null {
  return now === null || now === undefined || !before ? null : 100 * (now / before - 1);
}

function product(a: number | null | undefined, b: number | null): number | null {
  return a === null || a === undefined || b === null ? null : a * b;
}

/** Return the rows whose id or name has every word of `filter`. */
export function filtered(rows: readonly Row[], filter: string): Row[] {
  const words = filter.toUpperCase().split(/\s+/).filter(Boolean);
  return rows.filter(({ id, name }) => words.every((word) => `${id} ${name}`.toUpperCase().includes(word)));
}

/** Changes in percent, figures in the quote currency, as the table has them. */
const KEPT: readonly (readonly [string, Column])[] = [
  ["instrument", "id"],
  ["price", "price"],
  ["bar_change", "bar"],
  ["change_24h", "day"],
  ["change_1d", "change1d"],
  ["change_7d", "change7d"],
  ["all_time_high", "high"],
  ["from_high", "fromHigh"],
  ["volume_24h", "volume"],
  ["cap", "cap"],
  ["supply", "supply"],
];

/** Return the table as CSV, with every digit and the time of the newest record in UTC. */
export function csvOf(rows: readonly Row[]): string {
  const time = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());
  return csv(
    [...KEPT.map(([name]) => name), "updated"],
    rows.map((row) => [...KEPT.map(([, column]) => row[column]), time(row.updated)]),
  );
}

/** Return the rows by a column. What is not known comes last, whichever way round; equals stay in their order. */
export function sorted(rows: readonly Row[], column: Column, isDescending: boolean): Row[] {
  const sign = isDescending ? -1 : 1;
  return rows.toSorted((one, other) => {
    const [a, b] = [one[column], other[column]];
    if (a === null || b === null) return Number(a === null) - Number(b === null);
    if (typeof a === "string" || typeof b === "string") return sign * String(a).localeCompare(String(b));
    return sign * (a - b);
  });
}

/** A part of the market whose volumes can be added up. */
export interface Group {
  readonly label: string;
  readonly volumes: ReadonlyMap<string, number>;
}

/** What a dollar, or a coin that stands for one, is called. */
const DOLLARS = new Set(["USD", "USDT", "USDC", "FDUSD", "TUSD", "PYUSD", "DAI"]);

/** Return the volumes of each coin: at each venue in each currency, and at all of them in dollars. */
export function volumeGroups(rows: readonly Row[]): Group[] {
  const all = new Map<string, number>();
  const groups = new Map<string, Map<string, number>>();
  for (const { base, quote, contract, venue, volume, isCoin } of rows) {
    if (volume === null || volume <= 0) continue;
    const label = `${venue} in ${quote}${contract}`;
    const group = groups.get(label) ?? new Map<string, number>();
    groups.set(label, group.set(base, (group.get(base) ?? 0) + volume));
    if (!isCoin && contract === "" && DOLLARS.has(quote)) all.set(base, (all.get(base) ?? 0) + volume);
  }
  const several = groups.size > 1 && all.size > 0 ? [{ label: "all venues, in dollars", volumes: all }] : [];
  return [...several, ...[...groups].map(([label, volumes]) => ({ label, volumes }))];
}

/** Return the largest volumes, the rest of them as one. */
export function largest(volumes: ReadonlyMap<string, number>, count: number): { label: string; value: number }[] {
  const all = [...volumes].map(([label, value]) => ({ label, value })).sort((a, b) => b.value - a.value);
  if (all.length <= count) return all;
  const rest = all.slice(count - 1).reduce((sum, { value }) => sum + value, 0);
  return [...all.slice(0, count - 1), { label: `${all.length - count + 1} others`, value: rest }];
}

/** Return what to begin with: the instrument of last time, or the first, and those with most volume beside it. */
export function suggested(
  rows: readonly Row[],
  choice: { readonly others: readonly string[] },
): {
  instrument: string;
  others: readonly string[];
} {
  const traded = rows.filter(({ isCoin }) => !isCoin);
  const first = firstOf(traded) ?? rows[0]!;
  const beside = traded.filter(
    ({ id, venue, quote }) => id !== first.id && venue === first.venue && quote === first.quote,
  );
  const others =
    choice.others.length > 0
      ? choice.others
      : sorted(beside, "volume", true)
          .slice(0, 4)
          .map(({ id }) => id);
  return { instrument: first.id, others };
}

export interface Mover {
  readonly row: Row;
  readonly change: number;
}

/** Return those that rose and those that fell most over a time, the most first; who did not move is neither. */
export function moversOf(rows: readonly Row[], time: ChangeTime, count: number): { winners: Mover[]; losers: Mover[] } {
  const moved = rows
    .map((row) => ({ row, change: row.changes[time] ?? 0 }))
    .filter(({ change }) => change !== 0)
    .sort((a, b) => b.change - a.change);
  return {
    winners: moved.filter(({ change }) => change > 0).slice(0, count),
    losers: moved
      .filter(({ change }) => change < 0)
      .slice(-count)
      .reverse(),
  };
}

/**
 * Return the longest time up to a day over which the change of most is known, of those of which some change is; a day
 * while there is none.
 */
export function longestTime(rows: readonly Row[]): ChangeTime {
  const upToADay = TIMES.slice(0, TIMES.indexOf("1d") + 1);
  const isKnown = ({ changes }: Row, time: ChangeTime): boolean => (changes[time] ?? null) !== null;
  const known = rows.filter((row) => !row.isCoin && upToADay.some((time) => isKnown(row, time)));
  const count = (time: ChangeTime): number => known.filter((row) => isKnown(row, time)).length;
  return (known.length > 0 ? upToADay.findLast((time) => 2 * count(time) > known.length) : undefined) ?? "1d";
}
