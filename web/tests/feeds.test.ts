import { expect, it } from "vitest";
import { isFollowedBy } from "../src/feeds";
import type { FeedStatus } from "../src/types";
import { BTC } from "./records";

const FEED = { venue: "COINBASE", state: "live", instruments: [BTC.id] } as unknown as FeedStatus;

it("an instrument is followed if a feed of its venue brings it, by whatever name", () => {
  expect(isFollowedBy([FEED], BTC)).toBe(true);
  expect(isFollowedBy([{ ...FEED, instruments: [BTC.venue_symbol] }], BTC)).toBe(true);
  expect(isFollowedBy([{ ...FEED, instruments: ["ETH-USD.COINBASE"] }], BTC)).toBe(false);
  expect(isFollowedBy([{ ...FEED, venue: "KRAKEN" }], BTC)).toBe(false);
  expect(isFollowedBy([], BTC)).toBe(false);
});

it("nobody says that it is not while that is not known", () => {
  expect(isFollowedBy([{ ...FEED, state: "connecting", instruments: [] }], BTC)).toBe(true);
  expect(isFollowedBy(undefined, BTC)).toBe(true);
  expect(isFollowedBy([FEED], undefined)).toBe(true);
});
