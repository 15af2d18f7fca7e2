// What the states of feeds mean to who reads figures.

import type { FeedState } from "./types";

/** Return whether nothing comes from a feed in this state, though it should. */
export function isBad(state: FeedState): boolean {
  return state === "stale" || state === "down" || state === "refused";
}
