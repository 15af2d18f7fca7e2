import { expect, it } from "vitest";
import { changedSince } from "../src/chart/changes";
import { candle } from "./records";

const bars = [candle(1), candle(2), candle(3)];

it("finds nothing when nothing changed", () => {
  expect(changedSince(bars, bars.slice())).toEqual([]);
});

it("finds revised and new candles by identity", () => {
  expect(changedSince(bars, [bars[0]!, candle(2, { revision: 1 }), bars[2]!, candle(4)])).toEqual([1, 3]);
});

it.each([
  ["the chart was empty", [], bars],
  ["the oldest were dropped", bars, bars.slice(1)],
  ["older ones came before", bars, [candle(0), ...bars]],
  ["one was inserted", bars, [candle(1), candle(1.5), candle(2), candle(3)]],
])("starts over when %s", (_, old, now) => {
  expect(changedSince(old, now)).toBeNull();
});
