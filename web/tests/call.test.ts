import { afterEach, beforeEach, expect, it, vi, type Mock } from "vitest";
import type { Access } from "../src/api/access.svelte";
import { stubPage } from "./page";

const TOKEN = "ft_abc-DEF_123";

let call: typeof import("../src/api/call");
let access: Access;
let fetched: Mock<typeof fetch>;

beforeEach(async () => {
  stubPage();
  fetched = vi.fn<typeof fetch>();
  vi.stubGlobal("fetch", fetched);
  vi.resetModules();
  call = await import("../src/api/call");
  ({ access } = await import("../src/api/access.svelte"));
});
afterEach(() => vi.unstubAllGlobals());

function answer(status: number, body: unknown, headers: Record<string, string> = {}): Response {
  return new Response(status === 304 ? null : JSON.stringify(body), { status, headers });
}

function sent(): { address: string; headers: Record<string, string>; init: RequestInit }[] {
  return fetched.mock.calls.map(([address, init]) => ({
    address: String(address),
    headers: init?.headers as Record<string, string>,
    init: init ?? {},
  }));
}

const never = new AbortController().signal;

it("asks, and posts when there is a body", async () => {
  fetched.mockImplementation(async () => answer(200, { n: 1 }));
  expect(await call.ask({ name: "last", query: { instrument: "A" } }, never)).toEqual({ n: 1 });
  expect(await call.ask({ name: "sql", body: { query: "SELECT 1" } }, never)).toEqual({ n: 1 });
  const [get, post] = sent();
  expect(get!.address).toBe("http://here/api/v1/last?instrument=A");
  expect(get!.headers).toEqual({});
  expect(post!.init.method).toBe("POST");
  expect(post!.init.body).toBe('{"query":"SELECT 1"}');
});

it("takes a file, and whether it is whole and real from the headers", async () => {
  fetched.mockResolvedValueOnce(new Response("a\n1\n", { headers: { "Fulltape-Cut": "1", "Fulltape-Simulated": "1" } }));
  const cut = await call.askFile({ name: "sql" }, never);
  expect([await cut.content.text(), cut.isCut, cut.isSimulated]).toEqual(["a\n1\n", true, true]);
  fetched.mockResolvedValueOnce(new Response("a\n1\n"));
  expect(await call.askFile({ name: "sql" }, never)).toMatchObject({ isCut: false, isSimulated: false });
});

it("says what the problem document says, and when to ask again", async () => {
  fetched.mockResolvedValueOnce(answer(503, { detail: "the store is busy" }, { "Retry-After": "7" }));
  await expect(call.ask({ name: "last" }, never)).rejects.toMatchObject({
    message: "the store is busy",
    status: 503,
    retryAfterS: 7,
  });
  fetched.mockResolvedValueOnce(new Response("<html>", { status: 502 }));
  await expect(call.ask({ name: "last" }, never)).rejects.toThrow("HTTP 502");
  fetched.mockRejectedValueOnce(new TypeError("Failed to fetch"));
  await expect(call.ask({ name: "last" }, never)).rejects.toMatchObject({
    message: "No connection to fulltape.",
    status: 0,
  });
});

it("asks again with the tag, and takes 304 for the same answer", async () => {
  fetched.mockResolvedValueOnce(answer(200, [1], { ETag: '"x"' }));
  expect(await call.askAgain({ name: "daily" }, null, never)).toEqual({ answer: [1], etag: '"x"', servedAt: null });
  fetched.mockResolvedValueOnce(answer(304, null));
  expect(await call.askAgain({ name: "daily" }, '"x"', never)).toBeNull();
  expect(sent()[1]!.headers).toEqual({ "If-None-Match": '"x"' });
});

it("tells what the server's clock said", async () => {
  fetched.mockResolvedValueOnce(answer(200, [1], { Date: "Sat, 28 Nov 2026 09:42:11 GMT" }));
  const answered = await call.askAgain({ name: "daily" }, null, never);
  expect(answered?.servedAt).toBe(Date.UTC(2026, 10, 28, 9, 42, 11));
});

it("asks the reader for a token once, and repeats every call that needs it", async () => {
  fetched.mockImplementation(async (_, init) => {
    const { Authorization } = init?.headers as Record<string, string>;
    return Authorization === `Bearer ${TOKEN}` ? answer(200, "seen") : answer(401, { detail: "needs a token" });
  });
  const answers = Promise.all([call.ask({ name: "a" }, never), call.ask({ name: "b" }, never)]);
  await vi.waitFor(() => expect(access.isAsking).toBe(true));
  expect(access.isRefused).toBe(false);
  access.give("ft_wrong", false);
  await vi.waitFor(() => expect(access.isRefused).toBe(true));
  access.give(TOKEN, false);
  expect(await answers).toEqual(["seen", "seen"]);
  expect(access.isAsking).toBe(false);
  expect(sent().every(({ address }) => !address.includes("ft_"))).toBe(true);
  expect(sessionStorage.getItem("fulltape.token")).toBe(TOKEN);
  expect(localStorage.getItem("fulltape.token")).toBeNull();
});

it("fails without a token when the reader gives none, and does not ask on and on", async () => {
  fetched.mockImplementation(async () => answer(401, { detail: "needs a token" }));
  const first = call.ask({ name: "a" }, never);
  await vi.waitFor(() => expect(access.isAsking).toBe(true));
  access.decline();
  await expect(first).rejects.toMatchObject({ status: 401, message: "needs a token" });
  await expect(call.ask({ name: "a" }, never)).rejects.toMatchObject({ status: 401 });
  expect(access.isAsking).toBe(false);
  access.reopen();
  expect(access.isAsking).toBe(true);
  access.give(TOKEN, false);
  expect(location.reload).toHaveBeenCalledOnce();
});

it("stops waiting for a token when the call is given up", async () => {
  fetched.mockImplementation(async () => answer(401, {}));
  const abort = new AbortController();
  const waiting = call.ask({ name: "a" }, abort.signal);
  await vi.waitFor(() => expect(access.isAsking).toBe(true));
  abort.abort();
  await expect(waiting).rejects.toMatchObject({ name: "AbortError" });
});

it("remembers a token in the browser only by choice, and forgets it everywhere", async () => {
  access.give(TOKEN, true);
  expect(localStorage.getItem("fulltape.token")).toBe(TOKEN);
  expect(sessionStorage.getItem("fulltape.token")).toBeNull();
  access.forget();
  expect(localStorage.getItem("fulltape.token")).toBeNull();
  expect(location.reload).toHaveBeenCalledOnce();
});
