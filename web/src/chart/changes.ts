// What is different between two lists of candles, so that the chart redraws no more than that.

import type { Candle } from "../types";

/** Return the indices that changed, or null when bars were inserted or removed before the end. */
export function changedSince(old: readonly Candle[], now: readonly Candle[]): number[] | null {
  if (old.length === 0 || now.length < old.length) return null;
  const changed: number[] = [];
  for (let i = 0; i < now.length; i += 1) {
    if (i < old.length && old[i] === now[i]) continue;
    if (i < old.length && old[i]!.start !== now[i]!.start) return null;
    changed.push(i);
  }
  return changed;
}
