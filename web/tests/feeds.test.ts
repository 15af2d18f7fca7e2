import { expect, it } from "vitest";
import { whyNoCandles } from "../src/feeds";
import type { FeedStatus } from "../src/types";
import { BTC } from "./records";

const FEED = {
  name: "COINBASE-1",
  venue: "COINBASE",
  state: "live",
  detail: "",
  instruments: [BTC.id],
} as unknown as FeedStatus;
const WAITING = "Waiting for the first candle …";
const NOBODY = "No feed follows it, and no candle of it is stored.";

it("the first candle is waited for while a feed brings the instrument, by whatever name, or may", () => {
  expect(whyNoCandles([FEED], BTC)).toBe(WAITING);
  expect(whyNoCandles([{ ...FEED, instruments: [BTC.venue_symbol] }], BTC)).toBe(WAITING);
  expect(whyNoCandles([{ ...FEED, state: "connecting", instruments: [] }], BTC)).toBe(WAITING);
  expect(whyNoCandles(undefined, BTC)).toBe(WAITING);
  expect(whyNoCandles([FEED], undefined)).toBe(WAITING);
});

it("an instrument that no feed brings has no candles to come", () => {
  expect(whyNoCandles([{ ...FEED, instruments: ["ETH-USD.COINBASE"] }], BTC)).toBe(NOBODY);
  expect(whyNoCandles([{ ...FEED, venue: "KRAKEN" }], BTC)).toBe(NOBODY);
  expect(whyNoCandles([], BTC)).toBe(NOBODY);
});

it("a feed that does not work says so in its own words", () => {
  const down: FeedStatus = { ...FEED, state: "down", detail: "cannot connect to ws://here; trying again in 2 s" };
  expect(whyNoCandles([down], BTC)).toBe(
    "No candle yet: COINBASE-1 is down. cannot connect to ws://here; trying again in 2 s",
  );
});
