import { expect, it } from "vitest";
import { dataOf, valueAt, type Line } from "../src/chart/lines";

const line: Line = {
  label: "spread",
  colour: "accent",
  moments: [
    { at: 1_000, value: 1 },
    { at: 2_100, value: 2 },
    { at: 2_900, value: 3 },
    { at: 4_000, value: null },
  ],
};

it("draws the last figure of each second, and a hole where there is none", () => {
  expect(dataOf(line.moments)).toEqual([{ time: 1, value: 1 }, { time: 2, value: 3 }, { time: 4 }]);
  expect(dataOf([...line.moments, { at: 3_000, value: 9 }])).toHaveLength(3);
});

it("tells the figure under the crosshair, else the newest there is", () => {
  expect(valueAt(line, 2_000)).toBe(3);
  expect(valueAt(line, 4_000)).toBeNull();
  expect(valueAt(line, 3_000)).toBeNull();
  expect(valueAt(line, null)).toBe(3);
  expect(valueAt({ ...line, moments: [] }, null)).toBeNull();
});
