// GET /api/v1/distribution, and what is shown of it. The figures are the server's.

import type { Cell } from "../csv";
import { dateTime, decimalsOf, duration, exact, milliseconds, rounded, significant } from "../format";
import type { Bars, Lines } from "../plots/spec";
import type { Coverage, Instrument, Time, Trade } from "../types";

export interface Histogram {
  /** One more than counts, rising by equal ratios. */
  edges: number[];
  counts: number[];
  /** Values that are 0: they have no place on an axis of ratios. */
  zeros: number;
}

export interface Figures {
  trades: number;
  volume: number;
  sizes: Histogram;
  pauses: Histogram;
  /** Least, quarter, half, three quarters, largest. */
  quartiles: [number, number, number, number, number];
  whiskers: [number, number];
  outliers: number;
  volumes: { interval: string; starts: Time[]; volumes: number[] };
  rolling: { times: Time[]; prices: number[]; sizes: number[] };
  lorenz: number[];
  gini: number;
  pareto_share: number;
  largest: Trade[];
}

export interface Answer {
  simulated: boolean;
  instrument: string;
  start: Time;
  end: Time;
  distribution: Figures | null;
}

const DIGITS = 3;
const PERCENT = 100;

/** Return bars of equal width: the edges' ratios are equal, so this is a logarithmic axis. */
export function histogramOf({ edges, counts }: Histogram, write: (edge: number) => string, colour: string): Bars {
  return {
    kind: "bars",
    labels: counts.map((_, place) => between(write(edges[place] ?? 0), write(edges[place + 1] ?? 0))),
    marks: counts.map((_, place) => write(edges[place] ?? 0)),
    series: [{ label: "trades", values: counts, colour }],
    isHistogram: true,
    writeY: (value) => (Number.isInteger(value) ? exact(value, 1) : ""),
  };
}

/** Return an edge of sizes. */
export function sizeText(value: number): string {
  return significant(value, DIGITS);
}

export { duration as pauseText };

/** Return the volume of each window as steps: what it is holds from a window's start to its end. */
export function volumeSteps({ starts, volumes, interval }: Figures["volumes"]): Lines {
  const times = starts.map(milliseconds);
  const length = LENGTHS_MS[interval] ?? 0;
  const end = (times.at(-1) ?? 0) + length;
  const points = times.map((x, place) => ({ x, y: volumes[place] ?? null }));
  return {
    kind: "lines",
    series: [{ label: "volume", points: [...points, { x: end, y: volumes.at(-1) ?? null }], style: "steps", fill: "zero", colour: "series-3" }],
    isTime: true,
    isUtc: true,
    minX: times[0] ?? 0,
    maxX: end,
    minY: 0,
    writeY: sizeText,
  };
}

/** Return a rolling mean over time. */
export function rollingLine(
  times: readonly Time[],
  values: readonly number[],
  label: string,
  write: (value: number) => string,
): Lines {
  const points = times.map((time, place) => ({ x: milliseconds(time), y: values[place] ?? null }));
  return {
    kind: "lines",
    series: [{ label, points }],
    isTime: true,
    isUtc: true,
    writeY: write,
    ...(points.length > 1 ? { minX: points[0]!.x, maxX: points.at(-1)!.x } : {}),
  };
}

/** Return the Lorenz curve beside equality, both in percent. */
export function lorenzLines(lorenz: readonly number[]): Lines {
  return {
    kind: "lines",
    series: [
      { label: "volume", points: lorenz.map((share, x) => ({ x, y: share * PERCENT })), fill: "next", colour: "series-1" },
      { label: "equality", points: [0, PERCENT].map((at) => ({ x: at, y: at })), style: "dashed", colour: "text-muted" },
    ],
    titleX: "trades, smallest first",
    titleY: "volume",
    writeX: (value) => `${value} %`,
    writeY: (value) => `${Number(value.toFixed(2))} %`,
    minX: 0,
    maxX: PERCENT,
    minY: 0,
    maxY: PERCENT,
  };
}

/** Return what the ledger knows to be wrong with the trades from `start` on; nothing if that is nothing. */
export function flawsOf(rows: readonly Coverage[], start: Time): string[] {
  const trades = rows.filter(({ channel }) => channel === "trades");
  const first = trades.map((row) => row.start).sort()[0];
  const missing = trades.reduce((sum, row) => sum + (row.state === "GAP" ? row.missing : 0), 0);
  const count = (state: Coverage["state"]): number => trades.filter((row) => row.state === state).length;
  return [
    ...(first === undefined ? ["nobody listened"] : []),
    ...(first !== undefined && first > start ? [`listened to only from ${first.slice(0, 19).replace("T", " ")} UTC on`] : []),
    ...(count("GAP") > 0 ? [`${exact(missing, 1)} trades missing in ${count("GAP")} gaps`] : []),
    ...(count("DOWN") > 0 ? [`not connected ${times(count("DOWN"))}`] : []),
    ...(count("NOT_FOLLOWED") > 0 ? [`not followed ${times(count("NOT_FOLLOWED"))}`] : []),
  ];
}

/** Return a trade's time in the reader's zone, for hovering. */
export function hereText(time: Time): string {
  return `here ${dateTime(milliseconds(time))}`;
}

export const TRADE_COLUMNS = ["trade_id", "event_time", "aggressor_side", "price", "size"] as const;

/** Return trades as rows of a file. */
export function tradeCells(trades: readonly Trade[]): Cell[][] {
  return trades.map((trade) => TRADE_COLUMNS.map((column) => trade[column]));
}

/** Return a histogram as rows of a file: from, to, count. */
export function histogramCells({ edges, counts }: Histogram): Cell[][] {
  return counts.map((count, place) => [edges[place] ?? null, edges[place + 1] ?? null, count]);
}

/** Return what writes means of an instrument's prices. */
export function priceText({ price_step }: Instrument): (value: number) => string {
  return price_step > 0 ? (value) => rounded(value, decimalsOf(price_step)) : (value) => significant(value, 6);
}

const LENGTHS_MS: Record<string, number> = {
  "1m": 60_000,
  "5m": 300_000,
  "15m": 900_000,
  "1h": 3_600_000,
  "4h": 14_400_000,
  "1d": 86_400_000,
  "1w": 604_800_000,
};

function between(from: string, to: string): string {
  return from === to ? from : `${from} – ${to}`;
}

function times(count: number): string {
  return count === 1 ? "once" : `${count} times`;
}
