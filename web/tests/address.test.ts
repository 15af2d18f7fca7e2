import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { apiUrl, rootOf, streamUrl } from "../src/api/address";
import { curlOf } from "../src/api/curl";
import { stubPage } from "./page";

beforeEach(() => void stubPage());
afterEach(() => vi.unstubAllGlobals());

it("finds the root from every page, below any folder", () => {
  expect(rootOf("http://here/")).toBe("./");
  expect(rootOf("http://here/index.html#BTC-USD.COINBASE/1m")).toBe("./");
  expect(rootOf("http://here/sql/")).toBe("../");
  expect(rootOf("http://here/sql/index.html?x=1#y")).toBe("../");
  expect(rootOf("http://here/tape/sql/")).toBe("../");
  expect(rootOf("http://here/tape/")).toBe("./");
});

it("names a call, without what is undefined and without the page's own address", () => {
  const url = apiUrl("candles", { instrument: "BTC-USD.COINBASE", limit: 5, start: undefined, followed: true });
  expect(url.href).toBe("http://here/api/v1/candles?instrument=BTC-USD.COINBASE&limit=5&followed=true");
  expect(streamUrl()).toBe("ws://here/api/v1/stream");
});

it("names what is not under /api/v1 by its whole path", () => {
  expect(apiUrl("/compat/current_price", { symbol: "XBTUSDT" }).href).toBe(
    "http://here/compat/current_price?symbol=XBTUSDT",
  );
  expect(apiUrl("/").href).toBe("http://here/");
});

it("writes a call for a shell, and no secret", () => {
  const call = { name: "candles", query: { instrument: "it's $HOME" } };
  expect(curlOf(call, false)).toBe("curl 'http://here/api/v1/candles?instrument=it%27s+%24HOME'");
  expect(curlOf({ name: "events" }, true, true)).toBe(
    "curl -N -H \"Authorization: Bearer $FULLTAPE_TOKEN\" 'http://here/api/v1/events'",
  );
});
