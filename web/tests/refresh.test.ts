import { expect, it } from "vitest";
import { Refresh } from "../src/refresh.svelte";

it("asks at the chosen pace, seldom changing figures no oftener than they change, and not at all while paused", () => {
  const refresh = new Refresh();
  refresh.paceS = 5;
  expect(refresh.everyMs()).toBe(5_000);
  expect(refresh.everyMs(60)).toBe(60_000);
  refresh.paceS = 120;
  expect(refresh.everyMs(60)).toBe(120_000);
  refresh.paceS = 0;
  expect(refresh.isPaused).toBe(true);
  expect(refresh.everyMs(60)).toBeNull();
});
