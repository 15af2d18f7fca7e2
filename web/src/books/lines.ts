// The lines of the books page: rows of each second over the last minutes before the newest.

import type { Line } from "../chart/lines";
import type { Depth, QuoteStat, TradeWindow } from "../types";
import { momentsOf } from "./figures";

/** A window of a minute gives one figure every minute. */
const VOLATILITY_MINUTES = 120;

/** Return best prices, and what lies between and around them. */
export function priceLines(rows: readonly QuoteStat[] | undefined, minutes: number): Line[] {
  const of = (pick: (row: QuoteStat) => number | null) => momentsOf(rows, minutes, pick);
  return [
    { label: "bid", colour: "up", moments: of(({ bid }) => bid) },
    { label: "ask", colour: "down", moments: of(({ ask }) => ask) },
    { label: "microprice", colour: "series-2", moments: of(({ microprice }) => microprice) },
    { label: "median of venues", colour: "series-8", style: "dashed", moments: of(({ median_price }) => median_price) },
  ];
}

/** Return the spread in bp. */
export function spreadLines(rows: readonly QuoteStat[] | undefined, minutes: number): Line[] {
  const moments = momentsOf(rows, minutes, ({ spread_bp }) => spread_bp);
  return [{ label: "spread", colour: "series-1", style: "area", moments }];
}

/** Return how much lies on each side near the mid. */
export function depthLines(rows: readonly Depth[] | undefined, minutes: number): Line[] {
  return [
    { label: "bids", colour: "up", moments: momentsOf(rows, minutes, ({ bid_depth }) => bid_depth) },
    { label: "asks", colour: "down", moments: momentsOf(rows, minutes, ({ ask_depth }) => ask_depth) },
  ];
}

/** Return which side is the larger one. */
export function imbalanceLines(rows: readonly Depth[] | undefined, minutes: number): Line[] {
  const moments = momentsOf(rows, minutes, ({ book_imbalance }) => book_imbalance);
  return [{ label: "imbalance", colour: "text-muted", style: "signed", moments }];
}

/** Return the volatility of each completed minute; windows that begin at :30 have none. */
export function volatilityLines(rows: readonly TradeWindow[] | undefined): Line[] {
  const all = momentsOf(rows, VOLATILITY_MINUTES, ({ realised_volatility }) => realised_volatility);
  const moments = all.filter(({ value }) => value !== null);
  return [{ label: "realised, a year", colour: "series-4", style: "area", moments }];
}
