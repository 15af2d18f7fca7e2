import { expect, it } from "vitest";
import { colourAt, legendOf, share, sparse, timeText, timeTicks, type Spec } from "../src/plots/spec";

it("names every series, and needs no names for one", () => {
  const bars: Spec = { kind: "bars", labels: ["a"], series: [{ label: "buys", values: [1], colour: "up" }] };
  expect(legendOf(bars)).toEqual([]);
  const two: Spec = { ...bars, series: [...bars.series, { label: "sells", values: [2] }] };
  expect(legendOf(two)).toEqual([
    { label: "buys", colour: "up", note: "" },
    { label: "sells", colour: "series-2", note: "" },
  ]);
});

it("tells how much of a donut each slice is", () => {
  const slices = [
    { label: "BTC", value: 3 },
    { label: "ETH", value: 1 },
  ];
  expect(legendOf({ kind: "donut", slices, write: String }).map(({ note }) => note)).toEqual(["75.0 %", "25.0 %"]);
  expect(share(0, 0)).toBe("–");
  expect(colourAt(8, undefined)).toBe("series-1");
});

it("marks time at round moments", () => {
  const noon = new Date(2026, 10, 28, 12, 0, 0).getTime();
  const ticks = timeTicks(noon + 1, noon + 3_600_000, 7);
  expect(ticks.map((tick) => (tick - noon) / 60_000)).toEqual([10, 20, 30, 40, 50, 60]);
  expect(timeText(ticks[0]!, 600_000)).toBe("12:10");
  expect(timeText(noon + 5_000, 5_000)).toBe("12:00:05");
  expect(timeText(noon, 86_400_000)).toBe("28 Nov");
  expect(timeText(noon - 12 * 3_600_000, 3_600_000)).toBe("28 Nov");
});

it("marks time in UTC where that is what a plot tells", () => {
  const evening = Date.UTC(2026, 10, 28, 21);
  const ticks = timeTicks(evening, evening + 11 * 3_600_000, 7, true);
  expect(ticks.map((tick) => timeText(tick, 7_200_000, true))).toEqual([
    "22:00",
    "29 Nov",
    "02:00",
    "04:00",
    "06:00",
    "08:00",
  ]);
  expect(timeText(evening + 5_000, 5_000, true)).toBe("21:00:05");
});

it("marks a logarithmic axis where there is room, at round figures first", () => {
  const decade = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100];
  expect(sparse(decade, 1, 100, 7)).toEqual([1, 2, 5, 10, 20, 50, 100]);
  expect(sparse([66_262, 66_264, 66_266, 66_270, 66_280, 66_300, 66_320], 66_262, 66_320, 4)).toEqual([
    66_270, 66_300, 66_320,
  ]);
  expect(sparse([0.001, 0.0015, 0.01], 0.001, 0.01, 5)).toEqual([0.001, 0.01]);
});
