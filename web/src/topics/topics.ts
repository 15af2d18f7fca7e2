// What `GET /api/v1/topics` tells, and figures of it.

import type { KafkaStatus, Time } from "../types";

export interface Partition {
  partition: number;
  leader: number;
  replicas: number;
  in_sync: number;
  /** Offsets `start` <= n < `end` are there; ends of transactions take some of them. */
  start: number;
  end: number;
}

export interface Topic {
  topic: string;
  /** Empty for the one that tells how far the others are. */
  kind: string;
  partitions: Partition[];
}

export interface Reading {
  topic: string;
  partition: number;
  offset: number;
  lag: number;
}

export interface Group {
  group: string;
  state: string;
  members: number;
  readings: Reading[];
}

export interface TopicList {
  simulated: boolean;
  servers: string[];
  topics: Topic[];
  groups: Group[];
}

export interface Message {
  partition: number;
  offset: number;
  time: Time;
  key: string;
  headers: Record<string, string>;
  value: unknown;
}

export interface MessageList {
  simulated: boolean;
  topic: string;
  messages: Message[];
}

/** Return how many offsets a topic holds: at least as many as messages. */
export function offsetsOf(topic: Topic): number {
  return topic.partitions.reduce((sum, one) => sum + one.end - one.start, 0);
}

/** Return where a message is within its topic. */
export function placeOf(message: Message): string {
  return `${message.partition}:${message.offset}`;
}

/** Return the messages, with the one that is read behind them if it is not among them any more. */
export function withOpened(messages: readonly Message[], opened: Message | undefined): readonly Message[] {
  if (opened === undefined || messages.some((one) => placeOf(one) === placeOf(opened))) return messages;
  return [...messages, opened];
}

/** Return a message's value in one line, without the instrument if that is its key. */
export function inLine({ key, value }: Message): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const rest = Object.entries(value).filter(([name, field]) => name !== "instrument" || field !== key);
  return JSON.stringify(Object.fromEntries(rest));
}

/** Return how far a group is behind in all. */
export function lagOf(group: Group): number {
  return group.readings.reduce((sum, one) => sum + one.lag, 0);
}

/** Return a topic to look at when none is chosen: that of trades, or the first with messages, or any. */
export function firstOf(topics: readonly Topic[]): string {
  const kind = topics.find((one) => one.kind === "trades" && offsetsOf(one) > 0);
  return (kind ?? topics.find((one) => offsetsOf(one) > 0) ?? topics[0])?.topic ?? "";
}

/** Return what publishing does, in words. */
export function saidOf(status: KafkaStatus): string {
  switch (status.state) {
    case "live":
      return status.lag_commits ? `live, ${plural(status.lag_commits, "commit")} behind` : "live, nothing waits";
    case "catching_up":
      return `catching up, ${plural(status.lag_commits ?? 0, "commit")} behind`;
    case "opening":
      return "asking the brokers";
    case "waiting":
      return "no broker answers, trying again; the capture goes on";
    case "refused":
      return "stopped until somebody changes something; the capture goes on";
  }
}

function plural(count: number, word: string): string {
  return `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;
}
