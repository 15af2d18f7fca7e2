import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { preferredTheme, rememberTheme } from "../src/theme";

beforeEach(() => {
  const stored = new Map<string, string>();
  vi.stubGlobal("localStorage", {
    getItem: (key: string) => stored.get(key) ?? null,
    setItem: (key: string, value: string) => stored.set(key, value),
  });
  // A system that prefers light.
  vi.stubGlobal("matchMedia", () => ({ matches: true }));
});
afterEach(() => vi.unstubAllGlobals());

it("is dark, whatever the system prefers, until the reader chooses", () => {
  expect(preferredTheme()).toBe("dark");
  rememberTheme("light");
  expect(preferredTheme()).toBe("light");
  rememberTheme("dark");
  expect(preferredTheme()).toBe("dark");
});

it("is dark when what is stored makes no sense", () => {
  rememberTheme("beige" as "dark");
  expect(preferredTheme()).toBe("dark");
});
