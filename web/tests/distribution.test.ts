import { describe, expect, it } from "vitest";
import {
  flawsOf,
  histogramCells,
  histogramOf,
  lorenzLines,
  priceText,
  rollingLine,
  sizeText,
  tradeCells,
  volumeSteps,
} from "../src/distribution/answer";
import { binsOf, callOf, fromHash, rangeOf, rangeUpTo, toHash, type Choice } from "../src/distribution/choice";
import type { Instrument } from "../src/types";
import { at, stretch, trade } from "./records";

const usual: Choice = { instrument: "", bins: 40, period: "1h", range: null };
const range = ["2026-11-20T14:00", "2026-11-20T15:30:10"] as const;

describe("what is chosen", () => {
  it("is kept in the address, but not what is as usual", () => {
    const choice: Choice = { ...usual, instrument: "BTC-USD.COINBASE", bins: 7, range };
    expect(fromHash(toHash(choice))).toEqual(choice);
    expect(fromHash(toHash({ ...usual, period: "1d" }))).toEqual({ ...usual, period: "1d" });
    expect(toHash(usual)).toBe("#");
  });

  it("is as usual where the address makes no sense", () => {
    expect(fromHash("#bins=1000&period=2h&start=soon&end=later")).toEqual(usual);
    expect(fromHash(`#start=${range[1]}&end=${range[0]}`)).toEqual(usual);
    expect(fromHash(`#start=${range[0]}`)).toEqual(usual);
  });

  it("is a range of two times in order", () => {
    expect(rangeOf(" 2026-11-20 14:00", "2026-11-20 15:30:10 ")).toEqual(range);
    expect(rangeOf("20.11.2026 14:00", "2026-11-20 15:00")).toBeNull();
    expect(rangeOf("2026-13-20 14:00", "2026-11-20 15:00")).toBeNull();
    expect(rangeOf("2026-11-20 14:00", "2026-11-20 14:00")).toBeNull();
    expect([4, 5, 200, 201, ""].map((bins) => binsOf(String(bins)))).toEqual([null, 5, 200, null, null]);
  });

  it("is asked for in UTC", () => {
    expect(callOf({ ...usual, instrument: "A" })).toEqual({
      name: "distribution",
      query: { instrument: "A", period: "1h", bins: 40 },
    });
    expect(callOf({ ...usual, instrument: "A", range }).query).toEqual({
      instrument: "A",
      start: "2026-11-20T14:00:00Z",
      end: "2026-11-20T15:30:10Z",
      bins: 40,
    });
  });

  it("can be the time up to the newest trade, which is in it", () => {
    expect(rangeUpTo("2021-07-22T22:36:38.999999999Z", "15m")).toEqual(["2021-07-22T22:21:39", "2021-07-22T22:36:39"]);
  });
});

describe("plots", () => {
  it("name bins by both ends, and mark them by the lower one", () => {
    const bars = histogramOf({ edges: [0.001, 0.01, 0.1], counts: [5, 7], zeros: 1 }, sizeText, "up");
    expect(bars.labels).toEqual(["0.001 – 0.01", "0.01 – 0.1"]);
    expect(bars.marks).toEqual(["0.001", "0.01"]);
    expect(bars.series).toEqual([{ label: "trades", values: [5, 7], colour: "up" }]);
    expect(histogramOf({ edges: [15, 15.000000000000002], counts: [1], zeros: 0 }, sizeText, "up").labels).toEqual(["15"]);
  });

  it("draw the volume of the last window up to its end", () => {
    const steps = volumeSteps({ interval: "5m", starts: [at(0), at(300)], volumes: [2, 3] });
    const zero = Date.parse("2026-11-20T00:00:00Z");
    expect(steps.series[0]!.points).toEqual([
      { x: zero, y: 2 },
      { x: zero + 300_000, y: 3 },
      { x: zero + 600_000, y: 3 },
    ]);
    expect([steps.minX, steps.maxX]).toEqual([zero, zero + 600_000]);
  });

  it("draw means over time", () => {
    const line = rollingLine([at(1), at(2)], [10, 11], "mean price", sizeText);
    expect(line.series[0]!.points.map(({ y }) => y)).toEqual([10, 11]);
    expect(line.maxX! - line.minX!).toBe(1_000);
  });

  it("draw shares in percent beside equality", () => {
    const [curve, equality] = lorenzLines([0, 0.25, 1]).series;
    expect(curve!.points).toEqual([{ x: 0, y: 0 }, { x: 1, y: 25 }, { x: 2, y: 100 }]);
    expect(equality!.points).toEqual([{ x: 0, y: 0 }, { x: 100, y: 100 }]);
  });

  it("write means to the price step, or what counts of them", () => {
    const instrument = { price_step: 0.01 } as Instrument;
    expect(priceText(instrument)(66_101.514_9)).toBe("66,101.51");
    expect(priceText({ ...instrument, price_step: 0 })(0.000_018_191_234)).toBe("0.0000181912");
  });
});

describe("the ledger", () => {
  const whole = stretch(0, 100, { state: "COMPLETE" });

  it("has nothing to say of complete trades", () => {
    expect(flawsOf([whole, stretch(0, 100, { channel: "book", state: "DOWN" })], at(0))).toEqual([]);
  });

  it("says what is missing, and since when anybody listened", () => {
    expect(flawsOf([], at(0))).toEqual(["nobody listened"]);
    const rows = [
      stretch(10, 20, { missing: 3 }),
      stretch(30, 40, { missing: 4_000 }),
      stretch(50, 60, { state: "DOWN" }),
      stretch(60, 70, { state: "NOT_FOLLOWED" }),
      stretch(70, 80, { state: "NOT_FOLLOWED" }),
      stretch(5, 100, { state: "COMPLETE" }),
    ];
    expect(flawsOf(rows, at(0))).toEqual([
      "listened to only from 2026-11-20 00:00:05 UTC on",
      "4,003 trades missing in 2 gaps",
      "not connected once",
      "not followed 2 times",
    ]);
  });
});

it("saves what the server sent", () => {
  expect(histogramCells({ edges: [1, 2, 4], counts: [5, 6], zeros: 0 })).toEqual([[1, 2, 5], [2, 4, 6]]);
  expect(tradeCells([trade(7)])).toEqual([["7", at(7), "BUY", 10, 1]]);
});
