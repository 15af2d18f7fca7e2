import { expect, it } from "vitest";
import { complete, filtered, HEADS, holesOf, sorted, type Row } from "../src/quality/rows";
import type { Coverage } from "../src/types";
import { at } from "./records";

function row(instrument: string, day: number, change: Partial<Row> = {}): Row {
  return {
    instrument,
    day: at(day * 86_400),
    followed_s: 86_400,
    down_s: 0,
    gap_s: 0,
    completeness: 100,
    missing: 0,
    trades: 1_234_567,
    refilled: 0,
    duplicates: 0,
    duplicate_rate: 0,
    out_of_order: 0,
    revisions: 0,
    clock_skew_s: -0.0021,
    delay_p50_s: 0.022,
    delay_p99_s: null,
    stale_s: 0,
    crossed_s: 90,
    ...change,
  };
}

it("never calls complete what lacks anything", () => {
  expect(complete(100)).toBe("100 %");
  expect(complete(99.999999)).toBe("99.999 %");
  expect(complete(49.5363)).toBe("49.536 %");
  expect(complete(0)).toBe("0.000 %");
});

it("writes figures with their units", () => {
  const shown = Object.fromEntries(HEADS.map(({ column, write }) => [column, write(row("A-USD.X", 1))]));
  expect(shown).toMatchObject({
    trades: "1,234,567",
    clock_skew_s: "−2.1 ms",
    delay_p50_s: "22 ms",
    delay_p99_s: "–",
    crossed_s: "1.5 min",
    gap_s: "0",
    followed_s: "24 h",
    out_of_order: "0.000 %",
  });
  expect(HEADS.find(({ column }) => column === "out_of_order")?.write(row("A-USD.X", 1, { out_of_order: 1e-5 }))).toBe(
    "< 0.001 %",
  );
});

it("has the worst first, equals by the newest day and by name, and the unknown last", () => {
  const rows = [
    row("B-USD.X", 1),
    row("A-USD.X", 1),
    row("B-USD.X", 2),
    row("C-USD.X", 1, { completeness: 99, delay_p99_s: 2 }),
  ];
  const names = (found: Row[]): string[] => found.map(({ instrument, day }) => `${instrument[0]} ${day.slice(8, 10)}`);
  const [first, second] = [rows[0]!.day.slice(8, 10), rows[2]!.day.slice(8, 10)];
  const rest = [`B ${second}`, `A ${first}`, `B ${first}`];
  expect(names(sorted(rows, "completeness", false))).toEqual([`C ${first}`, ...rest]);
  expect(names(sorted(rows, "completeness", true))).toEqual([...rest, `C ${first}`]);
  expect(names(sorted(rows, "delay_p99_s", true))).toEqual([`C ${first}`, ...rest]);
  expect(names(sorted(rows, "delay_p99_s", false))).toEqual([`C ${first}`, ...rest]);
  expect(filtered(rows, " usd c").map(({ instrument }) => instrument)).toEqual(["C-USD.X"]);
});

it("finds the holes of trades in the ledger", () => {
  const stretch = (channel: string, state: Coverage["state"]): Coverage => ({
    instrument: "A-USD.X",
    channel,
    start: at(0),
    end: at(1),
    state,
    evidence: "id_gap",
    missing: 2,
    first_missing: "1",
    last_missing: "2",
  });
  const all = [
    stretch("trades", "COMPLETE"),
    stretch("trades", "GAP"),
    stretch("book", "DOWN"),
    stretch("trades", "DOWN"),
    stretch("trades", "REFILLED"),
    stretch("trades", "NOT_FOLLOWED"),
  ];
  expect(holesOf(all).map(({ state }) => state)).toEqual(["GAP", "DOWN", "REFILLED"]);
});
