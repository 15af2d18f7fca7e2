// Candles, volume and shading on a canvas.

import {
  CandlestickSeries,
  HistogramSeries,
  LineStyle,
  createChartEx,
  type CandlestickData,
  type HistogramData,
  type IChartApiBase,
  type IPriceLine,
  type ISeriesApi,
  type Time,
  type UTCTimestamp,
  type WhitespaceData,
} from "lightweight-charts";
import { decimalsOf, milliseconds, rounded } from "../format";
import type { Candle } from "../types";
import { changedSince } from "./changes";
import { LocalTimeScale } from "./local_time";
import { colours, optionsFor, paintWith } from "./look";
import { Shading } from "./shading";
import type { Span } from "./spans";
import { Studies, type Study } from "./studies";

/** Ask for older candles when fewer than this many bars are left of the visible ones. */
const NEAR_START_BARS = 50;
/** Beyond this many changed candles, setting all of them is cheaper. */
const MANY_CHANGES = 200;

export interface ChartEvents {
  /** The reader nears the oldest candle. */
  onNearStart: () => void;
  /** The crosshair is over this candle, or over none. */
  onHover: (candle: Candle | null) => void;
}

/** Of the axis, while the venue has not told the price step. */
const DEFAULT_DECIMALS = 2;

type Item<Data> = Data | WhitespaceData<Time>;

export class CandleChart {
  readonly #events: ChartEvents;
  readonly #timeScale = new LocalTimeScale();
  readonly #chart: IChartApiBase<Time>;
  readonly #prices: ISeriesApi<"Candlestick">;
  readonly #volumes: ISeriesApi<"Histogram">;
  readonly #studies: Studies;
  readonly #shading = new Shading((ms) => this.#locate(ms));
  #candles: readonly Candle[] = [];
  #lengthS = 60;
  #colours = { up: "", down: "", volumeUp: "", volumeDown: "" };
  #mark: IPriceLine | null = null;

