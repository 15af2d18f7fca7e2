import type { Time, UTCTimestamp } from "lightweight-charts";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { LocalTimeScale, crosshairText, tickText } from "../src/chart/local_time";

const HOUR = 3_600;
const START = Date.UTC(2026, 10, 20) / 1_000;

type Point = Parameters<LocalTimeScale["fillWeightsForPoints"]>[0][number];

function weights(scale: LocalTimeScale, startIndex = 0): number[] {
  const points = Array.from({ length: 24 }, (_, hour) => {
    const time = (START + hour * HOUR) as UTCTimestamp;
    return { time: scale.convertHorzItemToInternal(time), originalTime: time, timeWeight: 0, pointData: {} };
  }) as unknown as Point[];
  scale.fillWeightsForPoints(points, startIndex);
  return points.map(({ timeWeight }) => timeWeight);
}

function heaviest(values: number[]): number {
  return values.indexOf(Math.max(...values.slice(1)), 1);
}

beforeEach(() => vi.stubEnv("TZ", "America/New_York"));
afterEach(() => vi.unstubAllEnvs());

it("begins the day at local midnight", () => {
  expect(heaviest(weights(new LocalTimeScale()))).toBe(5);
});

it("keeps UTC days for candles of a day", () => {
  const scale = new LocalTimeScale();
  scale.isUtc = true;
  expect(heaviest(weights(scale))).not.toBe(5);
});

it("weighs a bar that comes later as if all were weighed at once", () => {
  const later = weights(new LocalTimeScale(), 5);
  expect(later.slice(0, 5)).toEqual([0, 0, 0, 0, 0]);
  expect(later.slice(5)).toEqual(weights(new LocalTimeScale()).slice(5));
});

it("writes local times, and UTC days", () => {
  const noon = (START + 12 * HOUR) as Time as UTCTimestamp;
  expect(tickText(noon, 3, false)).toMatch(/^\d\d:00$/);
  expect(tickText(noon, 2, true)).toBe("20 Nov");
  expect(crosshairText(noon, true)).toBe("20 Nov (UTC day)");
});
