import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { MAX_OTHERS, readChoice, toggled, writeChoice } from "../src/overview/choice";
import { daysLacking, daysOf, daysOfCoin, type Daily } from "../src/overview/days";
import {
  csvOf,
  filtered,
  largest,
  longestTime,
  moversOf,
  rowOf,
  sorted,
  suggested,
  volumeGroups,
  type Coin,
  type Row,
} from "../src/overview/rows";
import { rememberInstrument } from "../src/remembered";
import type { Instrument, Last, Stat } from "../src/types";
import { stubPage } from "./page";
import { at, BTC } from "./records";

beforeEach(() => void stubPage());
afterEach(() => vi.unstubAllGlobals());

function instrument(id: string): Instrument {
  const [product = "", venue = ""] = id.split(".");
  const [base = "", quote = ""] = product.split("-");
  return { ...BTC, id, venue, venue_symbol: product, base, quote };
}

const LAST = { price: 110, open_24h: 100, volume_24h: 5, ingest_time: at(60) } as Last;
const STAT = { all_time_high: 200, change_1m: 0.5, change_1h: 1, change_1d: null, change_7d: null } as Stat;
const COIN: Coin = {
  name: "Bitcoin",
  allTimeHigh: 220,
  volume: 7e9,
  cap: 2e12,
  supply: 2e7,
  change1d: 3,
  change7d: -4,
};

function row(id: string, last: Partial<Last> = {}, coin?: Coin): Row {
  return rowOf(instrument(id), { ...LAST, ...last }, coin === undefined ? STAT : undefined, coin, undefined);
}

it("takes what is traded from the tape's own figures", () => {
  const btc = rowOf(instrument("BTC-USDT-PERP.BYBITLINEAR"), LAST, STAT, undefined, [110, 100]);
  expect(btc).toMatchObject({ base: "BTC", quote: "USDT", contract: "-PERP", venue: "BYBITLINEAR", price: 110 });
  expect(btc.bar).toBeCloseTo(10);
  expect(btc.day).toBeCloseTo(10);
  expect(btc.fromHigh).toBeCloseTo(-45);
  expect(row("BTC-USD.COINBASE", { price: 210 })).toMatchObject({ high: 210, fromHigh: 0 });
  expect(btc).toMatchObject({
    volume: 550,
    change1d: null,
    cap: null,
    supply: null,
    updated: Date.parse(at(60).slice(0, 23) + "Z"),
  });
});

it("takes a coin from its aggregator, and knows nothing where nothing is known", () => {
  expect(row("BTC-USD.LIVECOINWATCH", {}, COIN)).toMatchObject({
    isCoin: true,
    high: 220,
    volume: 7e9,
    cap: 2e12,
    supply: 2e7,
    change1d: 3,
    change7d: -4,
    bar: null,
  });
  expect(rowOf(instrument("X-USD.KRAKEN"), undefined, undefined, undefined, undefined)).toMatchObject({
    price: null,
    day: null,
    high: null,
    fromHigh: null,
    volume: null,
    updated: null,
  });
});

it("finds every word in id or name", () => {
  const rows = [row("BTC-USD.COINBASE"), row("BTC-USD.LIVECOINWATCH", {}, COIN), row("ETH-USD.COINBASE")];
  expect(filtered(rows, " coinbase btc ").map(({ id }) => id)).toEqual(["BTC-USD.COINBASE"]);
  expect(filtered(rows, "bitcoin").map(({ id }) => id)).toEqual(["BTC-USD.LIVECOINWATCH"]);
  expect(filtered(rows, "")).toHaveLength(3);
});

it("sorts by figures and by names, the unknown last whichever way round", () => {
  const rows = [row("B-USD.X", { price: 1 }), row("A-USD.X", { price: null }), row("C-USD.X", { price: 9 })];
  expect(sorted(rows, "price", true).map(({ base }) => base)).toEqual(["C", "B", "A"]);
  expect(sorted(rows, "price", false).map(({ base }) => base)).toEqual(["B", "C", "A"]);
  expect(sorted(rows, "id", false).map(({ base }) => base)).toEqual(["A", "B", "C"]);
});

it("is kept with every digit", () => {
  const [heading, first, second] = csvOf([row("BTC-USD.COINBASE", { price: 66_075.97 }), row("A-USD.X", { price: null })])
    .trimEnd()
    .split("\n");
  expect(heading).toBe(
    "instrument,price,bar_change,change_24h,change_1d,change_7d,all_time_high,from_high,volume_24h,cap,supply,updated",
  );
  expect(first).toMatch(/^BTC-USD\.COINBASE,66075\.97,/);
  expect(first).toMatch(/,2026-11-20T00:01:00\.000Z$/);
  expect(second).toMatch(/^A-USD\.X,,/);
});

