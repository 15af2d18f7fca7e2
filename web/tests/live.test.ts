import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { Access } from "../src/api/access.svelte";
import { stubPage } from "./page";

/** A server that lets in who offers the token. */
class Door {
  static all: Door[] = [];
  onclose: (() => void) | null = null;

  constructor(
    readonly url: string,
    readonly protocols: string[],
  ) {
    Door.all.push(this);
  }

  send(): void {}
  close(): void {}
}

let openStream: typeof import("../src/api/live").openStream;
let access: Access;
let isOpen = false;

beforeEach(async () => {
  vi.useFakeTimers();
  stubPage();
  Door.all = [];
  isOpen = false;
  vi.stubGlobal("WebSocket", Door);
  const answers = (): Response => new Response("{}", { status: isOpen || access.token === "ft_good" ? 200 : 401 });
  vi.stubGlobal("fetch", async () => answers());
  vi.resetModules();
  ({ openStream } = await import("../src/api/live"));
  ({ access } = await import("../src/api/access.svelte"));
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

it("asks for a token when that is why it was refused, and tries again with it at once", async () => {
  const stream = openStream({ instruments: ["*"], kinds: ["last"] }, () => undefined);
  expect(Door.all[0]!.protocols).toEqual([]);
  Door.all[0]!.onclose?.();
  await vi.advanceTimersByTimeAsync(0);
  expect(access.isAsking).toBe(true);
  await vi.advanceTimersByTimeAsync(20_000);
  const before = Door.all.length;
  Door.all.at(-1)!.onclose?.();
  access.give("ft_good", false);
  await vi.advanceTimersByTimeAsync(0);
  expect(Door.all).toHaveLength(before + 1);
  expect(Door.all.at(-1)!.protocols).toEqual(["fulltape", "bearer.ft_good"]);
  expect(Door.all.every(({ url }) => url === "ws://here/api/v1/stream")).toBe(true);
  stream.close();
});

it("leaves other troubles to the stream, which waits before it tries again", async () => {
  isOpen = true;
  const stream = openStream({ instruments: ["*"], kinds: ["last"] }, () => undefined);
  Door.all[0]!.onclose?.();
  await vi.advanceTimersByTimeAsync(0);
  expect(access.isAsking).toBe(false);
  expect(stream.connection.phase).toBe("waiting");
  stream.close();
});
