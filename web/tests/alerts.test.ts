import { describe, expect, it } from "vitest";
import { ALL, episodesOf, isActive, matches, rulesOf, thresholdOf, unseen, valueOf } from "../src/alerts/episodes";
import { EMPTY, MAX_ALERTS, reduce } from "../src/state";
import type { Alert } from "../src/types";
import { at, commit, snapshot } from "./records";

function alert(number: number, seconds: number, change: Partial<Alert> = {}): Alert {
  return {
    instrument: "BTC-USD.COINBASE",
    rule: "fast_move",
    number,
    kind: "MOVE",
    state: "RAISED",
    figure: "change_5m",
    value: 3.5194,
    threshold: 3,
    detail: "price 64000",
    origin: "LIVE",
    event_time: at(seconds),
    ingest_time: at(seconds),
    ...change,
  };
}

const cleared = (number: number, seconds: number) => alert(number, seconds, { state: "CLEARED", value: null });

describe("episodes", () => {
  it("pair an alert with its end, newest first, whatever the order and however often one is told", () => {
    const [second, first] = episodesOf([cleared(1, 9), alert(1, 5)], [alert(2, 20), alert(1, 5)]);
    expect([first!.raised.number, first!.cleared?.ingest_time]).toEqual([1, at(9)]);
    expect([second!.raised.number, second!.cleared]).toEqual([2, null]);
    expect([first, second].map((one) => isActive(one!))).toEqual([false, true]);
  });

  it("are kept apart by instrument, rule and origin", () => {
    const others = [alert(1, 6, { rule: "wild" }), alert(1, 7, { instrument: "ETH-USD.COINBASE" }), alert(1, 8, { origin: "REPLAY" })];
    expect(episodesOf([alert(1, 5), ...others, cleared(1, 9)]).filter(isActive)).toHaveLength(2);
  });

  it("do not end before they begin, nor without a beginning", () => {
    expect(episodesOf([cleared(1, 2), alert(1, 5)])[0]!.cleared).toBeNull();
    expect(episodesOf([cleared(3, 2)])).toEqual([]);
  });

  it("are filtered by kind, rule and a part of the instrument", () => {
    const [episode] = episodesOf([alert(1, 5)]);
    expect(matches(episode!, ALL)).toBe(true);
    expect(matches(episode!, { kinds: ["RISK"], rule: "", instrument: "" })).toBe(false);
    expect(matches(episode!, { kinds: ["RISK", "MOVE"], rule: "fast_move", instrument: " btc " })).toBe(true);
    expect(matches(episode!, { ...ALL, rule: "wild" })).toBe(false);
    expect(matches(episode!, { ...ALL, instrument: "eth" })).toBe(false);
  });

  it("say which rules there are, and values with their unit", () => {
    expect(rulesOf(episodesOf([alert(1, 5), alert(2, 6, { rule: "a" }), alert(3, 7)]))).toEqual(["a", "fast_move"]);
    expect(valueOf(alert(1, 5))).toBe("3.519 %");
    expect(valueOf(alert(1, 5, { figure: "crossed_bp", value: 12 }))).toBe("12 bp");
    expect(valueOf(cleared(1, 5))).toBe("–");
    const wild = alert(1, 5, { figure: "realised_volatility", value: 5.4853, threshold: 0.07 });
    expect([valueOf(wild), thresholdOf(wild)]).toEqual(["548.5 %", "7 %"]);
    expect(thresholdOf(alert(1, 5, { threshold: 2.5 }))).toBe("2.5 %");
  });
});

describe("news", () => {
  it("are what came after the snapshot, and only what was raised", () => {
    const state = [
      snapshot(1, { alerts: [alert(1, 1)] }),
      commit(2, { alerts: [alert(2, 2), cleared(1, 3)] }),
      commit(3, { alerts: [alert(3, 4)] }),
    ].reduce(reduce, EMPTY);
    expect(state.alerts.map(({ number }) => number)).toEqual([1, 2, 1, 3]);
    expect(unseen(state.news, null)).toEqual({ newest: alert(3, 4), count: 2 });
    expect(unseen(state.news, state.news.at(-1)!)).toBeNull();
    expect(unseen([], null)).toBeNull();
  });

  it("go on after a snapshot that replaces the rest, and have an end", () => {
    const many = Array.from({ length: MAX_ALERTS + 5 }, (_, i) => alert(i, i));
    const state = [snapshot(1), commit(2, { alerts: many }), snapshot(9)].reduce(reduce, EMPTY);
    expect([state.alerts.length, state.news.length]).toEqual([0, MAX_ALERTS]);
    expect(unseen(state.news, many[0]!)?.count).toBe(MAX_ALERTS);
  });
});
