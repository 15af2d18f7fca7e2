import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Stream, isBroken } from "../src/stream";
import type { Message, Subscription } from "../src/types";
import { commit, snapshot, trade } from "./records";

/** The socket's other end, driven by the test. */
class Peer {
  static all: Peer[] = [];
  static get newest(): Peer {
    return Peer.all.at(-1)!;
  }

  onopen: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: (() => void) | null = null;
  sent: unknown[] = [];
  isClosed = false;

  constructor(
    readonly url: string,
    readonly protocols: string[],
  ) {
    Peer.all.push(this);
  }

  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }

  close(): void {
    this.isClosed = true;
  }

  say(message: Message): void {
    this.onmessage?.({ data: JSON.stringify(message) });
  }
}

const subscription: Subscription = { instruments: ["*"], kinds: ["trades"] };
let changes = 0;

function open(random = 0.5): Stream {
  return new Stream({ url: "ws://here/stream", subscription, random: () => random, onChange: () => (changes += 1) });
}

beforeEach(() => {
  changes = 0;
  Peer.all = [];
  vi.useFakeTimers();
  vi.stubGlobal("WebSocket", Peer);
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

it("subscribes, takes the snapshot and tells of it", () => {
  const stream = open();
  Peer.newest.onopen?.();
  expect(Peer.newest.sent).toEqual([{ op: "subscribe", instruments: ["*"], kinds: ["trades"] }]);
  expect(stream.connection.phase).toBe("connecting");
  Peer.newest.say(snapshot(4, { trades: [trade(1)] }));
  expect(stream.connection).toEqual({ phase: "open", heardAt: Date.now(), retryAt: null, failures: 0 });
  expect(stream.state.trades).toHaveLength(1);
  expect(changes).toBeGreaterThan(0);
});

it("resumes after the last commit it has handled", () => {
  const stream = open();
  Peer.newest.onopen?.();
  Peer.newest.say(snapshot(4));
  Peer.newest.say(commit(9, { trades: [trade(2)] }));
  Peer.newest.onclose?.();
  expect(stream.connection.phase).toBe("waiting");
  vi.advanceTimersByTime(250);
  expect(Peer.all).toHaveLength(2);
  Peer.newest.onopen?.();
  expect(Peer.newest.sent).toEqual([{ op: "subscribe", instruments: ["*"], kinds: ["trades"], since: 9 }]);
});

it("waits a random part of a ceiling that doubles up to ten seconds, and starts over once it is heard", () => {
  const stream = open(1);
  const waits: number[] = [];
  for (let i = 0; i < 7; i += 1) {
    Peer.newest.onclose?.();
    waits.push(stream.connection.retryAt! - Date.now());
    vi.advanceTimersByTime(waits.at(-1)!);
  }
  expect(waits).toEqual([500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
  Peer.newest.say(snapshot(1));
  Peer.newest.onclose?.();
  expect(stream.connection.retryAt! - Date.now()).toBe(500);
});

it("tries again at once when asked, but only while waiting", () => {
  const stream = open();
  stream.retry();
  expect(Peer.all).toHaveLength(1);
  Peer.newest.onclose?.();
  stream.retry();
  expect(Peer.all).toHaveLength(2);
});

it("gives up a socket that says nothing, and never listens to it again", () => {
  const stream = open();
  const silent = Peer.newest;
  silent.onopen?.();
  silent.say(snapshot(1));
  vi.advanceTimersByTime(4_999);
  expect(stream.connection.phase).toBe("open");
  vi.advanceTimersByTime(1);
  expect(stream.connection.phase).toBe("waiting");
  expect(silent.isClosed).toBe(true);
  silent.say(commit(2, { trades: [trade(1)] }));
  expect(stream.state.commit).toBe(1);
});

it("is broken from the first failure until it is heard, not while it begins", () => {
  const stream = open();
  expect(isBroken(stream.connection)).toBe(false);
  Peer.newest.onclose?.();
  expect(isBroken(stream.connection)).toBe(true);
  stream.retry();
  expect(stream.connection.phase).toBe("connecting");
  expect(isBroken(stream.connection)).toBe(true);
  Peer.newest.say(snapshot(1));
  expect(isBroken(stream.connection)).toBe(false);
});

it("offers at each attempt what is to be offered then, and tells of failures and of the end", () => {
  const told: string[] = [];
  let protocols: string[] = [];
  const stream = new Stream({
    url: "ws://here/stream",
    subscription,
    onChange: () => undefined,
    protocols: () => protocols,
    onFailure: () => told.push("failure"),
    onClosed: () => told.push("closed"),
  });
  expect(Peer.newest.protocols).toEqual([]);
  Peer.newest.onclose?.();
  expect(told).toEqual(["failure"]);
  protocols = ["fulltape", "bearer.ft_a"];
  stream.retry();
  expect(Peer.newest.protocols).toEqual(protocols);
  stream.close();
  expect(told).toEqual(["failure", "closed"]);
});

it("stays closed", () => {
  const stream = open();
  stream.close();
  expect(Peer.newest.isClosed).toBe(true);
  vi.advanceTimersByTime(60_000);
  expect(Peer.all).toHaveLength(1);
});
