import { afterEach, beforeEach, expect, it, vi, type Mock } from "vitest";
import type { Call } from "../src/api/call";
import { FakePage, stubPage } from "./page";

let page: FakePage;
let fetched: Mock<typeof fetch>;
const running: (() => void)[] = [];
let Poll: typeof import("../src/api/poll.svelte").Poll;

beforeEach(async () => {
  vi.useFakeTimers();
  page = stubPage();
  let count = 0;
  fetched = vi.fn<typeof fetch>(async () => new Response(String(++count), { headers: { ETag: `"${count}"` } }));
  vi.stubGlobal("fetch", fetched);
  vi.resetModules();
  ({ Poll } = await import("../src/api/poll.svelte"));
});
afterEach(() => {
  for (const stop of running.splice(0)) stop();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

function follow(poll: InstanceType<typeof Poll<number>>, call: Call, everyMs: number | null): () => void {
  const stop = poll.follow(call, everyMs);
  running.push(stop);
  return stop;
}

const pass = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

it("asks at its pace, with the tag of the answer before, and keeps the answer if that holds", async () => {
  const poll = new Poll<number>();
  const stop = follow(poll, { name: "daily" }, 5_000);
  expect(poll.isAsking).toBe(true);
  await pass(0);
  expect(poll.answer).toBe(1);
  fetched.mockResolvedValueOnce(new Response(null, { status: 304 }));
  await pass(5_000);
  expect(poll.answer).toBe(1);
  expect(poll.answeredAt).toBe(Date.now());
  expect((fetched.mock.lastCall![1]!.headers as Record<string, string>)["If-None-Match"]).toBe('"1"');
  await pass(5_000);
  expect(poll.answer).toBe(2);
  stop();
  await pass(60_000);
  expect(fetched).toHaveBeenCalledTimes(3);
});

it("rests while nobody sees the page, and is up to date as soon as somebody does", async () => {
  const poll = new Poll<number>();
  follow(poll, { name: "daily" }, 5_000);
  await pass(0);
  page.show(false);
  await pass(60_000);
  expect(fetched).toHaveBeenCalledTimes(1);
  page.show(true);
  await pass(0);
  expect(fetched).toHaveBeenCalledTimes(2);
});

it("keeps the answer and says why there is no newer one", async () => {
  const poll = new Poll<number>();
  follow(poll, { name: "daily" }, 1_000);
  await pass(0);
  const before = poll.answeredAt;
  fetched.mockResolvedValueOnce(new Response('{"detail": "busy"}', { status: 503, headers: { "Retry-After": "9" } }));
  await pass(1_000);
  expect([poll.answer, poll.problem, poll.answeredAt]).toEqual([1, "busy", before]);
  await pass(8_999);
  expect(fetched).toHaveBeenCalledTimes(2);
  await pass(1);
  expect([poll.answer, poll.problem]).toEqual([2, ""]);
});

it("drops the answer of another call, but not that of the same one at another pace", async () => {
  const poll = new Poll<number>();
  follow(poll, { name: "daily" }, 5_000)();
  await pass(0);
  follow(poll, { name: "daily" }, 5_000);
  await pass(0);
  const stop = follow(poll, { name: "daily" }, null);
  expect(poll.answer).toBeDefined();
  await pass(60_000);
  const count = fetched.mock.calls.length;
  poll.refresh();
  await pass(0);
  expect(fetched).toHaveBeenCalledTimes(count + 1);
  stop();
  follow(poll, { name: "hourly" }, null);
  expect(poll.answer).toBeUndefined();
});
