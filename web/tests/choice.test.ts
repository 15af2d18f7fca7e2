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
  [0, "1s"],
  [19, "1s"],
  [20, "1m"],
  [300, "1m"],
] as const)("begins %i one-minute candles with %s", (minuteCandles, interval) => {
  expect(firstInterval(minuteCandles)).toBe(interval);
});
