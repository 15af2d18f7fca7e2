// What is on the chart, kept in the address so that it can be linked, bookmarked and walked back through.

import { listFromText, listToText } from "./indicators/key";
import { DEFAULT_INTERVAL, isInterval } from "./intervals";
import type { Interval } from "./types";

/** Which candles. */
export interface Place {
  /** Empty while no instrument is known. */
  readonly instrument: string;
  readonly interval: Interval;
}

export interface Choice extends Place {
  /** `RSI(period=14)`, in the order in which they were chosen. */
  readonly indicators: readonly string[];
}

/** With fewer one-minute candles than this there is little to see yet. */
const FEW_CANDLES = 20;

/** A new database has the venue's bars after about a second, or never. */
const PATIENCE_MS = 3_000;

/**
 * Return the interval to begin with, where nobody chose one, or null to wait a little for the venue's bars: without
 * them the seconds are the ones that move at once.
 */
export function firstInterval(minuteCandles: number, waitedMs: number): Interval | null {
  if (minuteCandles >= FEW_CANDLES) return DEFAULT_INTERVAL;
  return waitedMs < PATIENCE_MS ? null : "1s";
}

/** Read `#BTC-USD.COINBASE/1m`; what is missing or makes no sense falls back to the defaults. */
export function fromHash(hash: string): Place {
  const [instrument = "", interval] = hash.replace(/^#/, "").split("/");
  return { instrument: decoded(instrument), interval: isInterval(interval) ? interval : DEFAULT_INTERVAL };
}

/** Return the address of a choice of candles. */
export function toHash({ instrument, interval }: Place): string {
  return `#${encodeURIComponent(instrument)}/${interval}`;
}

/** Read `#BTC-USD.COINBASE/1m/RSI(period=14);OBV`, with the same patience. */
export function readChart(hash: string): Choice {
  return { ...fromHash(hash), indicators: listFromText(decoded(hash.split("/")[2] ?? "")) };
}

/** Return the address of a chart. */
export function writeChart(choice: Choice): string {
  const { indicators } = choice;
  return indicators.length === 0 ? toHash(choice) : `${toHash(choice)}/${listToText(indicators)}`;
}

/** Return whether two choices are one. */
export function isSame(a: Choice, b: Choice): boolean {
  return isSamePlace(a, b) && listToText(a.indicators) === listToText(b.indicators);
}

/** Return whether two choices show the same candles. */
export function isSamePlace(a: Place, b: Place): boolean {
  return a.instrument === b.instrument && a.interval === b.interval;
}

/** Return what was written into an address, or nothing if it makes no sense. */
export function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (error instanceof URIError) return "";
    throw error;
  }
}
