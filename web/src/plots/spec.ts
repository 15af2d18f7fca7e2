// What a plot shows, as a value. Pages make specs with plain functions, which tests can read; Plot.svelte draws them.
// Candles and prices over time are not for these: src/chart/ draws them.

/** How a figure is written. */
export type Write = (value: number) => string;

/** A colour of the style sheet by its name, such as `up`; without one, the next of `series-1` to `series-8`. */
export type Colour = string;

/** One set of bars: `values` in the order of the plot's labels. */
export interface BarSeries {
  readonly label: string;
  readonly values: readonly (number | null)[];
  readonly colour?: Colour;
}

export interface Point {
  readonly x: number;
  /** null is a hole in the line. */
  readonly y: number | null;
}

export interface LineSeries {
  readonly label: string;
  /** By x, rising. */
  readonly points: readonly Point[];
  readonly colour?: Colour;
  /** Tint what lies between this line and zero, or the line after it. */
  readonly fill?: "zero" | "next";
  /** Straight steps from point to point, points without a line, or a line with its points marked. */
  readonly style?: "line" | "steps" | "dots" | "dashed" | "marked";
}

interface Axes {
  readonly writeX?: Write;
  readonly writeY?: Write;
  readonly titleX?: string;
  readonly titleY?: string;
  /** The figures' axis is logarithmic: nothing at or below zero is drawn. */
  readonly isLogarithmic?: boolean;
}

/** Bars beside or upon each other; of one width without gaps they are a histogram. */
export interface Bars extends Axes {
  readonly kind: "bars";
  readonly labels: readonly string[];
  /** What the axis says in place of the labels, which the hover keeps: where a bin begins. */
  readonly marks?: readonly string[];
  readonly series: readonly BarSeries[];
  readonly isStacked?: boolean;
  /** Bars go from left to right, labels stand in rows. */
  readonly isHorizontal?: boolean;
  readonly isHistogram?: boolean;
}

/** Lines over figures, or over time: then x is ms since 1970. */
export interface Lines extends Axes {
  readonly kind: "lines";
  readonly series: readonly LineSeries[];
  readonly isTime?: boolean;
  /** The time is told in UTC, and the reader's own only on hovering. */
  readonly isUtc?: boolean;
  /** Limits of the axes where the data should not decide. */
  readonly minX?: number;
  readonly maxX?: number;
  readonly minY?: number;
  readonly maxY?: number;
}

export interface Donut {
  readonly kind: "donut";
  readonly slices: readonly { readonly label: string; readonly value: number; readonly colour?: Colour }[];
  readonly write: Write;
  /** What stands in the hole. */
  readonly centre?: string;
}

export type Spec = Bars | Lines | Donut;

/** One line of the legend: hiding it hides the series or slice at the same place. */
export interface Entry {
  readonly label: string;
  readonly colour: Colour;
  /** Of a donut: how much of the whole this is. */
  readonly note: string;
}

/** Return the colour of the series or slice at `place`. */
export function colourAt(place: number, wanted: Colour | undefined): Colour {
  return wanted ?? `series-${(place % 8) + 1}`;
}

/** Return the legend of a plot; one series alone needs none. */
export function legendOf(spec: Spec): readonly Entry[] {
  if (spec.kind !== "donut") {
    if (spec.series.length < 2) return [];
    return spec.series.map(({ label, colour }, place) => ({ label, colour: colourAt(place, colour), note: "" }));
  }
  const whole = spec.slices.reduce((sum, { value }) => sum + value, 0);
  return spec.slices.map(({ label, value, colour }, place) => ({
    label,
    colour: colourAt(place, colour),
    note: share(value, whole),
  }));
}

/** Return how much of `whole` a value is: `12.3 %`. */
export function share(value: number, whole: number): string {
  return whole > 0 ? `${((100 * value) / whole).toFixed(1)} %` : "–";
}

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const STEPS = [
  ...[1, 2, 5, 10, 15, 30].map((n) => n * SECOND),
  ...[1, 2, 5, 10, 15, 30].map((n) => n * MINUTE),
  ...[1, 2, 3, 6, 12].map((n) => n * HOUR),
  ...[1, 2, 7, 14, 30, 90, 365].map((n) => n * DAY),
];

/** Return where to mark an axis of time: at most `count` round moments of the reader's own zone, or of UTC. */
export function timeTicks(min: number, max: number, count: number, isUtc = false): number[] {
  const step = STEPS.find((step) => (max - min) / step <= count) ?? STEPS.at(-1)!;
  const zone = isUtc ? 0 : new Date(min).getTimezoneOffset() * MINUTE;
  const ticks: number[] = [];
  for (let at = Math.ceil((min - zone) / step) * step + zone; at <= max; at += step) ticks.push(at);
  return ticks;
}

/** Return which marks of a logarithmic axis there is room for: those with the fewest digits first, of these 1, 5, 2. */
export function sparse(marks: readonly number[], min: number, max: number, most: number): number[] {
  const apart = Math.log(max / min) / most;
  const rank = (mark: number): number => {
    const digits = String(mark).replace(/^0\.0*|0+$/g, "");
    return digits.length * 4 + ["1", "5", "2", digits].indexOf(digits);
  };
  const kept: number[] = [];
  for (const mark of [...marks].sort((a, b) => rank(a) - rank(b))) {
    if (kept.every((other) => Math.abs(Math.log(mark / other)) >= apart)) kept.push(mark);
  }
  return kept.sort((a, b) => a - b);
}

/** Return a moment as an axis writes it: the day at midnight, else the time, with seconds where marks need them. */
export function timeText(ms: number, stepMs: number, isUtc = false): string {
  const date = new Date(ms);
  const zone = isUtc ? { timeZone: "UTC" } : {};
  const time = date.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit", ...zone });
  if (stepMs >= DAY || time === "00:00:00")
    return date.toLocaleDateString("en-GB", { day: "numeric", month: "short", ...zone });
  return stepMs < MINUTE ? time : time.slice(0, 5);
}
