// What the page's plots show.

import { compact, exact, milliseconds } from "../format";
import type { Bars, Lines } from "../plots/spec";
import type { Instrument, Quote } from "../types";
import type { Line } from "./answers";
import type { Scale } from "./choice";

/** How many symbols have a bar, and a line: more cannot be told apart. */
export const MOST_BARS = 12;
export const MOST_LINES = 8;

/** Return bars of symbols, in their order. */
export function barsOf(
  label: string,
  rows: readonly { readonly symbol: string; readonly value: number | null }[],
  scale: Scale,
  colour: string,
): Bars {
  const shown = rows.slice(0, MOST_BARS);
  return {
    kind: "bars",
    labels: shown.map(({ symbol }) => symbol),
    series: [{ label, values: shown.map(({ value }) => value), colour }],
    isHorizontal: true,
    isLogarithmic: scale === "logarithmic",
    writeY: compact,
  };
}

/** Return a line for each symbol over the hours, which are told by their start. */
export function hourLines(lines: readonly Line[], hours: readonly number[], scale: Scale): Lines {
  return {
    kind: "lines",
    series: lines.map(({ symbol, values }) => ({
      label: symbol,
      points: hours.map((x, place) => ({ x, y: values[place] ?? null })),
      style: "marked",
    })),
    isTime: true,
    isUtc: true,
    isLogarithmic: scale === "logarithmic",
    writeY: compact,
    ...(scale === "linear" ? { minY: 0 } : {}),
    ...ends(hours),
  };
}

/** Return bid and ask as steps, with the spread between them tinted. */
export function quoteLines(quotes: readonly Quote[], { price_step }: Instrument, scale: Scale): Lines {
  const points = (side: "bid" | "ask") => quotes.map((row) => ({ x: milliseconds(row.event_time), y: row[side] }));
  return {
    kind: "lines",
    series: [
      { label: "bid", points: points("bid"), colour: "up", style: "steps", fill: "next" },
      { label: "ask", points: points("ask"), colour: "down", style: "steps" },
    ],
    isTime: true,
    isUtc: true,
    isLogarithmic: scale === "logarithmic",
    writeY: (value) => exact(value, price_step),
    ...ends(quotes.map(({ event_time }) => milliseconds(event_time))),
  };
}

/** Return the limits of an axis that ends where its data do. */
function ends(times: readonly number[]): { minX?: number; maxX?: number } {
  return times.length > 1 ? { minX: times[0]!, maxX: times.at(-1)! } : {};
}
