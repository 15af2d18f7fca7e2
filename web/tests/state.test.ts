import { describe, expect, it } from "vitest";
import {
  EMPTY,
  MAX_CANDLES,
  MAX_COVERAGE,
  MAX_QUOTES,
  MAX_TRADES,
  reduce,
  withFetchedCoverage,
  withFetchedQuotes,
  withOlder,
  type State,
} from "../src/state";
import type { Message } from "../src/types";
import { at, BTC, candle, commit, last, quote, snapshot, stretch, trade } from "./records";

function after(...messages: Message[]): State {
  return messages.reduce(reduce, EMPTY);
}

describe("snapshot", () => {
  it("replaces everything, also when its number is lower", () => {
    const before = after(snapshot(90, { candles: [candle(1)], trades: [trade(1)], last: [last(5)] }));
    const state = reduce(before, snapshot(7, { simulated: true, candles: [candle(2)] }));
    expect(state.commit).toBe(7);
    expect(state.simulated).toBe(true);
    expect(state.candles).toEqual([candle(2)]);
    expect(state.trades).toEqual([]);
    expect(state.last.size).toBe(0);
  });

  it("takes back an earlier refusal", () => {
    expect(after({ type: "error", detail: "no such instrument" }).error).toBe("no such instrument");
    expect(after({ type: "error", detail: "no such instrument" }, snapshot(1)).error).toBe("");
  });
});

describe("commit", () => {
  it("leaves the state it starts from untouched", () => {
    const before = after(snapshot(1, { candles: [candle(1)], last: [last(5)] }));
    const copy = structuredClone(before);
    reduce(before, commit(2, { candles: [candle(1, { close: 9 })], last: [last(6)], trades: [trade(1)] }));
    expect(before).toEqual(copy);
  });

  it("replaces the candle with the same start, appends the next, keeps the others as they are", () => {
    const before = after(snapshot(1, { candles: [candle(1), candle(2)] }));
    const state = reduce(before, commit(2, { candles: [candle(2, { close: 9, is_final: true }), candle(3)] }));
    expect(state.candles.map(({ start, close }) => [start, close])).toEqual([
      [at(60), 11],
      [at(120), 9],
      [at(180), 11],
    ]);
    expect(state.candles[0]).toBe(before.candles[0]);
  });

  it("revises an older candle in place and inserts one that was not there", () => {
    const state = after(
      snapshot(1, { candles: [candle(1), candle(3), candle(4), candle(5)] }),
      commit(2, { candles: [candle(3, { revision: 1 }), candle(2)] }),
    );
    expect(state.candles.map(({ start }) => start)).toEqual([1, 2, 3, 4, 5].map((minute) => at(minute * 60)));
    expect(state.candles[1]).toEqual(candle(2));
    expect(state.candles[2]!.revision).toBe(1);
  });

  it("inserts where a longer hole was left", () => {
    const state = after(
      snapshot(1, { candles: [candle(0), candle(2_000)] }),
      commit(2, { candles: [candle(1_000)] }),
    );
    expect(state.candles).toEqual([candle(0), candle(1_000), candle(2_000)]);
  });

  it("ignores a candle older than the oldest one: it would stand before a hole", () => {
    const before = after(snapshot(1, { candles: [candle(10)] }));
    expect(reduce(before, commit(2, { candles: [candle(3)] })).candles).toEqual([candle(10)]);
  });

  it("ignores what it has seen already", () => {
    const before = after(snapshot(5, { trades: [trade(1)] }));
    expect(reduce(before, commit(5, { trades: [trade(1)] }))).toBe(before);
  });

  it("adds instruments and updates known ones without changing their order", () => {
    const other = { ...BTC, id: "ETH-USD.COINBASE" };
    const state = after(
      snapshot(1, { instruments: [BTC] }),
      commit(2, { instruments: [other, { ...BTC, status: "offline" }] }),
    );
    expect(state.instruments.map(({ id, status }) => [id, status])).toEqual([
      ["BTC-USD.COINBASE", "offline"],
      ["ETH-USD.COINBASE", "online"],
    ]);
  });

  it("replaces coverage with the same key", () => {
    const state = after(
      snapshot(1, { coverage: [stretch(0, null)] }),
      commit(2, { coverage: [stretch(0, 60, { state: "REFILLED" }), stretch(0, 60, { first_missing: "7" })] }),
    );
    expect([...state.coverage.values()].map((row) => row.state)).toEqual(["REFILLED", "GAP"]);
  });
});

