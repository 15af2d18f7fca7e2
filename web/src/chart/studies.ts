// Indicators on the chart: over the candles, or each in a pane of its own below them.

import {
  HistogramSeries,
  LineSeries,
  LineStyle,
  createTextWatermark,
  type HistogramData,
  type IChartApiBase,
  type IPaneApi,
  type ISeriesApi,
  type ITextWatermarkPluginApi,
  type LineData,
  type Time,
  type UTCTimestamp,
} from "lightweight-charts";
import { milliseconds } from "../format";
import { changedFrom, pointsOf, type Point } from "../indicators/rows";
import type { Candle, IndicatorRow } from "../types";

/** A column of an indicator. */
export interface Output {
  readonly name: string;
  readonly isBar: boolean;
}

export interface Study {
  /** What tells it from the others. */
  readonly key: string;
  readonly label: string;
  readonly isOverCandles: boolean;
  /** A colour of the style sheet by its name. */
  readonly colour: string;
  readonly outputs: readonly Output[];
  readonly levels: readonly number[];
  readonly rows: readonly IndicatorRow[];
  readonly decimals: number;
  /** How figures are written on the axis. */
  readonly write: (value: number) => string;
}

/** The lines of one indicator differ without colour, too; three are a band around its middle. */
const STYLES = [LineStyle.Solid, LineStyle.Dashed, LineStyle.Dotted, LineStyle.LargeDashed] as const;
const BAND = [LineStyle.Solid, LineStyle.Dashed, LineStyle.Solid] as const;

/** Beyond this many changed points, setting all of them is cheaper. */
const MANY_CHANGES = 200;
/** The height of a pane, of the candles' 4. */
const STRETCH = 1.2;

type Colour = (name: string) => string;

/** What is drawn of one indicator. */
class Drawing {
  #study: Study;
  readonly #chart: IChartApiBase<Time>;
  readonly #pane: IPaneApi<Time>;
  readonly #series: ISeriesApi<"Line" | "Histogram">[];
  readonly #title: ITextWatermarkPluginApi<Time> | null;
  #points: Point[][];
  #shown: { candles: string; rows: readonly IndicatorRow[] } | null = null;
  #bars = { up: "", down: "" };

  constructor(chart: IChartApiBase<Time>, candlePane: IPaneApi<Time>, study: Study) {
    this.#chart = chart;
    this.#study = study;
    this.#pane = study.isOverCandles ? candlePane : chart.addPane();
    if (!study.isOverCandles) this.#pane.setStretchFactor(STRETCH);
    this.#title = study.isOverCandles
      ? null
      : createTextWatermark(this.#pane, { horzAlign: "left", vertAlign: "top", lines: [] });
    this.#points = study.outputs.map(() => []);
    this.#series = study.outputs.map(({ isBar }) =>
      this.#pane.addSeries(isBar ? HistogramSeries : LineSeries, { priceLineVisible: false, lastValueVisible: false }),
    ) as ISeriesApi<"Line" | "Histogram">[];
    for (const price of study.levels) {
      this.#series[0]?.createPriceLine({ price, lineWidth: 1, lineStyle: LineStyle.Dotted, axisLabelVisible: false });
    }
    // Of a low pane the outermost figures would be cut in two.
    if (!study.isOverCandles) this.#pane.priceScale("right").applyOptions({ entireTextOnly: true });
    this.#write();
  }

  show(study: Study, candles: readonly Candle[], colour: Colour): void {
    const before = this.#study;
    this.#study = study;
    if (study.decimals !== before.decimals) this.#write();
    if (study.colour !== before.colour) this.paint(colour);
    // The newest candle changes with each trade, and an indicator does not.
    const known = `${candles.length} ${candles[0]?.start} ${candles.at(-1)?.start}`;
    if (this.#shown?.candles === known && this.#shown.rows === study.rows) return;
    this.#shown = { candles: known, rows: study.rows };
    study.outputs.forEach((_, i) => this.#draw(i, pointsOf(candles, study.rows, study.outputs[i]!.name)));
  }

  paint(colour: Colour): void {
    const ink = colour(this.#study.colour);
    this.#bars = { up: colour("volume-up"), down: colour("volume-down") };
    const lines = this.#study.outputs.filter(({ isBar }) => !isBar).length;
    const styles = lines === BAND.length ? BAND : STYLES;
    let line = 0;
    this.#study.outputs.forEach(({ isBar }, i) => {
      const series = this.#series[i]!;
      if (isBar) {
        series.setData(this.#points[i]!.map((point) => this.#item(i, point)));
        return;
      }
      series.applyOptions({ color: ink, lineWidth: 2, lineStyle: styles[line % styles.length]!, crosshairMarkerRadius: 3 });
      line += 1;
    });
    for (const level of this.#series[0]?.priceLines() ?? []) level.applyOptions({ color: colour("text-muted") });
    const words = { text: this.#study.label, color: colour("text-muted"), fontSize: 11, fontFamily: colour("font") };
    this.#title?.applyOptions({ lines: [words] });
  }

  /** A pane without a series goes by itself. */
  remove(): void {
    this.#title?.detach();
    for (const series of this.#series) this.#chart.removeSeries(series);
  }

  #write(): void {
    const { decimals, write } = this.#study;
    for (const series of this.#series) {
      series.applyOptions({ priceFormat: { type: "custom", minMove: 10 ** -decimals, formatter: write } });
    }
  }

  #draw(i: number, points: Point[]): void {
    const series = this.#series[i]!;
    const old = this.#points[i]!;
    this.#points[i] = points;
    const from = changedFrom(old, points, MANY_CHANGES);
    if (from === null) {
      series.setData(points.map((point) => this.#item(i, point)));
      return;
    }
    for (let at = from; at < points.length; at += 1) {
      series.update(this.#item(i, points[at]!), at < old.length - 1);
    }
  }

  #item(i: number, { start, value }: Point): LineData<Time> | HistogramData<Time> {
    const time = (milliseconds(start) / 1_000) as UTCTimestamp;
    if (!this.#study.outputs[i]!.isBar) return { time, value };
    return { time, value, color: value >= 0 ? this.#bars.up : this.#bars.down };
  }
}

/** All indicators of one chart. */
export class Studies {
  readonly #chart: IChartApiBase<Time>;
  readonly #candlePane: IPaneApi<Time>;
  readonly #drawings = new Map<string, Drawing>();
  #colour: Colour = () => "";

  constructor(chart: IChartApiBase<Time>, candlePane: IPaneApi<Time>) {
    this.#chart = chart;
    this.#candlePane = candlePane;
  }

  /** Draw these, and no others, at `candles`. */
  show(studies: readonly Study[], candles: readonly Candle[]): void {
    const wanted = new Set(studies.map(({ key }) => key));
    for (const [key, drawing] of this.#drawings) {
      if (wanted.has(key)) continue;
      drawing.remove();
      this.#drawings.delete(key);
    }
    for (const study of studies) {
      const drawing = this.#drawings.get(study.key) ?? this.#begin(study);
      drawing.show(study, candles, this.#colour);
    }
  }

  /** Take these colours. */
  paint(colour: Colour): void {
    this.#colour = colour;
    for (const drawing of this.#drawings.values()) drawing.paint(colour);
  }

  #begin(study: Study): Drawing {
    const drawing = new Drawing(this.#chart, this.#candlePane, study);
    this.#drawings.set(study.key, drawing);
    drawing.paint(this.#colour);
    return drawing;
  }
}
