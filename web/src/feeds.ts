// What the states of feeds mean to who reads figures.

import type { FeedState, FeedStatus, Instrument } from "./types";

/** Return whether nothing comes from a feed in this state, though it should. */
export function isBad(state: FeedState): boolean {
  return state === "stale" || state === "down" || state === "refused";
}

/** Return whether a feed brings an instrument, or whether that is not known yet. */
export function isFollowedBy(feeds: readonly FeedStatus[] | undefined, instrument: Instrument | undefined): boolean {
  if (feeds === undefined || instrument === undefined) return true;
  const { id, venue, venue_symbol } = instrument;
  return feeds.some(
    (feed) =>
      feed.venue === venue &&
      (feed.state === "connecting" || feed.instruments.some((one) => one === id || one === venue_symbol)),
  );
}
