import { expect, it } from "vitest";
import { MAX_RUN, withRows, type Runs } from "../src/runs";
import { EMPTY, reduce, withRuns } from "../src/state";
import type { Depth, TradeWindow } from "../src/types";
import { at, commit, snapshot } from "./records";

function depth(second: number, bid = 1, instrument = "BTC-USD.COINBASE"): Depth {
  return { instrument, event_time: at(second), bid_depth: bid } as Depth;
}

const NONE: Runs<Depth> = new Map();

function bids(runs: Runs<Depth>, instrument = "BTC-USD.COINBASE"): (number | null)[] {
  return runs.get(instrument)?.map(({ bid_depth }) => bid_depth) ?? [];
}

it("appends rows of each instrument in order, and leaves the old runs alone", () => {
  const first = withRows(NONE, [depth(1, 1), depth(1, 5, "X"), depth(2, 2)]);
  const second = withRows(first, [depth(3, 3)]);
  expect(bids(second)).toEqual([1, 2, 3]);
  expect(bids(second, "X")).toEqual([5]);
  expect(bids(first)).toEqual([1, 2]);
  expect(second.get("X")).toBe(first.get("X"));
  expect(withRows(second, undefined)).toBe(second);
});

it("puts what came later in its place, and takes a row of the same time for the newer one", () => {
  const runs = withRows(withRows(NONE, [depth(2, 2), depth(4, 4)]), [depth(1, 1), depth(4, 9), depth(3, 3)]);
  expect(bids(runs)).toEqual([1, 2, 3, 9]);
});

it("keeps no more than the newest", () => {
  const many = Array.from({ length: MAX_RUN + 5 }, (_, second) => depth(second, second));
  expect(bids(withRows(NONE, many))[0]).toBe(5);
});

it("is part of the state: a snapshot begins anew, commits and answers to calls add", () => {
  let state = reduce(EMPTY, snapshot(1, { depths: [depth(2)] }));
  state = reduce(state, commit(2, { depths: [depth(3)], windows: [{ instrument: "A", start: at(0) } as TradeWindow] }));
  state = { ...state, ...withRuns(state, { depths: [depth(1)] }) };
  expect(state.depths.get("BTC-USD.COINBASE")).toHaveLength(3);
  expect(state.windows.get("A")).toHaveLength(1);
  expect(reduce(state, snapshot(3)).depths.size).toBe(0);
});
