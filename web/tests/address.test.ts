import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { apiUrl, rootOf, streamUrl } from "../src/api/address";
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
