// The candle lengths that the page offers.

import type { Interval } from "./types";

export const INTERVALS: readonly Interval[] = ["1s", "1m", "5m", "15m", "1h", "4h", "1d"];
export const DEFAULT_INTERVAL: Interval = "1m";

const SECONDS: Record<Interval, number> = {
  "1s": 1,
  "1m": 60,
  "5m": 300,
  "15m": 900,
  "1h": 3_600,
  "4h": 14_400,
  "1d": 86_400,
};

/** Return the length of an interval in seconds. */
export function secondsOf(interval: Interval): number {
  return SECONDS[interval];
}

/** Return whether `text` names one of the intervals. */
export function isInterval(text: string | undefined): text is Interval {
  return text !== undefined && (INTERVALS as readonly string[]).includes(text);
}