  constructor(container: HTMLElement, events: ChartEvents) {
    this.#events = events;
    this.#chart = createChartEx<Time, LocalTimeScale>(container, this.#timeScale, optionsFor(this.#timeScale));
    this.#prices = this.#chart.addSeries(CandlestickSeries, {
      borderVisible: false,
      lastValueVisible: false,
      priceLineVisible: false,
    });
    this.#volumes = this.#chart.addSeries(
      HistogramSeries,
      { priceFormat: { type: "volume" }, priceLineVisible: false, lastValueVisible: false },
      1,
    );
    this.#chart.panes()[0]?.setStretchFactor(4);
    this.#chart.panes()[1]?.setStretchFactor(1);
    this.#prices.attachPrimitive(this.#shading);
    this.#studies = new Studies(this.#chart, this.#prices.getPane());
    this.#chart.subscribeCrosshairMove((move) =>
      events.onHover(move.logical === undefined ? null : (this.#candles[move.logical] ?? null)),
    );
    this.#chart.timeScale().subscribeVisibleLogicalRangeChange(() => this.#announceNearStart());
  }

  /** Begin a chart of other candles; `lengthS` is their length in seconds, `priceStep` the instrument's. */
  begin(lengthS: number, priceStep: number): void {
    this.#lengthS = lengthS;
    this.#timeScale.isUtc = lengthS >= 86_400;
    this.#candles = [];
    const decimals = decimalsOf(priceStep) || DEFAULT_DECIMALS;
    this.#prices.applyOptions({
      priceFormat: { type: "custom", minMove: 10 ** -decimals, formatter: (price: number) => rounded(price, decimals) },
    });
    this.#prices.setData([]);
    this.#volumes.setData([]);
    this.#chart.timeScale().applyOptions({ timeVisible: lengthS < 86_400, secondsVisible: lengthS < 60 });
    this.#chart.timeScale().resetTimeScale();
    this.#chart.priceScale("right").setAutoScale(true);
  }

  /** Draw `candles`, oldest first. Only those that are not the same objects as last time are touched. */
  show(candles: readonly Candle[]): void {
    const changed = changedSince(this.#candles, candles);
    const shown = this.#candles.length;
    this.#candles = candles;
    if (changed === null || changed.length > MANY_CHANGES) {
      this.#prices.setData(candles.map((candle) => this.#price(candle)));
      this.#volumes.setData(candles.map((candle) => this.#volume(candle)));
    } else {
      for (const index of changed) {
        const candle = candles[index]!;
        const isOld = index < shown - 1;
        this.#prices.update(this.#price(candle), isOld);
        this.#volumes.update(this.#volume(candle), isOld);
      }
    }
    this.#markPrice();
    if (changed === null) this.#announceNearStart();
  }

  /** Draw these indicators, and no others, at the candles that were shown last. */
  study(studies: readonly Study[]): void {
    this.#studies.show(studies, this.#candles);
  }

  /** Shade these stretches. */
  shade(spans: readonly Span[]): void {
    this.#shading.show(spans);
  }

  /** Go to the newest candle. */
  scrollToNow(): void {
    this.#chart.timeScale().scrollToRealTime();
  }

  /** Move by a part of what is visible: negative goes back in time. */
  scroll(part: number): void {
    this.#lookAt((from, to) => [from + part * (to - from), to + part * (to - from)]);
  }

  /** Show `factor` times as much time; the right edge stays. */
  zoom(factor: number): void {
    this.#lookAt((from, to) => [to - factor * (to - from), to]);
  }

  /** Take the colours from the page's style sheet, again whenever the theme has changed. */
  paint(): void {
    const colour = colours();
    const [up, down] = [colour("up"), colour("down")];
    this.#chart.applyOptions(paintWith(colour));
    this.#prices.applyOptions({ upColor: up, downColor: down, wickUpColor: up, wickDownColor: down });
    this.#colours = { up, down, volumeUp: colour("volume-up"), volumeDown: colour("volume-down") };
    this.#markPrice();
    this.#volumes.setData(this.#candles.map((candle) => this.#volume(candle)));
    this.#studies.paint(colour);
    this.#shading.paint({ gap: colour("gap"), down: colour("outage") });
  }

  /** Free the canvas. */
  destroy(): void {
    this.#chart.remove();
  }

  /** The library's own price line follows the last *visible* bar: scrolled back, it would show an old price. */
  #markPrice(): void {
    const newest = this.#candles.findLast((candle) => candle.close !== null);
    const price = newest?.close ?? null;
    if (price === null) {
      if (this.#mark !== null) this.#prices.removePriceLine(this.#mark);
      this.#mark = null;
      return;
    }
    const options = { price, color: price >= (newest?.open ?? price) ? this.#colours.up : this.#colours.down };
    if (this.#mark === null) {
      this.#mark = this.#prices.createPriceLine({ ...options, lineWidth: 1, lineStyle: LineStyle.Dotted });
    } else {
      this.#mark.applyOptions(options);
    }
  }

  #lookAt(move: (from: number, to: number) => [number, number]): void {
    const range = this.#chart.timeScale().getVisibleLogicalRange();
    if (range === null) return;
    const [from, to] = move(range.from, range.to);
    this.#chart.timeScale().setVisibleLogicalRange({ from, to });
  }

  #price(candle: Candle): Item<CandlestickData<Time>> {
    const { open, high, low, close } = candle;
    const time = secondsAt(candle) as UTCTimestamp;
    // An empty window keeps its place on the axis and shows nothing.
    if (open === null || high === null || low === null || close === null) return { time };
    return { time, open, high, low, close };
  }

  #volume(candle: Candle): Item<HistogramData<Time>> {
    const time = secondsAt(candle) as UTCTimestamp;
    if (candle.open === null || candle.close === null) return { time };
    const color = candle.close >= candle.open ? this.#colours.volumeUp : this.#colours.volumeDown;
    return { time, value: candle.volume, color };
  }

  #locate(ms: number): number {
    const seconds = ms / 1_000;
    let low = 0;
    let high = this.#candles.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (secondsAt(this.#candles[middle]!) <= seconds) low = middle + 1;
      else high = middle;
    }
    const candle = this.#candles[low - 1];
    if (candle === undefined) return -0.5;
    const into = (seconds - secondsAt(candle)) / this.#lengthS;
    const isNewest = low === this.#candles.length;
    return low - 1.5 + (isNewest ? into : Math.min(into, 1));
  }

  #announceNearStart(): void {
    const range = this.#chart.timeScale().getVisibleLogicalRange();
    if (range !== null && this.#candles.length > 0 && range.from < NEAR_START_BARS) this.#events.onNearStart();
  }
}

function secondsAt(candle: Candle): number {
  return milliseconds(candle.start) / 1_000;
}
