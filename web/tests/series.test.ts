import { expect, it } from "vitest";
import type { Moment } from "../src/chart/lines";
import { closesOf, commonStart, performance, volatility } from "../src/overview/series";
import { at, candle } from "./records";

const MINUTE = 60_000;

function closes(...values: number[]): Moment[] {
  return values.map((value, i) => ({ at: i * MINUTE, value }));
}

it("takes closes oldest first, without windows that had no trades", () => {
  const empty = { ...candle(2), close: null };
  const found = closesOf([candle(3), empty, candle(1)]);
  expect(found.map(({ at }) => at)).toEqual([
    Date.parse(at(60).slice(0, 23) + "Z"),
    Date.parse(at(180).slice(0, 23) + "Z"),
  ]);
});

it("begins where all begin", () => {
  expect(commonStart([closes(1, 2), closes(1, 2).slice(1)])).toBe(MINUTE);
  expect(commonStart([closes(1), []])).toBeNull();
  expect(commonStart([])).toBeNull();
});

it("tells the change since then", () => {
  expect(performance(closes(50, 100, 110, 90), MINUTE).map(({ value }) => Math.round(value!))).toEqual([0, 10, -10]);
  expect(performance(closes(1, 2), 10 * MINUTE)).toEqual([]);
});

it("tells the yearly deviation of log returns, ddof 1, over neighbours only", () => {
  const walk = closes(...Array.from({ length: 12 }, (_, i) => 100 * Math.exp(i % 2 === 0 ? 0 : 0.01)));
  const found = volatility(walk, MINUTE);
  expect(found[9]!.value).toBeNull();
  const returns = Array.from({ length: 10 }, (_, i) => (i % 2 === 0 ? 0.01 : -0.01));
  const deviation = Math.sqrt(returns.reduce((sum, value) => sum + value ** 2, 0) / 9);
  expect(found[10]!.value).toBeCloseTo(100 * deviation * Math.sqrt(365 * 24 * 60), 6);
  const torn = walk.map((moment, i) => (i < 6 ? moment : { ...moment, at: moment.at + MINUTE }));
  expect(volatility(torn, MINUTE)[10]!.value).toBeNull();
});