it("adds up the volumes of a coin only where they are of one kind", () => {
  const rows = [
    row("BTC-USD.COINBASE"),
    row("BTC-USDT.BINANCE", { volume_24h: 1 }),
    row("BTC-USDT-PERP.BYBITLINEAR"),
    row("BTC-EUR.KRAKEN"),
    row("ETH-USD.COINBASE", { volume_24h: null }),
    row("BTC-USD.LIVECOINWATCH", {}, COIN),
  ];
  const groups = volumeGroups(rows);
  expect(groups.map(({ label }) => label)).toEqual([
    "all venues, in dollars",
    "COINBASE in USD",
    "BINANCE in USDT",
    "BYBITLINEAR in USDT-PERP",
    "KRAKEN in EUR",
    "LIVECOINWATCH in USD",
  ]);
  expect([...groups[0]!.volumes]).toEqual([["BTC", 660]]);
  expect([...groups[5]!.volumes]).toEqual([["BTC", 7e9]]);
  expect(volumeGroups([row("BTC-USD.COINBASE")])).toHaveLength(1);
});

it("names the largest and adds the rest up", () => {
  const volumes = new Map([..."abcde"].map((name, i) => [name, i + 1]));
  expect(largest(volumes, 3)).toEqual([
    { label: "e", value: 5 },
    { label: "d", value: 4 },
    { label: "3 others", value: 6 },
  ]);
  expect(largest(volumes, 5)).toHaveLength(5);
});

it("tells who rose and who fell most, and over which time that is known", () => {
  const moved = (id: string, change: number | null): Row => ({ ...row(id), changes: { "1m": change } });
  const rows = [
    moved("A-USD.X", 1),
    moved("B-USD.X", -3),
    moved("C-USD.X", 2),
    moved("D-USD.X", 0),
    moved("E-USD.X", null),
  ];
  const { winners, losers } = moversOf(rows, "1m", 2);
  expect(winners.map(({ row }) => row.base)).toEqual(["C", "A"]);
  expect(losers.map(({ row }) => row.base)).toEqual(["B"]);
  expect(longestTime(rows)).toBe("1m");
  expect(longestTime([row("A-USD.X")])).toBe("1h");
  expect(longestTime([row("BTC-USD.LIVECOINWATCH", {}, COIN)])).toBe("1d");
  const early = { ...row("F-USD.X"), changes: { "1m": 1, "5m": 2 } };
  expect(longestTime([early])).toBe("5m");
  expect(longestTime([...rows, early])).toBe("1m");
});

it("begins with the first that is traded, and what is traded most beside it", () => {
  const rows = [
    row("BTC-USD.LIVECOINWATCH", {}, COIN),
    row("BTC-USD.COINBASE"),
    row("ADA-USD.COINBASE", { volume_24h: 1 }),
    row("ETH-USD.COINBASE", { volume_24h: 9 }),
    row("ETH-USDT.OKX"),
  ];
  const begun = suggested(rows, { others: [] });
  expect(begun).toEqual({ instrument: "BTC-USD.COINBASE", others: ["ETH-USD.COINBASE", "ADA-USD.COINBASE"] });
  expect(suggested(rows, { others: ["ETH-USDT.OKX"] }).others).toEqual(["ETH-USDT.OKX"]);
  rememberInstrument("ADA-USD.COINBASE");
  expect(suggested(rows, { others: [] }).instrument).toBe("ADA-USD.COINBASE");
});

it("keeps what is compared in the address", () => {
  const choice = readChoice("#BTC-USD.COINBASE/5m/ETH-USD.COINBASE,A%2FB.X,ETH-USD.COINBASE,%E0%A4%A");
  expect(choice).toEqual({ instrument: "BTC-USD.COINBASE", interval: "5m", others: ["ETH-USD.COINBASE", "A/B.X"] });
  expect(readChoice(writeChoice(choice))).toEqual(choice);
  expect(readChoice("").others).toEqual([]);
  expect(toggled(choice, "A/B.X").others).toEqual(["ETH-USD.COINBASE"]);
  expect(toggled(choice, "BTC-USD.COINBASE")).toBe(choice);
  const many = [..."abcdefghi"].reduce((one, id) => toggled(one, id), choice);
  expect(many.others).toHaveLength(MAX_OTHERS);
  expect(many.others.at(-1)).toBe("i");
});

function day(number: number, mean10: number | null, mean30: number | null, isFinal = true): Daily {
  return { day: at(number * 86_400), close: number, is_final: isFinal, sma_10d: mean10, sma_30d: mean30 };
}

it("says what is missing for a mean, and what would bring it", () => {
  const id = "BTC-USD.COINBASE";
  expect(daysLacking([], id)).toContain("0 completed days are stored");
  expect(daysLacking(daysOf([day(2, null, null, false), day(1, null, null)]), id)).toBe(
    "A mean of 10 days needs 10 completed days in a row; 1 completed day is stored. " +
      "`fulltape backfill BTC-USD.COINBASE --interval 1d --from 40d` fetches the days before.",
  );
  expect(daysLacking(daysOf([day(2, 1.5, null)]), id)).toContain("A mean of 30 days");
  expect(daysLacking(daysOf([day(3, null, null, false), day(2, 1.5, 1)]), id)).toBe("");
});

it("reads days of coins from the views", () => {
  const rows = [
    [at(86_400), 2, 1.5, null],
    [at(0), 1, null, null],
  ];
  expect(daysOfCoin({ rows } as never)).toEqual([
    { day: at(0), price: 1, mean10: null, mean30: null, isFinal: true },
    { day: at(86_400), price: 2, mean10: 1.5, mean30: null, isFinal: true },
  ]);
});
