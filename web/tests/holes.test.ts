import { expect, it } from "vitest";
import { MAX_HOLE, filled } from "../src/holes";
import { EMPTY, reduce } from "../src/state";
import { at, candle, commit, snapshot } from "./records";

it("gives every window its place", () => {
  const candles = filled([candle(1), candle(4)]);
  expect(candles.map(({ start, trades }) => [start, trades])).toEqual([
    [at(60), 3],
    [at(120), 0],
    [at(180), 0],
    [at(240), 3],
  ]);
  expect(candles[1]).toMatchObject({ open: null, reason: "NONE", interval: "1m" });
});

it("leaves neighbours and long holes alone", () => {
  const candles = [candle(1), candle(2), candle(4 + MAX_HOLE)];
  expect(filled(candles)).toEqual(candles);
});

it("leaves intervals alone that the page does not know", () => {
  const candles = [candle(1, { interval: "2m" }), candle(9, { interval: "2m" })];
  expect(filled(candles)).toEqual(candles);
});

it("fills up to a candle that comes live, and makes room for a late one", () => {
  const state = [
    snapshot(1, { candles: [candle(1)] }),
    commit(2, { candles: [candle(4)] }),
    commit(3, { candles: [candle(3, { revision: 1 })] }),
  ].reduce(reduce, EMPTY);
  expect(state.candles.map(({ trades }) => trades)).toEqual([3, 0, 3, 3]);
});
