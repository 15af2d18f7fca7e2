import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { firstOf, rememberedIndicators, rememberIndicators, rememberInstrument } from "../src/remembered";
import { stubPage } from "./page";

const ONES = [{ id: "BTC-USD.COINBASE" }, { id: "ETH-USD.COINBASE" }, { id: "SOL-USD.COINBASE" }];

beforeEach(() => void stubPage());
afterEach(() => vi.unstubAllGlobals());

it("begins with the first until something was looked at", () => {
  expect(firstOf(ONES)?.id).toBe("BTC-USD.COINBASE");
  rememberInstrument("ETH-USD.COINBASE");
  expect(firstOf(ONES)?.id).toBe("ETH-USD.COINBASE");
  expect(firstOf([])).toBeUndefined();
});

it("begins with the first where the remembered one is not", () => {
  rememberInstrument("ETH-USD.KRAKEN");
  expect(firstOf(ONES)?.id).toBe("BTC-USD.COINBASE");
});

it("keeps to this tab's instrument, whatever another tab looks at", () => {
  rememberInstrument("ETH-USD.COINBASE");
  localStorage.setItem("fulltape.instrument", "SOL-USD.COINBASE");
  expect(firstOf(ONES)?.id).toBe("ETH-USD.COINBASE");
  sessionStorage.removeItem("fulltape.instrument");
  expect(firstOf(ONES)?.id).toBe("SOL-USD.COINBASE");
});

it("remembers indicators, and that there are none any more", () => {
  expect(rememberedIndicators()).toEqual([]);
  rememberIndicators(["RSI(period=14)", "OBV"]);
  expect(rememberedIndicators()).toEqual(["RSI(period=14)", "OBV"]);
  rememberIndicators([]);
  expect(rememberedIndicators()).toEqual([]);
});
