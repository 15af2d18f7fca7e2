// Lines over time on a canvas: as many as are asked for, updated in place.

import {
  AreaSeries,
  BaselineSeries,
  LineSeries,
  LineStyle,
  createChartEx,
  type IChartApiBase,
  type ISeriesApi,
  type LineData,
  type Time,
  type UTCTimestamp,
  type WhitespaceData,
} from "lightweight-charts";
import { LocalTimeScale } from "./local_time";
import { colours, optionsFor, paintWith } from "./look";

/** A moment in ms since 1970 and a figure; null where there is none. */
export interface Moment {
  readonly at: number;
  readonly value: number | null;
}

export interface Line {
  readonly label: string;
  /** By time. Of several moments of one second the last one is drawn. */
  readonly moments: readonly Moment[];
  /** A colour of the style sheet by its name. */
  readonly colour: string;
  /** `signed` is tinted above and below zero. */
  readonly style?: "line" | "dashed" | "area" | "signed";
}

export interface LineOptions {
  /** How figures are written, on the axis and in the legend. */
  readonly write: (value: number) => string;
  /** The smallest difference that the axis marks. */
  readonly step: number;
  /** Moments are UTC days. */
  readonly isDaily?: boolean;
  /** All of it is always seen, whatever comes. */
  readonly isFitted?: boolean;
  /** It is about so few minutes that marks of time need seconds. */
  readonly hasSeconds?: boolean;
}

type Kind = "Line" | "Area" | "Baseline";
type Series = ISeriesApi<Kind>;

const KINDS = { line: LineSeries, dashed: LineSeries, area: AreaSeries, signed: BaselineSeries } as const;

export class LineChart {
  readonly #timeScale = new LocalTimeScale();
  readonly #chart: IChartApiBase<Time>;
  readonly #onHover: (at: number | null) => void;
  #series: Series[] = [];
  #lines: readonly Line[] = [];

  /** `onHover` is told of the moment under the crosshair, in ms since 1970, or of none. */
  constructor(container: HTMLElement, onHover: (at: number | null) => void) {
    this.#onHover = onHover;
    this.#chart = createChartEx<Time, LocalTimeScale>(container, this.#timeScale, optionsFor(this.#timeScale));
    this.#chart.priceScale("right").applyOptions({ minimumWidth: 60, scaleMargins: { top: 0.1, bottom: 0.08 } });
    this.#chart.timeScale().applyOptions({ rightOffset: 2 });
    this.#chart.subscribeCrosshairMove(({ time }) =>
      this.#onHover(time === undefined ? null : (time as number) * 1_000),
    );
  }

  /** Draw these lines. Those that were drawn before keep what the reader has scrolled to. */
  show(
    lines: readonly Line[],
    { write, step, isDaily = false, isFitted = false, hasSeconds = false }: LineOptions,
  ): void {
    const isOther = lines.length !== this.#lines.length || lines.some((line, i) => !isSameLine(line, this.#lines[i]!));
    this.#timeScale.isUtc = isDaily;
    if (isOther) {
      for (const series of this.#series) this.#chart.removeSeries(series);
      this.#series = lines.map(({ style = "line" }) => this.#chart.addSeries(KINDS[style]) as Series);
      this.#chart.timeScale().applyOptions({ timeVisible: !isDaily, secondsVisible: hasSeconds });
    }
    const wasEmpty = this.#lines.every(({ moments }) => moments.length === 0);
    const before = this.#lines;
    this.#lines = lines;
    this.#series.forEach((series, i) => {
      const priceFormat = { type: "custom", minMove: step, formatter: write } as const;
      if (isOther) series.applyOptions({ priceFormat, priceLineVisible: false, lastValueVisible: false });
      if (isOther || lines[i]!.moments !== before[i]!.moments) series.setData(dataOf(lines[i]!.moments));
    });
    if (isOther) this.paint();
    if (isOther || wasEmpty || isFitted) this.#chart.timeScale().fitContent();
  }

  /** Take the colours from the page's style sheet, again whenever the theme has changed. */
  paint(): void {
    const colour = colours();
    this.#chart.applyOptions(paintWith(colour));
    this.#series.forEach((series, i) => {
      const line = this.#lines[i]!;
      const ink = colour(line.colour);
      series.applyOptions({
        color: ink,
        lineColor: ink,
        lineWidth: 2,
        lineStyle: line.style === "dashed" ? LineStyle.Dashed : LineStyle.Solid,
        topColor: `${ink}40`,
        bottomColor: `${ink}08`,
        crosshairMarkerRadius: 3,
        ...signed(colour("up"), colour("down")),
      });
    });
  }

  /** Free the canvas. */
  destroy(): void {
    this.#chart.remove();
  }
}

function signed(up: string, down: string): object {
  return {
    baseValue: { type: "price", price: 0 },
    topLineColor: up,
    topFillColor1: `${up}40`,
    topFillColor2: `${up}10`,
    bottomLineColor: down,
    bottomFillColor1: `${down}10`,
    bottomFillColor2: `${down}40`,
  };
}

function isSameLine(a: Line, b: Line): boolean {
  return a.label === b.label && a.colour === b.colour && a.style === b.style;
}

/** Return what the library draws of moments: whole seconds, rising. */
export function dataOf(moments: readonly Moment[]): (LineData<Time> | WhitespaceData<Time>)[] {
  const data: (LineData<Time> | WhitespaceData<Time>)[] = [];
  let last = -Infinity;
  for (const { at, value } of moments) {
    const time = Math.floor(at / 1_000) as UTCTimestamp;
    if (time < last) continue;
    if (time === last) data.pop();
    data.push(value === null ? { time } : { time, value });
    last = time;
  }
  return data;
}

/** Return the figure of a line at a moment, or its newest one for null; null if there is none. */
export function valueAt({ moments }: Line, at: number | null): number | null {
  if (at === null) return moments.findLast(({ value }) => value !== null)?.value ?? null;
  return moments.findLast((moment) => Math.floor(moment.at / 1_000) * 1_000 === at)?.value ?? null;
}
