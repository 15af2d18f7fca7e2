import { expect, it } from "vitest";
import { changedFrom, pointsOf, rowAt, valueIn, withOlderRows, withRows } from "../src/indicators/rows";
import {
  decimalsFor,
  isOverCandles,
  problemOf,
  wantedWith,
  written,
  type Indicator,
  type Parameter,
} from "../src/indicators/available";
import { keyOf, labelOf, listFromText, MOST_INDICATORS, wantedOf } from "../src/indicators/key";
import { studyOf } from "../src/indicators/studies";
import type { IndicatorRow } from "../src/types";
import { at, BTC, candle } from "./records";

const PERIOD: Parameter = { name: "period", default: 14, least: 2, most: 1_000, is_whole: true };
const FACTOR: Parameter = { name: "deviations", default: 2, least: 0, most: 100, is_whole: false };

function indicator(name: string, ...outputs: Indicator["outputs"]): Indicator {
  return { name, title: name, parameters: [PERIOD], outputs, levels: [] };
}

function row(minute: number, rsi: number | null): IndicatorRow {
  return { start: at(minute * 60), rsi };
}

function minutes(rows: readonly { start: string }[]): number[] {
  return rows.map(({ start }) => (Date.parse(`${start.slice(0, 19)}Z`) - Date.parse("2026-11-20T00:00:00Z")) / 60_000);
}

it.each([
  ["OBV", { name: "OBV", parameters: {} }, "OBV"],
  ["RSI(period=14)", { name: "RSI", parameters: { period: 14 } }, "RSI 14"],
  ["BBANDS(period=20,deviations=2.5)", { name: "BBANDS", parameters: { period: 20, deviations: 2.5 } }, "BBANDS 20 2.5"],
])("reads and writes %s", (key, wanted, label) => {
  expect(wantedOf(key)).toEqual(wanted);
  expect(keyOf(wanted)).toBe(key);
  expect(labelOf(wanted)).toBe(label);
});

it.each(["", "RSI(", "RSI(period)", "RSI(period=)x", "RSI(period=fourteen)", "RSI(=3)", "<b>"])("does not take %s", (key) => {
  expect(wantedOf(key)).toBeNull();
});

it("takes a list without what is malformed, there twice or too much", () => {
  expect(listFromText("rsi(period=14);;RSI(period=14);nonsense(;OBV")).toEqual(["RSI(period=14)", "OBV"]);
  const many = Array.from({ length: 9 }, (_, i) => `SMA(period=${i + 2})`);
  expect(listFromText(many.join(";"))).toEqual(many.slice(0, MOST_INDICATORS));
});

it.each([
  [PERIOD, 14, ""],
  [PERIOD, 1, "period must be a whole number from 2 to 1000."],
  [PERIOD, 14.5, "period must be a whole number from 2 to 1000."],
  [PERIOD, null, "period must be a whole number from 2 to 1000."],
  [FACTOR, 2.5, ""],
  [FACTOR, 101, "deviations must be a number from 0 to 100."],
])("says what is wrong with %o of %s", (parameter, value, problem) => {
  expect(problemOf(parameter, value)).toBe(problem);
});

it("names every parameter of what is wanted", () => {
  const rsi = indicator("RSI");
  expect(wantedWith(rsi, {})).toEqual({ name: "RSI", parameters: { period: 14 } });
  expect(wantedWith(rsi, { period: 7 })).toEqual({ name: "RSI", parameters: { period: 7 } });
});

it("writes figures in their units", () => {
  expect(written(12_345.678, "price", BTC)).toBe("12,345.68");
  expect(written(1.23456, "price_difference", BTC)).toBe("1.2346");
  expect(written(54.321, "index", BTC)).toBe("54.32");
  expect(written(-1.5, "percent", BTC)).toBe("−1.50 %");
  expect(written(123_456, "volume", BTC)).toBe("123.46K BTC");
  expect([written(1, "sign", BTC), written(-1, "sign", BTC)]).toEqual(["▲", "▼"]);
  expect(written(null, "price", BTC)).toBe("–");
  expect(decimalsFor("price", 0)).toBe(2);
});

