import { expect, it } from "vitest";
import { spanAt, spansOf } from "../src/chart/spans";
import { milliseconds } from "../src/format";
import { at, candle, emptyCandle, stretch } from "./records";

const ms = (seconds: number): number => milliseconds(at(seconds));

it("shades gaps and outages of the trades, nothing else", () => {
  const coverage = [
    stretch(0, null, { state: "COMPLETE" }),
    stretch(10, 20, { missing: 4 }),
    stretch(30, 40, { state: "REFILLED" }),
    stretch(50, 60, { channel: "tickers" }),
    stretch(70, null, { state: "DOWN" }),
  ];
  expect(spansOf([], coverage, 60)).toEqual([
    { kind: "gap", from: ms(10), to: ms(20), missing: 4 },
    { kind: "down", from: ms(70), to: null, missing: 0 },
  ]);
});

it("shades candles without trades for a bad reason, and joins neighbours", () => {
  const candles = [
    emptyCandle(0, "GAP"),
    emptyCandle(1, "GAP"),
    emptyCandle(2, "QUIET"),
    candle(3),
    emptyCandle(4, "VENUE_DOWN"),
  ];
  expect(spansOf(candles, [], 60)).toEqual([
    { kind: "gap", from: ms(0), to: ms(120), missing: 0 },
    { kind: "down", from: ms(240), to: ms(300), missing: 0 },
  ]);
});

it("joins what the ledger and the candles say of the same stretch", () => {
  const spans = spansOf([emptyCandle(1, "VENUE_DOWN")], [stretch(50, null, { state: "DOWN" })], 60);
  expect(spans).toEqual([{ kind: "down", from: ms(50), to: null, missing: 0 }]);
});

it("finds what is wrong with a window, gaps before outages", () => {
  const spans = spansOf([], [stretch(0, 100, { state: "DOWN" }), stretch(50, 55, { missing: 2 })], 60);
  expect(spanAt(spans, ms(0), ms(50))?.kind).toBe("down");
  expect(spanAt(spans, ms(50), ms(60))?.kind).toBe("gap");
  expect(spanAt(spans, ms(100), ms(160))).toBeUndefined();
});
