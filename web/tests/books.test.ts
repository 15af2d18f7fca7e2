import { expect, it } from "vitest";
import {
  barsOf,
  betweenOf,
  boughtShare,
  crossing,
  momentsOf,
  sameProduct,
  venuesOf,
  type Flow,
} from "../src/books/figures";
import { depthLines, imbalanceLines, priceLines, spreadLines, volatilityLines } from "../src/books/lines";
import type { Depth, Instrument, Last, QuoteStat, TradeWindow } from "../src/types";
import { at } from "./records";

function stat(venue: string, bid: number, ask: number, second = 100, premium = 0): QuoteStat {
  const mid = (bid + ask) / 2;
  const figures = { spread: ask - bid, spread_bp: 1, mid, microprice: mid, median_price: mid, premium_bp: premium };
  const elsewhere = { venues: 2, best_bid: bid, best_ask: ask, is_outlier: false };
  return { instrument: `BTC-USD.${venue}`, bid, ask, ...figures, ...elsewhere, event_time: at(second) };
}

function venues(...stats: QuoteStat[]): ReturnType<typeof venuesOf> {
  const runs = new Map(stats.map((one) => [one.instrument, [one]]));
  return venuesOf([...runs.keys()], runs, new Map(), new Map());
}

it("takes for one product what the ids up to the dot say", () => {
  const ids = ["BTC-USD.COINBASE", "BTC-USD.KRAKEN", "BTC-USDT.BINANCE", "BTC-USD-PERP.BITMEX"];
  expect(
    sameProduct(
      ids.map((id) => ({ id }) as Instrument),
      "BTC-USD.KRAKEN",
    ),
  ).toEqual(ids.slice(0, 2));
  expect(sameProduct([], "")).toEqual([]);
});

it("shows the last minutes before the newest row", () => {
  const rows = [stat("A", 1, 2, 0), stat("A", 3, 4, 70), stat("A", 5, 6, 120)];
  expect(momentsOf(rows, 1, ({ bid }) => bid).map(({ value }) => value)).toEqual([3, 5]);
  expect(momentsOf(undefined, 1, () => 1)).toEqual([]);
});

it("tells the best prices of those that are fresh, the dearest first", () => {
  const old = stat("OLD", 999, 1, 100 - 61);
  const found = venues(stat("A", 99, 101, 100, -1), stat("B", 100, 102, 99, 1), old);
  expect(found.map(({ venue }) => venue)).toEqual(["B", "OLD", "A"]);
  expect(found.filter(({ isBestBid }) => isBestBid).map(({ venue }) => venue)).toEqual(["B"]);
  expect(found.filter(({ isBestAsk }) => isBestAsk).map(({ venue }) => venue)).toEqual(["A"]);
  expect(found.find(({ venue }) => venue === "OLD")).toMatchObject({ isFresh: false });
});

it("takes a quote that did not change for as new as it is confirmed", () => {
  const still = stat("STILL", 1, 2, 0);
  const runs = new Map([
    [still.instrument, [still]],
    ["BTC-USD.A", [stat("A", 1, 2, 100)]],
  ]);
  const last = new Map([[still.instrument, { quote_time: at(99) } as Last]]);
  const found = venuesOf([...runs.keys()], runs, new Map(), last);
  expect(found.every(({ isFresh }) => isFresh)).toBe(true);
});

it("leaves out what has neither quotes nor a book", () => {
  const depths = new Map([["BTC-USD.B", [{ bid_depth: 1 } as Depth]]]);
  expect(venuesOf(["BTC-USD.A", "BTC-USD.B"], new Map(), depths, new Map()).map(({ venue }) => venue)).toEqual(["B"]);
});

it("says how far the best prices of different venues are crossed, or apart", () => {
  expect(crossing(venues(stat("A", 99, 100), stat("B", 101, 102)))).toEqual({
    bp: (20_000 * 1) / 201,
    buyAt: "A",
    sellAt: "B",
  });
  expect(crossing(venues(stat("A", 99, 101), stat("B", 100, 102)))!.bp).toBeLessThan(0);
  expect(crossing(venues(stat("A", 100, 101), stat("B", 99, 102)))).toBeNull();
  expect(venues(stat("A", 100, 101))[0]).toMatchObject({ isBestBid: false, isBestAsk: false });
  expect(crossing(venues(stat("A", 100, 101)))).toBeNull();
  expect(crossing([])).toBeNull();
});

it("draws what takers bought upwards and what they sold downwards", () => {
  const flow = [{ start: at(60), taker_buy_volume: 3, taker_sell_volume: 1 } as Flow];
  const bars = barsOf(flow, String);
  expect(bars.series.map(({ values }) => values)).toEqual([[3], [-1]]);
  expect(bars.writeY?.(-1)).toBe("1");
  expect(boughtShare(flow)).toBe(75);
  expect(boughtShare([])).toBeNull();
});

it("tells spread, mid and microprice of the quote that is shown", () => {
  const between = betweenOf({ bid: 99, ask: 101, bid_size: 3, ask_size: 1 } as Last);
  expect(between).toEqual({ spread: 2, spreadBp: 200, mid: 100, microprice: 100.5 });
  expect(betweenOf({ bid: 99, ask: 101, bid_size: null, ask_size: null } as Last)!.microprice).toBeNull();
  expect(betweenOf({ bid: 99, ask: null } as Last)).toBeNull();
  expect(betweenOf(undefined)).toBeNull();
});

it("draws of a book what its rows say, and of windows those that are full minutes", () => {
  const depths = [{ event_time: at(1), bid_depth: 3, ask_depth: 4, book_imbalance: -0.5 } as Depth];
  expect(depthLines(depths, 5).map(({ label, moments }) => [label, moments[0]!.value])).toEqual([
    ["bids", 3],
    ["asks", 4],
  ]);
  expect(imbalanceLines(depths, 5)[0]!.moments[0]!.value).toBe(-0.5);
  const quotes = [stat("A", 99, 101)];
  expect(priceLines(quotes, 5).map(({ moments }) => moments[0]!.value)).toEqual([99, 101, 100, 100]);
  expect(spreadLines(quotes, 5)[0]!.moments[0]!.value).toBe(1);
  const windows = [0.5, null, 0.7].map((realised_volatility, i) => ({ start: at(30 * i), realised_volatility }));
  expect(volatilityLines(windows as TradeWindow[])[0]!.moments.map(({ value }) => value)).toEqual([0.5, 0.7]);
});
