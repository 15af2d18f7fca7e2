import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { Followers } from "../src/indicators/followers.svelte";
import type { Follower } from "../src/indicators/follower.svelte";
import type { IndicatorRow, Message } from "../src/types";
import { stubPage, type FakePage } from "./page";
import { at, commit, snapshot } from "./records";

/** The stream's other end, driven by the test. */
class Peer {
  static all: Peer[] = [];
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  sent: string[] = [];
  isClosed = false;

  constructor() {
    Peer.all.push(this);
  }

  send(text: string): void {
    this.sent.push(text);
  }

  close(): void {
    this.isClosed = true;
  }

  async say(message: Message): Promise<void> {
    this.onmessage?.({ data: JSON.stringify(message) });
    await vi.advanceTimersByTimeAsync(20);
  }
}

const PLACE = { instrument: "BTC-USD.COINBASE", interval: "1m" } as const;
const RSI = "RSI(period=14)";
const REFUSED = { type: "error", detail: "OBV@1m looks back to the first candle stored: ask for it over a range" } as const;

let page: FakePage;
let asked: URL[] = [];
let answer: () => Response;
let followers: Followers;

function row(minute: number, value: number | null, change: Partial<IndicatorRow> = {}): IndicatorRow {
  return { start: at(minute * 60), rsi: value, ...change };
}

function pageOf(...indicators: IndicatorRow[]): () => Response {
  return () => new Response(JSON.stringify({ indicators }));
}

function show(...indicators: string[]): readonly Follower[] {
  followers.show({ ...PLACE, indicators });
  return followers.list;
}

function values({ rows }: Follower): unknown[] {
  return rows.map(({ rsi }) => rsi);
}

beforeEach(async () => {
  vi.useFakeTimers();
  page = stubPage();
  Peer.all = [];
  asked = [];
  answer = pageOf();
  vi.stubGlobal("requestAnimationFrame", (task: () => void) => setTimeout(task, 16));
  vi.stubGlobal("WebSocket", Peer);
  vi.stubGlobal("fetch", async (url: URL) => {
    // A silent stream asks for the status, too.
    if (url.pathname.endsWith("/indicators")) asked.push(url);
    return answer();
  });
  vi.resetModules();
  const { Followers } = await import("../src/indicators/followers.svelte");
  followers = new Followers();
});
afterEach(() => {
  followers.close();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

it("follows an indicator live", async () => {
  const [follower] = show(RSI);
  Peer.all[0]!.onopen?.();
  expect(JSON.parse(Peer.all[0]!.sent[0]!)).toEqual({
    op: "subscribe",
    instruments: ["BTC-USD.COINBASE"],
    kinds: ["indicators"],
    indicators: ["RSI(period=14)@1m"],
  });
  expect(follower!.isKnown).toBe(false);
  await Peer.all[0]!.say(snapshot(1, { indicators: [row(1, null), row(2, 50)] }));
  expect(follower!.isKnown).toBe(true);
  await Peer.all[0]!.say(commit(2, { indicators: [row(2, 51), row(3, 60)] }));
  expect(values(follower!)).toEqual([null, 51, 60]);
  expect(asked).toEqual([]);
});

it("asks for the past as far as candles reach, of final candles, once at a time", async () => {
  const [follower] = show(RSI);
  followers.reach(at(0));
  await Peer.all[0]!.say(snapshot(1, { indicators: [row(5, 50), row(6, 51)] }));
  followers.reach(at(300));
  expect(asked).toEqual([]);
  answer = pageOf(row(4, 40, { is_final: true }), row(3, 30, { is_final: true }), row(9, 1, { is_final: false }));
  followers.reach(at(0));
  followers.reach(at(0));
  await vi.advanceTimersByTimeAsync(20);
  expect(Object.fromEntries(asked[0]!.searchParams)).toEqual({
    ...PLACE,
    name: "RSI",
    period: "14",
    end: at(300),
    order: "desc",
    limit: "1000",
  });
  expect(values(follower!)).toEqual([30, 40, 50, 51]);
  answer = pageOf();
  for (let i = 0; i < 3; i += 1) {
    followers.reach(at(0));
    await vi.advanceTimersByTimeAsync(20);
  }
  expect(asked).toHaveLength(2);
});

it("says why the past does not come, and tries again after a rest", async () => {
  const [follower] = show(RSI);
  await Peer.all[0]!.say(snapshot(1, { indicators: [row(5, 50)] }));
  answer = () => new Response(JSON.stringify({ detail: "The store is busy." }), { status: 503 });
  followers.reach(at(0));
  await vi.advanceTimersByTimeAsync(20);
  expect(follower!.problem).toBe("The store is busy.");
  answer = pageOf(row(4, 40, { is_final: true }));
  followers.reach(at(0));
  expect(asked).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(2_000);
  followers.reach(at(0));
  await vi.advanceTimersByTimeAsync(20);
  expect([follower!.problem, values(follower!)]).toEqual(["", [40, 50]]);
});

it("asks now and then for what the stream refuses, while the page is seen", async () => {
  const [follower] = show("OBV");
  answer = pageOf(row(2, 20, { is_final: true }), row(1, 10, { is_final: true }));
  await Peer.all[0]!.say(REFUSED);
  await Peer.all[0]!.say(REFUSED);
  expect([follower!.isKnown, follower!.problem, values(follower!)]).toEqual([true, "", [10, 20]]);
  expect(asked).toHaveLength(1);
  answer = pageOf(row(3, 30, { is_final: true }), row(2, 20, { is_final: true }));
  page.hidden = true;
  await vi.advanceTimersByTimeAsync(5_000);
  expect(asked).toHaveLength(1);
  page.hidden = false;
  await vi.advanceTimersByTimeAsync(5_000);
  expect(values(follower!)).toEqual([10, 20, 30]);
});

it("says what is wrong with a question in words, and does not repeat it", async () => {
  const [follower] = show("RSIX(period=3)");
  answer = () => new Response(JSON.stringify({ detail: "unknown indicator 'RSIX'" }), { status: 400 });
  await Peer.all[0]!.say(REFUSED);
  expect(follower!.problem).toBe("unknown indicator 'RSIX'");
  await vi.advanceTimersByTimeAsync(20_000);
  expect(asked).toHaveLength(1);
});

it("keeps what is followed already, with its colour, and lets go of the rest", () => {
  const [rsi, obv] = show(RSI, "OBV");
  const [kept, sma] = show("OBV", "SMA(period=3)");
  expect(kept).toBe(obv);
  expect([rsi, obv, sma].map((one) => one!.slot)).toEqual([0, 1, 0]);
  expect(Peer.all.map(({ isClosed }) => isClosed)).toEqual([true, false, false]);
  followers.show({ ...PLACE, interval: "5m", indicators: ["OBV"] });
  expect(Peer.all.map(({ isClosed }) => isClosed)).toEqual([true, true, true, false]);
  followers.show({ ...PLACE, instrument: "", indicators: ["OBV"] });
  expect(followers.list).toEqual([]);
});
