import { describe, expect, it } from "vitest";
import { firstOf, inLine, lagOf, offsetsOf, saidOf, withOpened, type Message, type Topic } from "../src/topics/topics";
import type { KafkaStatus } from "../src/types";

function topic(name: string, kind: string, ...ends: number[]): Topic {
  const partitions = ends.map((end, partition) => ({ partition, leader: 1, replicas: 1, in_sync: 1, start: 0, end }));
  return { topic: name, kind, partitions };
}

function status(changes: Partial<KafkaStatus>): KafkaStatus {
  const base = { servers: [], commit: 5, records: {}, transactions: 0, failures: 0, too_long: 0, detail: "" };
  return { ...base, state: "live", lag_commits: 0, ...changes };
}

describe("figures of topics", () => {
  it("sums offsets and lags", () => {
    expect(offsetsOf(topic("t", "trades", 3, 4))).toBe(7);
    const readings = [1, 2].map((lag) => ({ topic: "t", partition: lag, offset: 0, lag }));
    expect(lagOf({ group: "g", state: "stable", members: 1, readings })).toBe(3);
  });

  it("begins with trades, or with what has messages", () => {
    expect(firstOf([topic("b", "bars", 1), topic("t", "trades", 0, 1)])).toBe("t");
    expect(firstOf([topic("a", "alerts", 0), topic("b", "bars", 1), topic("t", "trades", 0)])).toBe("b");
    expect(firstOf([topic("a", "alerts", 0)])).toBe("a");
    expect(firstOf([])).toBe("");
  });
});

describe("a message in one line", () => {
  const message = { partition: 0, offset: 1, time: "", headers: {}, key: "BTC-USD.COINBASE" };

  it("leaves out what its key says", () => {
    expect(inLine({ ...message, value: { instrument: "BTC-USD.COINBASE", price: 1.5 } })).toBe('{"price":1.5}');
    expect(inLine({ ...message, key: "progress", value: { commit: 4 } })).toBe('{"commit":4}');
    expect(inLine({ ...message, value: "text" })).toBe('"text"');
    expect(inLine({ ...message, value: null })).toBe("null");
  });
});

describe("the message that is read", () => {
  const [one, two, three] = [1, 2, 3].map((offset) => ({
    partition: 0, offset, time: "", headers: {}, key: "", value: offset,
  })) as [Message, Message, Message];

  it("stays when newer ones have taken its place", () => {
    expect(withOpened([three, two], undefined)).toEqual([three, two]);
    expect(withOpened([three, two], two)).toEqual([three, two]);
    expect(withOpened([three, two], one)).toEqual([three, two, one]);
  });
});

describe("what publishing does", () => {
  it("is said in words", () => {
    expect(saidOf(status({}))).toBe("live, nothing waits");
    expect(saidOf(status({ lag_commits: 1 }))).toBe("live, 1 commit behind");
    expect(saidOf(status({ state: "catching_up", lag_commits: 1_200 }))).toBe("catching up, 1,200 commits behind");
    expect(saidOf(status({ state: "waiting", lag_commits: null }))).toContain("no broker answers");
    expect(saidOf(status({ state: "refused" }))).toContain("somebody changes something");
  });
});
