import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { History } from "../src/history";
import { EMPTY, MAX_CANDLES, reduce, type State } from "../src/state";
import type { Stream } from "../src/stream";
import { stubPage } from "./page";
import { at, candle, snapshot, stretch } from "./records";

/** The part of a stream that History uses. */
class Holder {
  state: State = EMPTY;

  update(change: (state: State) => State): void {
    this.state = change(this.state);
  }
}

let asked: URL[] = [];
let answer: () => Promise<Response>;
let holder: Holder;
let history: History;

function json(body: unknown): () => Promise<Response> {
  return () => Promise.resolve(new Response(JSON.stringify(body)));
}

beforeEach(async () => {
  asked = [];
  stubPage();
  const { History } = await import("../src/history");
  vi.useFakeTimers();
  vi.spyOn(console, "warn").mockImplementation(() => undefined);
  vi.stubGlobal("fetch", (url: URL) => {
    asked.push(url);
    return answer();
  });
  holder = new Holder();
  holder.state = reduce(EMPTY, snapshot(1, { candles: [candle(10), candle(11)] }));
  history = new History(holder as unknown as Stream, { instrument: "BTC-USD.COINBASE", interval: "1m" });
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

it("asks for what ends where the chart begins, newest first, and puts it in order", async () => {
  answer = json({ candles: [candle(9), candle(8)] });
  await history.loadOlder();
  expect(Object.fromEntries(asked[0]!.searchParams)).toEqual({
    instrument: "BTC-USD.COINBASE",
    interval: "1m",
    end: at(600),
    order: "desc",
    limit: "1000",
  });
  expect(holder.state.candles.map(({ start }) => start)).toEqual([8, 9, 10, 11].map((minute) => at(minute * 60)));
});

it("asks one question at a time and none after the beginning of history", async () => {
  answer = json({ candles: [] });
  await Promise.all([history.loadOlder(), history.loadOlder()]);
  await history.loadOlder();
  expect(asked).toHaveLength(1);
});

it("throws a page away that a reset has overtaken", async () => {
  answer = () => {
    holder.state = reduce(holder.state, snapshot(99, { candles: [candle(500)] }));
    return json({ candles: [candle(9)] })();
  };
  await history.loadOlder();
  expect(holder.state.candles).toEqual([candle(500)]);
});

it("rests after a failure, then tries again", async () => {
  answer = () => Promise.resolve(new Response("", { status: 503 }));
  await history.loadOlder();
  answer = json({ candles: [candle(9)] });
  await history.loadOlder();
  expect(asked).toHaveLength(1);
  vi.advanceTimersByTime(2_000);
  await history.loadOlder();
  expect(holder.state.candles).toHaveLength(3);
});

it("stops when enough is loaded", async () => {
  const many = Array.from({ length: MAX_CANDLES * 0.8 + 1 }, (_, i) => candle(i));
  holder.state = reduce(EMPTY, snapshot(1, { candles: many }));
  await history.loadOlder();
  expect(asked).toEqual([]);
});

it("asks for the ledger once over each part of the chart", async () => {
  answer = json({ coverage: [stretch(0, 60)] });
  await history.loadCoverage();
  await history.loadCoverage();
  expect(asked.map(({ searchParams }) => [searchParams.get("start"), searchParams.get("end")])).toEqual([
    [at(600), null],
  ]);
  expect(holder.state.coverage.size).toBe(1);

  holder.state = { ...holder.state, candles: [candle(5), ...holder.state.candles] };
  await history.loadCoverage();
  expect(asked[1]!.searchParams.get("start")).toBe(at(300));
  expect(asked[1]!.searchParams.get("end")).toBe(at(600));
});

it("asks for the ledger again after a failure and a rest", async () => {
  answer = () => Promise.reject(new TypeError("no network"));
  await history.loadCoverage();
  answer = json({ coverage: [stretch(0, 60)] });
  await history.loadCoverage();
  expect(asked).toHaveLength(1);
  vi.advanceTimersByTime(2_000);
  await history.loadCoverage();
  expect(holder.state.coverage.size).toBe(1);
});

it("says nothing of requests that were given up", async () => {
  answer = () => Promise.reject(new DOMException("given up", "AbortError"));
  history.close();
  await history.loadOlder();
  expect(console.warn).not.toHaveBeenCalled();
});
