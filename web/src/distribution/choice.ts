// Of what the page shows the distribution, kept in the address.

import type { Call } from "../api/call";

export const PERIODS = ["15m", "1h", "6h", "1d"] as const;
export type Period = (typeof PERIODS)[number];

export const BINS = { least: 5, most: 200, usual: 40 } as const;

export interface Choice {
  /** Empty while none is known. */
  readonly instrument: string;
  readonly bins: number;
  /** The time up to now, unless there is a range. */
  readonly period: Period;
  /** From and until, `2026-11-20T14:00` in UTC; null for a period. */
  readonly range: readonly [string, string] | null;
}

const SHAPE = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?$/;

/** Return a range of two UTC times, written with a space or a T, or null if they make none. */
export function rangeOf(from: string, until: string): readonly [string, string] | null {
  const [start, end] = [from, until].map((time) => time.trim().replace(" ", "T")) as [string, string];
  return isTime(start) && isTime(end) && Date.parse(`${start}Z`) < Date.parse(`${end}Z`) ? [start, end] : null;
}

/** Return a number of bins within the limits, or null for what is none. */
export function binsOf(text: string): number | null {
  const value = /^\d+$/.test(text) ? Number(text) : NaN;
  return value >= BINS.least && value <= BINS.most ? value : null;
}

/** Read `#instrument=BTC-USD.COINBASE&period=6h`; what is missing or makes no sense is as usual. */
export function fromHash(hash: string): Choice {
  const query = new URLSearchParams(hash.replace(/^#/, ""));
  return {
    instrument: query.get("instrument") ?? "",
    bins: binsOf(query.get("bins") ?? "") ?? BINS.usual,
    period: PERIODS.find((period) => period === query.get("period")) ?? "1h",
    range: rangeOf(query.get("start") ?? "", query.get("end") ?? ""),
  };
}

/** Return the address of a choice, without what is as usual. */
export function toHash({ instrument, bins, period, range }: Choice): string {
  const query = new URLSearchParams();
  if (instrument !== "") query.set("instrument", instrument);
  if (range === null && period !== "1h") query.set("period", period);
  if (range !== null) [query.set("start", range[0]), query.set("end", range[1])];
  if (bins !== BINS.usual) query.set("bins", String(bins));
  return `#${query}`;
}

/** Return the call that answers a choice. */
export function callOf({ instrument, bins, period, range }: Choice): Call {
  const span = range === null ? { period } : { start: withZone(range[0]), end: withZone(range[1]) };
  return { name: "distribution", query: { instrument, ...span, bins } };
}

/** Return the range of the length of `period` that ends with the second of `time`, such as that of the newest trade. */
export function rangeUpTo(time: string, period: Period): readonly [string, string] {
  const until = Math.floor(Date.parse(`${time.slice(0, 19)}Z`) / 1_000) * 1_000 + 1_000;
  return [until - LENGTHS_MS[period], until].map((ms) => new Date(ms).toISOString().slice(0, 19)) as [string, string];
}

const MINUTE_MS = 60_000;
const LENGTHS_MS: Record<Period, number> = {
  "15m": 15 * MINUTE_MS,
  "1h": 60 * MINUTE_MS,
  "6h": 360 * MINUTE_MS,
  "1d": 1_440 * MINUTE_MS,
};

function isTime(text: string): boolean {
  return SHAPE.test(text) && !Number.isNaN(Date.parse(`${text}Z`));
}

function withZone(time: string): string {
  return time.length === 16 ? `${time}:00Z` : `${time}Z`;
}
