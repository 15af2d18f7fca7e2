import { describe, expect, it } from "vitest";
import { completedHours, hourCells, linesOf, mostOf, totalCells, totalsOf } from "../src/activity/answers";
import { counted, fromHash, toHash, type Choice } from "../src/activity/choice";
import { pricesOf, spreadDecimals, spreadOf } from "../src/activity/prices";
import { csv } from "../src/csv";
import { at, BTC, last } from "./records";

const usual: Choice = { instrument: "", hours: 12, minutes: 20, top: 5, scale: "linear" };

describe("what is set", () => {
  it("is kept in the address, but not what is as usual", () => {
    const choice: Choice = { instrument: "BTC-USD.COINBASE", hours: 24, minutes: 1, top: 5, scale: "logarithmic" };
    expect(fromHash(toHash(choice))).toEqual(choice);
    expect(toHash(usual)).toBe("#");
    expect(toHash({ ...usual, hours: 6 })).toBe("#hours=6");
  });

  it("is as usual where the address makes no sense", () => {
    expect(fromHash("")).toEqual(usual);
    expect(fromHash("#hours=0&minutes=1441&top=-1&scale=cubic")).toEqual(usual);
    expect(fromHash("#hours=1e1&minutes=2.5&top=")).toEqual(usual);
  });

  it("has limits", () => {
    expect([0, 1, 24, 25, 1.5, NaN].map((value) => counted("hours", value))).toEqual([null, 1, 24, null, null, null]);
    expect(["7", "07", "", "+7", "7 "].map((text) => counted("minutes", text))).toEqual([7, 7, null, null, null]);
  });
});

describe("totals", () => {
  const counts = {
    count: { A: { total_transaction_count: 1 }, B: { total_transaction_count: 5 }, C: { total_transaction_count: 1 } },
  };
  const volumes = { count: { A: { total_trade_volume: 0.1 }, B: { total_trade_volume: 2 }, D: { total_trade_volume: 3 } } };

  it("stand side by side, most trades first", () => {
    expect(totalsOf(counts, volumes)).toEqual([
      { symbol: "B", count: 5, volume: 2 },
      { symbol: "A", count: 1, volume: 0.1 },
      { symbol: "C", count: 1, volume: null },
      { symbol: "D", count: null, volume: 3 },
    ]);
    expect(totalsOf({ count: {} }, { count: {} })).toEqual([]);
  });

  it("go into a file with every digit", () => {
    const rows = totalCells(totalsOf(counts, { count: { B: { total_trade_volume: 1234567.1000000001 } } }));
    expect(csv(["symbol", "n", "v"], rows)).toBe("symbol,n,v\nB,5,1234567.1\nA,1,\nC,1,\n");
    expect(csv(["x"], [[0.1 + 0.2], [1e-7]])).toBe("x\n0.30000000000000004\n1e-7\n");
  });
});

describe("hours", () => {
  const hour = (start: string, count: number, volume: number) => ({
    hour_start: `2026-11-20T${start}:00:00+00:00`,
    transaction_count: count,
    total_trade_volume: volume,
  });
  const stats = { stats: { B: [hour("09", 1, 10), hour("11", 3, 30)], A: [hour("11", 2, 20)] } };
  const hours = completedHours(Date.UTC(2026, 10, 20, 12, 59, 59), 3);

  it("are the completed ones", () => {
    expect(hours).toEqual([9, 10, 11].map((number) => Date.UTC(2026, 10, 20, number)));
    expect(completedHours(Date.UTC(2026, 10, 20, 12), 1)).toEqual([Date.UTC(2026, 10, 20, 11)]);
  });

  it("without trades are holes, not zeros", () => {
    expect(linesOf(stats, hours, "transaction_count")).toEqual([
      { symbol: "A", values: [null, null, 2] },
      { symbol: "B", values: [1, null, 3] },
    ]);
    expect(linesOf(stats, hours, "total_trade_volume")[1]?.values).toEqual([10, null, 30]);
  });

  it("are drawn of the symbols with most", () => {
    const lines = linesOf(stats, hours, "transaction_count");
    expect(mostOf(lines, 1).map(({ symbol }) => symbol)).toEqual(["B"]);
    expect(mostOf(lines, 9)).toEqual(lines);
  });

  it("go into a file in order", () => {
    expect(hourCells(stats).map((row) => row.slice(0, 3).join(" "))).toEqual([
      "2026-11-20T09:00:00+00:00 B 1",
      "2026-11-20T11:00:00+00:00 A 2",
      "2026-11-20T11:00:00+00:00 B 3",
    ]);
  });
});

it("quotes what would break a row of a file", () => {
  expect(csv(["a", "b"], [['say "x"', "1,2"], ["two\nlines", null]])).toBe('a,b\n"say ""x""","1,2"\n"two\nlines",\n');
});

describe("prices", () => {
  it("have a spread, and its share of the bid", () => {
    expect(spreadOf(200, 201)).toEqual({ spread: 1, percent: 0.5 });
    expect(spreadOf(null, 201)).toEqual({ spread: null, percent: null });
    expect(spreadOf(200, null)).toEqual({ spread: null, percent: null });
    expect(spreadOf(0, 1)).toEqual({ spread: 1, percent: null });
  });

  it("are of instruments that were quoted", () => {
    const quoted = { ...last(10), bid: 200, ask: 200.125, quote_time: at(1) };
    const other = { ...BTC, id: "ETH-USD.COINBASE" };
    const rows = pricesOf([other, BTC], new Map([[other.id, last(10)], [BTC.id, quoted]]));
    expect(rows).toEqual([{ instrument: BTC, bid: 200, ask: 200.125, spread: 0.125, percent: 0.0625, time: at(1) }]);
    expect(spreadDecimals(rows[0]!)).toBe(3);
  });
});