describe("bounds", () => {
  it("keeps the newest trades", () => {
    const many = Array.from({ length: MAX_TRADES + 5 }, (_, i) => trade(i));
    const state = after(snapshot(1, { trades: many }), commit(2, { trades: [trade(9_999)] }));
    expect(state.trades).toHaveLength(MAX_TRADES);
    expect(state.trades.at(-1)!.trade_id).toBe("9999");
  });

  it("has refilled trades where they happened, and none that are older than all it keeps", () => {
    const full = Array.from({ length: MAX_TRADES }, (_, i) => trade(2 * i + 10));
    const late = [trade(1), trade(13), trade(15)];
    const state = after(snapshot(1, { trades: full }), commit(2, { trades: [...late, trade(9_999)] }));
    expect(state.trades).toHaveLength(MAX_TRADES);
    expect(state.trades.slice(0, 3).map(({ trade_id }) => trade_id)).toEqual(["14", "15", "16"]);
    expect(state.trades.at(-1)!.trade_id).toBe("9999");
    const equal = { ...trade(9_999), trade_id: "second" };
    expect(reduce(state, commit(3, { trades: [equal] })).trades.at(-1)!.trade_id).toBe("second");
  });

  it("drops the oldest candles, several at a time", () => {
    const full = Array.from({ length: MAX_CANDLES }, (_, i) => candle(i));
    const state = after(snapshot(1, { candles: full }), commit(2, { candles: [candle(MAX_CANDLES)] }));
    expect(state.candles).toHaveLength(MAX_CANDLES * 0.9 + 1);
    expect(state.candles.at(-1)).toEqual(candle(MAX_CANDLES));
  });

  it("drops the coverage it learned of first", () => {
    const rows = Array.from({ length: MAX_COVERAGE + 3 }, (_, i) => stretch(i, i + 1));
    const state = after(snapshot(1, { coverage: rows }));
    expect(state.coverage.size).toBe(MAX_COVERAGE);
    expect([...state.coverage.values()][0]!.start).toBe(at(3));
  });
});

describe("what is fetched apart", () => {
  it("puts an older page first and leaves out what overlaps", () => {
    const state = withOlder(after(snapshot(1, { candles: [candle(5)] })), [candle(3), candle(4), candle(5)]);
    expect(state.candles.map(({ start }) => start)).toEqual([at(180), at(240), at(300)]);
  });

  it("changes nothing when there is nothing older", () => {
    const before = after(snapshot(1, { candles: [candle(5)] }));
    expect(withOlder(before, [candle(5)])).toBe(before);
  });

  it("believes the stream rather than an answer that may be older", () => {
    const before = after(snapshot(1, { coverage: [stretch(0, 60, { state: "REFILLED" })] }));
    const state = withFetchedCoverage(before, [stretch(0, 60), stretch(-600, -540)]);
    expect([...state.coverage.values()].map((row) => row.state).sort()).toEqual(["GAP", "REFILLED"]);
  });
});

it("keeps the picture on reset until the snapshot comes", () => {
  const before = after(snapshot(1, { candles: [candle(5)] }));
  expect(reduce(before, { type: "reset", detail: "too far behind" })).toBe(before);
});

describe("quotes", () => {
  it("stand in order of time, whichever of a venue's channels a commit tells first", () => {
    const tops = [quote(2), quote(5)];
    const books = [quote(1, { source: "BOOK" }), quote(4, { source: "BOOK" })];
    const state = after(snapshot(1), commit(2, { quotes: [...tops, ...books] }), commit(3, { quotes: [quote(3)] }));
    expect(state.quotes.map(({ event_time }) => event_time)).toEqual([1, 2, 3, 4, 5].map((n) => quote(n).event_time));
  });

  it("come by commits, and begin anew with a snapshot", () => {
    const state = after(snapshot(1), commit(2, { quotes: [quote(1), quote(2)] }), commit(3, { quotes: [quote(3)] }));
    expect(state.quotes).toEqual([quote(1), quote(2), quote(3)]);
    expect(reduce(state, snapshot(4)).quotes).toEqual([]);
    expect(reduce(state, commit(4, { trades: [trade(1)] })).quotes).toBe(state.quotes);
  });

  it("that were asked for come before, none twice", () => {
    const state = after(snapshot(1), commit(2, { quotes: [quote(3), quote(4)] }));
    expect(withFetchedQuotes(state, [quote(1), quote(2), quote(3)]).quotes).toEqual([1, 2, 3, 4].map((n) => quote(n)));
    expect(withFetchedQuotes(after(snapshot(1)), [quote(1)]).quotes).toEqual([quote(1)]);
    expect(withFetchedQuotes(state, []).quotes).toEqual(state.quotes);
  });

  it("are the newest only", () => {
    const many = Array.from({ length: MAX_QUOTES + 50 }, (_, number) => quote(number));
    const state = after(snapshot(1), commit(2, { quotes: many }));
    expect([state.quotes.length, state.quotes.at(-1)]).toEqual([MAX_QUOTES, many.at(-1)]);
    const next = after(snapshot(1), commit(2, { quotes: [quote(999)] }));
    expect(withFetchedQuotes(next, many).quotes).toHaveLength(MAX_QUOTES);
  });
});