it("draws prices over the candles, the rest below, and no signs", () => {
  const price = { name: "supertrend", unit: "price", is_bar: false } as const;
  const sign = { name: "trend", unit: "sign", is_bar: false } as const;
  const supertrend = indicator("SUPERTREND", price, sign);
  const rsi = indicator("RSI", { name: "rsi", unit: "index", is_bar: false });
  expect([supertrend, rsi].map(isOverCandles)).toEqual([true, false]);
  const followed = { key: "RSI(period=14)", wanted: { name: "RSI", parameters: { period: 14 } }, slot: 1, rows: [] };
  const study = studyOf(followed, supertrend, BTC);
  expect(study.outputs).toEqual([{ name: "supertrend", isBar: false }]);
  expect([study.label, study.colour, study.decimals, study.write(3)]).toEqual(["RSI 14", "series-2", 2, "3.00"]);
});

it("puts newer rows after older ones and replaces those that are told again", () => {
  const first = withRows([], [row(1, 10), row(2, 20)], 100);
  const next = withRows(first, [row(3, 30)], 100);
  expect(minutes(next)).toEqual([1, 2, 3]);
  const revised = withRows(next, [row(2, 21), row(3, 31), row(4, 40)], 100);
  expect(revised.map(({ rsi }) => rsi)).toEqual([10, 21, 31, 40]);
  expect(first).toHaveLength(2);
  expect(minutes(withRows(revised, [row(5, 1)], 3))).toEqual([3, 4, 5]);
});

it("leaves a row alone that would leave a hole behind it", () => {
  expect(minutes(withRows([row(5, 1)], [row(3, 1), row(6, 1)], 100))).toEqual([5, 6]);
});

it("puts an older page before what is there", () => {
  expect(minutes(withOlderRows([row(3, 1)], [row(1, 1), row(2, 1), row(3, 9)]))).toEqual([1, 2, 3]);
  const rows = [row(3, 1)];
  expect(withOlderRows(rows, [row(3, 9)])).toBe(rows);
});

it("finds the value under the crosshair, else the newest there is", () => {
  const rows = [row(1, 10), row(2, 20), row(3, null)];
  expect(valueIn(rowAt(rows, at(60), ["rsi"]), "rsi")).toBe(10);
  expect(rowAt(rows, at(180), ["rsi"])).toBe(rows[2]);
  expect(valueIn(rowAt(rows, at(999), ["rsi"]), "rsi")).toBeNull();
  expect(rowAt(rows, null, ["rsi"])).toBe(rows[1]);
  expect(rowAt([row(1, null)], null, ["rsi"])).toBeUndefined();
});

it("draws points at candles that are there, and nothing where there is no value", () => {
  const candles = [candle(2), candle(3), candle(5)];
  const rows = [row(1, 1), row(2, 2), row(3, null), row(4, 4), row(5, 5), row(6, 6)];
  const points = pointsOf(candles, rows, "rsi");
  expect(minutes(points)).toEqual([2, 5]);
  expect(points.map(({ value }) => value)).toEqual([2, 5]);
});

it("tells apart what is added from what begins anew", () => {
  const [a, b, c] = [1, 2, 3].map((minute) => ({ start: at(minute * 60), value: minute }));
  expect(changedFrom([a!, b!], [a!, b!, c!], 10)).toBe(2);
  expect(changedFrom([a!, b!], [a!, { ...b!, value: 9 }, c!], 10)).toBe(1);
  expect(changedFrom([a!, b!], [a!, b!], 10)).toBe(2);
  expect(changedFrom([], [a!, b!], 1)).toBeNull();
  expect(changedFrom([b!, c!], [a!, b!, c!], 10)).toBeNull();
  expect(changedFrom([a!, b!], [b!], 10)).toBeNull();
});
