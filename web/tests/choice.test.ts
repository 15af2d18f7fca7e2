import { expect, it } from "vitest";
import { firstInterval, fromHash, toHash } from "../src/choice";

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
