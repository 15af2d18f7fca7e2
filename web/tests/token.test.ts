import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { headersOf, isToken, keptToken, protocolsOf } from "../src/api/token";
import { stubPage } from "./page";

beforeEach(() => void stubPage());
afterEach(() => vi.unstubAllGlobals());

it("takes for a token only what can stand in a header and in a subprotocol", () => {
  expect(isToken("ft_Ab-9_x")).toBe(true);
  for (const text of ["", "ft_", "Ab9", "ft_a b", "ft_a\nb", "ft_ä", "bearer.ft_a", "ft_a,fulltape"]) {
    expect(isToken(text)).toBe(false);
  }
});

it("ignores what is kept and is no token", () => {
  sessionStorage.setItem("fulltape.token", "ft_a\r\nX: y");
  expect(keptToken()).toBeNull();
  sessionStorage.setItem("fulltape.token", "ft_a");
  expect(keptToken()).toBe("ft_a");
});

it("travels in a header, or as a subprotocol beside our own", () => {
  expect(headersOf("ft_a")).toEqual({ Authorization: "Bearer ft_a" });
  expect(protocolsOf("ft_a")).toEqual(["fulltape", "bearer.ft_a"]);
  expect(headersOf(null)).toEqual({});
  expect(protocolsOf(null)).toEqual([]);
});
