import { expect, it } from "vitest";
import { firstInterval, fromHash, isSame, isSamePlace, readChart, toHash, writeChart } from "../src/choice";

it("survives the address bar", () => {
  const choice = { instrument: "BTC-USD.COINBASE", interval: "15m" } as const;
  expect(toHash(choice)).toBe("#BTC-USD.COINBASE/15m");
  expect(fromHash(toHash(choice))).toEqual(choice);
  expect(fromHash(toHash({ instrument: "A/B-USD.X", interval: "1s" })).instrument).toBe("A/B-USD.X");
});

it.each(["", "#", "#/7m", "#%E0%A4%A"])("falls back for %s", (hash) => {
  expect(fromHash(hash)).toEqual({ instrument: "", interval: "1m" });
});

it.each([
  [0, 0, null],
  [19, 2_999, null],
  [20, 0, "1m"],
  [300, 60_000, "1m"],
  [19, 3_000, "1s"],
  [0, 60_000, "1s"],
] as const)("begins %i one-minute candles after %i ms with %s", (minuteCandles, waitedMs, interval) => {
  expect(firstInterval(minuteCandles, waitedMs)).toBe(interval);
});

it("keeps indicators in the address, and its old form without any", () => {
  const candles = { instrument: "A/B-USD.X", interval: "1m" } as const;
  const choice = { ...candles, indicators: ["RSI(period=14)", "OBV", "MACD(fast=12,slow=26,signal=9)"] };
  expect(writeChart(choice)).toBe("#A%2FB-USD.X/1m/RSI(period=14);OBV;MACD(fast=12,slow=26,signal=9)");
  expect(readChart(writeChart(choice))).toEqual(choice);
  expect(writeChart({ ...candles, indicators: [] })).toBe("#A%2FB-USD.X/1m");
  expect(readChart("#A%2FB-USD.X/1m")).toEqual({ ...candles, indicators: [] });
});

it("reads indicators as a browser may have written them", () => {
  expect(readChart("#A/1m/RSI%28period%3D14%29%3BOBV").indicators).toEqual(["RSI(period=14)", "OBV"]);
  expect(readChart("#A/1m/%E0%A4%A").indicators).toEqual([]);
});

it("tells other candles from other indicators", () => {
  const choice = { instrument: "A", interval: "1m", indicators: ["OBV"] } as const;
  expect(isSame(choice, { ...choice, indicators: ["OBV"] })).toBe(true);
  const without = { ...choice, indicators: [] };
  expect(isSame(choice, without)).toBe(false);
  expect(isSamePlace(choice, without)).toBe(true);
  const longer = { ...choice, interval: "5m" } as const;
  expect(isSamePlace(choice, longer)).toBe(false);
});
