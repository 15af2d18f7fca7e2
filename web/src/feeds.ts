// What the states of feeds mean to who reads figures.

import type { FeedState, FeedStatus, Instrument } from "./types";

/** Return whether nothing comes from a feed in this state, though it should. */
export function isBad(state: FeedState): boolean {
  return state === "stale" || state === "down" || state === "refused";
}

/** Return why an instrument has no candles, as far as its feeds tell. */
export function whyNoCandles(feeds: readonly FeedStatus[] | undefined, instrument: Instrument | undefined): string {
  const waiting = "Waiting for the first candle …";
  if (feeds === undefined || instrument === undefined) return waiting;
  const { id, venue, venue_symbol } = instrument;
  const feed = feeds.find(
    (one) =>
      one.venue === venue &&
      (one.state === "connecting" || one.instruments.some((name) => name === id || name === venue_symbol)),
  );
  if (feed === undefined) return "No feed follows it, and no candle of it is stored.";
  return isBad(feed.state) ? `No candle yet: ${feed.name} is ${feed.state}. ${feed.detail}` : waiting;
}
