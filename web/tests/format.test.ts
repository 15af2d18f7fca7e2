import { afterEach, describe, expect, it, vi } from "vitest";
import {
  age,
  asOf,
  clockTime,
  compact,
  decimalsOf,
  duration,
  exact,
  figures,
  milliseconds,
  percent,
  rounded,
  signed,
  significant,
  sum,
  utc,
  utcClock,
  utcDateTime,
  utcDay,
  zone,
} from "../src/format";

describe("exact", () => {
  it.each([
    [91234.5, 0.01, "91,234.50"],
    [1234567, 1, "1,234,567"],
    [0.1, 0.1, "0.1"],
    [8.61e-6, 1e-8, "0.00000861"],
    [1e-8, 1e-8, "0.00000001"],
    [1.5e-7, 0, "0.00000015"],
    [1e21, 1, "1,000,000,000,000,000,000,000"],
    [-3.5, 0.01, "−3.50"],
    [0, 0.001, "0.000"],
  ])("writes %d with step %d as %s", (value, step, text) => {
    expect(exact(value, step)).toBe(text);
  });

  it("never rounds what is finer than the step", () => {
    expect(exact(0.123456789012345, 0.01)).toBe("0.123456789012345");
  });

  it("writes a dash for what is missing", () => {
    expect(exact(null, 0.01)).toBe("–");
    expect(exact(undefined, 0.01)).toBe("–");
  });
});

it("gives large figures one width", () => {
  expect([1.09e9, 364.48e6, 2e7, 1_234, 0.5].map(figures)).toEqual(["1.090B", "364.5M", "20.00M", "1.234K", "0.5000"]);
});

describe("other numbers", () => {
  it("counts the decimals of steps that JavaScript writes with an exponent", () => {
    expect([1, 0.01, 0.25, 1e-7, 1e-8, 0].map(decimalsOf)).toEqual([0, 2, 2, 7, 8, 0]);
  });

  it("rounds computed figures", () => {
    expect(rounded(91322.1949, 2)).toBe("91,322.19");
    expect(rounded(2, 5)).toBe("2.00000");
    expect(rounded(null, 2)).toBe("–");
  });

  it("shortens sums", () => {
    expect(compact(1234567)).toBe("1.2346M");
  });

  it("writes sums so that small ones are not nothing", () => {
    expect([1234.567, 1, 0.000123456, 0, -0.5, null].map(sum)).toEqual(["1,234.57", "1.00", "0.000123", "0.00", "−0.5", "–"]);
  });

  it("keeps the digits that count", () => {
    expect([0.00012345, 1_234_567, 99.96, 1e-9].map((value) => significant(value, 3))).toEqual([
      "0.000123",
      "1,230,000",
      "100",
      "0.000000001",
    ]);
  });

  it.each([
    [1e-9, "1 ns"],
    [4.257e-6, "4.26 µs"],
    [0.0781, "78.1 ms"],
    [1, "1 s"],
    [90, "1.5 min"],
    [7_200, "2 h"],
  ])("tells a length of %d s as %s", (seconds, text) => {
    expect(duration(seconds)).toBe(text);
  });

  it("signs changes, but not a change of nothing", () => {
    expect(percent(110, 100)).toBe("+10.00 %");
    expect(percent(95, 100)).toBe("−5.00 %");
    expect(percent(100.0001, 100)).toBe("0.00 %");
    expect(percent(100, 0)).toBe("–");
    expect(percent(null, 100)).toBe("–");
    expect(percent(1, undefined)).toBe("–");
    expect(signed(-0.004, "bp")).toBe("0.00 bp");
    expect(signed(1.5, "bp")).toBe("+1.50 bp");
    expect(signed(null, "%")).toBe("–");
  });
});

describe("times", () => {
  const time = "2026-11-20T14:03:07.512345678Z";

  it("reads nine digits", () => {
    expect(milliseconds(time)).toBe(Date.UTC(2026, 10, 20, 14, 3, 7, 512));
  });

  it("shows milliseconds in the local zone and all digits in UTC", () => {
    const local = new Date(milliseconds(time)).getHours().toString().padStart(2, "0");
    expect(clockTime(time)).toMatch(new RegExp(`^${local}:\\d\\d:07\\.512$`));
    expect(utc(time)).toBe("2026-11-20 14:03:07.512345678 UTC");
  });

  it("tells UTC first, and the reader's own time beside it", () => {
    expect(utcClock(milliseconds(time))).toBe("14:03:07");
    const here = new Date(milliseconds(time)).getHours().toString().padStart(2, "0");
    expect(utcDateTime(milliseconds(time))).toMatch(
      new RegExp(`^20 Nov 2026 14:03:07 UTC \\(here \\d+ Nov 2026 ${here}:\\d\\d:07\\)$`),
    );
  });

  it("says how old figures are, once there are some", () => {
    expect(asOf(milliseconds(time))).toBe(" · as of 14:03:07 UTC");
    expect(asOf(null)).toBe("");
  });

  it("names UTC days", () => {
    expect(utcDay(Date.UTC(2026, 10, 20))).toBe("20 Nov 2026");
  });

  it.each([
    [-2, "0 s"],
    [59.9, "59 s"],
    [60, "1 m"],
    [3_599, "59 m"],
    [3_600, "1 h"],
    [172_800, "2 d"],
  ])("reads %d s as %s", (seconds, text) => {
    expect(age(seconds)).toBe(text);
  });
});

describe("zone", () => {
  afterEach(() => vi.unstubAllEnvs());

  it.each([
    ["UTC", "UTC"],
    ["America/New_York", "UTC−5"],
    ["Europe/Berlin", "UTC+1"],
    ["Asia/Kolkata", "UTC+5:30"],
    ["America/St_Johns", "UTC−3:30"],
  ])("is told for %s in winter", (name, text) => {
    vi.stubEnv("TZ", name);
    expect(zone(Date.UTC(2027, 0, 15))).toBe(text);
  });

  it("is that of the season", () => {
    vi.stubEnv("TZ", "Europe/Berlin");
    expect(zone(Date.UTC(2027, 6, 15))).toBe("UTC+2");
  });
});
