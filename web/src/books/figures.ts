// The books page as values: lines over time, one row for each venue, bars of aggressors.

import type { Moment } from "../chart/lines";
import { milliseconds } from "../format";
import { productOf } from "../instrument";
import { timeText, type Bars } from "../plots/spec";
import type { Depth, Instrument, Last, QuoteStat, Time } from "../types";

/** What lies between a bid and an ask. */
export interface Between {
  readonly spread: number;
  readonly spreadBp: number;
  readonly mid: number;
  readonly microprice: number | null;
}

/** Return what lies between the newest bid and ask, as docs/statistics.md defines it; null without both. */
export function betweenOf(last: Last | undefined): Between | null {
  const { bid = null, ask = null, bid_size, ask_size } = last ?? {};
  if (bid === null || ask === null) return null;
  const [spread, mid] = [ask - bid, (bid + ask) / 2];
  const size = (bid_size ?? 0) + (ask_size ?? 0);
  const microprice = size > 0 ? (ask * (bid_size ?? 0) + bid * (ask_size ?? 0)) / size : null;
  return { spread, spreadBp: (10_000 * spread) / mid, mid, microprice };
}

/** Return what is traded and quoted the same way elsewhere, the instrument itself included: the id up to the dot. */
export function sameProduct(instruments: readonly Instrument[], id: string): string[] {
  return instruments.map((one) => one.id).filter((other) => productOf(other) === productOf(id));
}

/** Return figures of rows as moments of the last `minutes` before the newest row. */
export function momentsOf<Row extends { event_time?: Time; start?: Time }>(
  rows: readonly Row[] | undefined,
  minutes: number,
  pick: (row: Row) => number | null,
): Moment[] {
  const moments = (rows ?? []).map((row) => ({
    at: milliseconds(row.event_time ?? row.start ?? ""),
    value: pick(row),
  }));
  const newest = moments.at(-1)?.at ?? 0;
  return moments.filter(({ at }) => at > newest - minutes * 60_000);
}

/** One venue's quote of a product; null is what is not known. */
export interface Venue {
  readonly id: string;
  readonly venue: string;
  readonly stat: QuoteStat | undefined;
  readonly depth: Depth | undefined;
  /** The highest bid, the lowest ask of those compared; of one alone neither. */
  readonly isBestBid: boolean;
  readonly isBestAsk: boolean;
  /** ms since 1970. */
  readonly at: number | null;
  readonly isFresh: boolean;
}

/** An older quote than this is compared with nothing; the server's own limit is `quote_age_s`. */
const STALE_MS = 60_000;

/** Return the newest quote of each of these that has quotes or a book, the dearest first. */
export function venuesOf(
  ids: readonly string[],
  stats: ReadonlyMap<string, readonly QuoteStat[]>,
  depths: ReadonlyMap<string, readonly Depth[]>,
  last: ReadonlyMap<string, Last>,
): Venue[] {
  const newest = ids.map((id) => ({ id, stat: stats.get(id)?.at(-1), quoted: last.get(id)?.quote_time ?? null }));
  const times = newest.map(({ stat, quoted }) =>
    stat === undefined ? null : milliseconds(later(quoted, stat.event_time)),
  );
  const now = Math.max(...times.map((at) => at ?? 0));
  const isFresh = times.map((at) => at !== null && at > now - STALE_MS);
  const fresh = newest.filter((_, i) => isFresh[i]).map(({ stat }) => stat!);
  const bestBid = Math.max(...fresh.map(({ bid }) => bid ?? -Infinity));
  const bestAsk = Math.min(...fresh.map(({ ask }) => ask ?? Infinity));
  return newest
    .map(({ id, stat }, i): Venue => ({
      id,
      venue: id.split(".")[1] ?? "",
      stat,
      depth: depths.get(id)?.at(-1),
      isBestBid: isFresh[i]! && fresh.length > 1 && stat?.bid === bestBid,
      isBestAsk: isFresh[i]! && fresh.length > 1 && stat?.ask === bestAsk,
      at: times[i] ?? null,
      isFresh: isFresh[i]!,
    }))
    .filter(({ stat, depth }) => stat !== undefined || depth !== undefined)
    .sort((a, b) => (b.stat?.premium_bp ?? -Infinity) - (a.stat?.premium_bp ?? -Infinity));
}

function later(a: Time | null, b: Time): Time {
  return a !== null && a > b ? a : b;
}

/** Return what a trade at both best prices would give before fees, in bp of their mid; null for one venue. */
export function crossing(venues: readonly Venue[]): { bp: number; buyAt: string; sellAt: string } | null {
  const bid = venues.find(({ isBestBid }) => isBestBid);
  const ask = venues.find(({ isBestAsk }) => isBestAsk);
  if (!bid?.stat?.bid || !ask?.stat?.ask || bid.id === ask.id) return null;
  const [high, low] = [bid.stat.bid, ask.stat.ask];
  return { bp: (20_000 * (high - low)) / (high + low), buyAt: ask.venue, sellAt: bid.venue };
}

/** What `GET /api/v1/flow` says of a window. */
export interface Flow {
  start: Time;
  taker_buy_volume: number;
  taker_sell_volume: number;
  delta: number;
  cumulative_delta: number;
}

/** Return bought and sold volume by window, bought upwards, sold downwards. */
export function barsOf(flow: readonly Flow[], write: (value: number) => string): Bars {
  return {
    kind: "bars",
    labels: flow.map(({ start }) => timeText(milliseconds(start), 60_000)),
    series: [
      { label: "takers bought", values: flow.map(({ taker_buy_volume }) => taker_buy_volume), colour: "up" },
      { label: "takers sold", values: flow.map(({ taker_sell_volume }) => -taker_sell_volume), colour: "down" },
    ],
    isStacked: true,
    writeY: (value) => write(Math.abs(value)),
  };
}

/** Return which part of the volume takers bought, in percent; null without any. */
export function boughtShare(flow: readonly Flow[]): number | null {
  const bought = flow.reduce((sum, one) => sum + one.taker_buy_volume, 0);
  const sold = flow.reduce((sum, one) => sum + one.taker_sell_volume, 0);
  return bought + sold > 0 ? (100 * bought) / (bought + sold) : null;
}
