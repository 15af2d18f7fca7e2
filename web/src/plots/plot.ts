// The one place that knows chart.js, of which only these parts are built in.

import {
  ArcElement,
  BarController,
  BarElement,
  CategoryScale,
  Chart,
  DoughnutController,
  Filler,
  LineController,
  LineElement,
  LinearScale,
  LogarithmicScale,
  PointElement,
  Tooltip,
} from "chart.js";
import type { ChartConfiguration, ChartDataset, ChartOptions, TooltipItem } from "chart.js";
import { dateTime, utcDateTime } from "../format";
import {
  colourAt,
  sparse,
  timeText,
  timeTicks,
  type Bars,
  type Donut,
  type LineSeries,
  type Lines,
  type Spec,
} from "./spec";

Chart.register(
  ...[ArcElement, BarController, BarElement, CategoryScale, DoughnutController, Filler, LineController, LineElement],
  ...[LinearScale, LogarithmicScale, PointElement, Tooltip],
);

type Kind = "bar" | "line" | "doughnut";
type Value = number | null | { x: number; y: number | null };
type Configuration = ChartConfiguration<Kind, Value[], string>;
type Dataset = ChartDataset<Kind, Value[]>;
type Paint = (name: string) => string;

const KINDS: Record<Spec["kind"], Kind> = { bars: "bar", lines: "line", donut: "doughnut" };
const FILL = "26";
const TICKS_OF_TIME = 7;
const LOGARITHMIC_TICKS = 7;

/** A canvas that shows one spec after the other, without being made anew while the kind stays the same. */
export class Plot {
  readonly #canvas: HTMLCanvasElement;
  #chart: Chart<Kind, Value[], string> | null = null;
  #spec: Spec | null = null;

  constructor(canvas: HTMLCanvasElement) {
    this.#canvas = canvas;
  }

  /** Draw a spec, but for the series or slices in `hidden`. */
  show(spec: Spec, hidden: ReadonlySet<number>): void {
    const { data, options } = configurationOf(spec, paints());
    if (this.#chart === null || this.#spec?.kind !== spec.kind) {
      this.#chart?.destroy();
      this.#chart = new Chart(this.#canvas, { type: KINDS[spec.kind], data, options: options ?? {} });
    } else {
      this.#chart.data = data;
      this.#chart.options = options ?? {};
    }
    this.#spec = spec;
    const count = spec.kind === "donut" ? spec.slices.length : spec.series.length;
    for (let place = 0; place < count; place += 1) this.#setVisible(place, !hidden.has(place));
    this.#chart.update("none");
  }

  /** Free the canvas. */
  destroy(): void {
    this.#chart?.destroy();
    this.#chart = null;
  }

  #setVisible(place: number, isVisible: boolean): void {
    const chart = this.#chart;
    if (chart === null) return;
    if (this.#spec?.kind !== "donut") chart.setDatasetVisibility(place, isVisible);
    else if (chart.getDataVisibility(place) !== isVisible) chart.toggleDataVisibility(place);
  }
}

/** Return what turns a colour's name into the style sheet's colour. */
function paints(): Paint {
  const style = getComputedStyle(document.documentElement);
  return (name) => style.getPropertyValue(`--${name}`).trim();
}

function configurationOf(spec: Spec, paint: Paint): Pick<Configuration, "data" | "options"> {
  switch (spec.kind) {
    case "bars":
      return { data: { labels: [...spec.labels], datasets: barsOf(spec, paint) }, options: barOptions(spec, paint) };
    case "lines":
      return { data: { datasets: spec.series.map(lineOf(paint)) }, options: lineOptions(spec, paint) };
    case "donut":
      return { data: donutOf(spec, paint), options: donutOptions(spec, paint) };
  }
}

function barsOf({ series, isHistogram }: Bars, paint: Paint): Dataset[] {
  const width = isHistogram
    ? { barPercentage: 1, categoryPercentage: 1 }
    : { categoryPercentage: 0.8, barPercentage: 0.9 };
  return series.map(({ label, values, colour }, place) => ({
    label,
    data: [...values],
    backgroundColor: paint(colourAt(place, colour)),
    borderColor: paint("panel"),
    borderWidth: isHistogram ? { left: 0.5, right: 0.5 } : 0,
    maxBarThickness: isHistogram ? Infinity : 44,
    ...width,
  })) as Dataset[];
}

function lineOf(paint: Paint): (series: LineSeries, place: number) => Dataset {
  return ({ label, points, colour, fill, style = "line" }, place) => {
    const ink = paint(colourAt(place, colour));
    const hasPoints = style === "dots" || style === "marked" || points.length === 1;
    return {
      label,
      data: [...points],
      borderColor: ink,
      backgroundColor: ink + FILL,
      pointBackgroundColor: ink,
      borderWidth: 1.5,
      borderDash: style === "dashed" ? [5, 4] : [],
      fill: fill === "zero" ? "origin" : fill === "next" ? "+1" : false,
      pointRadius: hasPoints ? 2.5 : 0,
      pointHitRadius: 8,
      showLine: style !== "dots",
      stepped: style === "steps",
    } as Dataset;
  };
}

function donutOf({ slices }: Donut, paint: Paint): Configuration["data"] {
  const colours = slices.map(({ colour }, place) => paint(colourAt(place, colour)));
  const borders = {
    backgroundColor: colours,
    borderColor: paint("panel"),
    borderWidth: 2,
    hoverBorderColor: paint("text"),
  };
  const data = slices.map(({ value }) => value);
  return { labels: slices.map(({ label }) => label), datasets: [{ data, ...borders } as Dataset] };
}

function shared(
  paint: Paint,
  label: (item: TooltipItem<Kind>) => string,
  title?: (x: number) => string,
): ChartOptions<Kind> {
  return {
    animation: false,
    responsive: true,
    maintainAspectRatio: false,
    plugins: {
      tooltip: {
        backgroundColor: paint("raised"),
        titleColor: paint("text"),
        bodyColor: paint("text"),
        borderColor: paint("line"),
        borderWidth: 1,
        callbacks: {
          label,
          ...(title === undefined
            ? {}
            : { title: ([item]) => (item === undefined ? "" : title(item.parsed.x as number)) }),
        },
      },
    },
  } as ChartOptions<Kind>;
}

function axis(paint: Paint, title: string | undefined, ticks: object): object {
  const ink = paint("text-muted");
  return {
    grid: { color: paint("chart-line") },
    border: { color: paint("line") },
    title: { display: title !== undefined, text: title ?? "", color: ink, font: { size: 11 } },
    ticks: { color: ink, font: { size: 11 }, maxRotation: 0, autoSkipPadding: 12, ...ticks },
  };
}

/** Return a scale of figures; a logarithmic one has as many marks as it has room for. */
function scaleOf(isLogarithmic = false): object {
  if (!isLogarithmic) return { type: "linear" };
  const afterBuildTicks = (scale: { min: number; max: number; ticks: { value: number }[] }): void => {
    const marks = scale.ticks.map(({ value }) => value);
    scale.ticks = sparse(marks, scale.min, scale.max, LOGARITHMIC_TICKS).map((value) => ({ value }));
  };
  return { type: "logarithmic", afterBuildTicks };
}

/** Return how an axis writes its figures; chart.js's own way without a wish. */
function written(write: ((value: number) => string) | undefined): object {
  return write === undefined ? {} : { callback: (value: number | string) => write(Number(value)) };
}

/** Return how an axis of names says something else in their places. */
function marked(marks: readonly string[] | undefined): object {
  return marks === undefined ? {} : { callback: (place: number) => marks[place] ?? "" };
}

function barOptions(spec: Bars, paint: Paint): ChartOptions<Kind> {
  const { isHorizontal = false, isStacked = false, isLogarithmic, writeY = String, titleX, titleY } = spec;
  const label = ({ dataset, parsed }: TooltipItem<Kind>): string => {
    const value = (isHorizontal ? parsed.x : parsed.y) as number;
    return `${dataset.label ?? ""}: ${writeY(value)}`;
  };
  // Of names in rows none is left out: they are as many as there is room for.
  const names = {
    ...axis(paint, titleX, { autoSkip: !isHorizontal, ...marked(spec.marks) }),
    stacked: isStacked,
    grid: { display: false },
  };
  const figures = {
    // Skipping marks by itself, the library may skip zero.
    ...axis(paint, titleY, { ...written(writeY), ...(isHorizontal ? {} : { autoSkip: false, maxTicksLimit: 6 }) }),
    stacked: isStacked,
    ...scaleOf(isLogarithmic),
    ...(isLogarithmic ? {} : { beginAtZero: true }),
  };
  return {
    ...shared(paint, label),
    indexAxis: isHorizontal ? "y" : "x",
    interaction: { mode: "index", axis: isHorizontal ? "y" : "x", intersect: false },
    scales: isHorizontal ? { x: figures, y: names } : { x: names, y: figures },
  } as ChartOptions<Kind>;
}

function lineOptions(spec: Lines, paint: Paint): ChartOptions<Kind> {
  const { isTime, isUtc = false, isLogarithmic, writeX = String, writeY = String } = spec;
  const label = ({ dataset, parsed }: TooltipItem<Kind>): string =>
    `${dataset.label ?? ""}: ${parsed.y === null ? "–" : writeY(parsed.y as number)}`;
  const time = {
    afterBuildTicks: (scale: { min: number; max: number; ticks: { value: number }[] }) => {
      scale.ticks = timeTicks(scale.min, scale.max, TICKS_OF_TIME, isUtc).map((value) => ({ value }));
    },
    ...axis(paint, spec.titleX, {
      callback: (value: number, _place: number, ticks: { value: number }[]) =>
        timeText(value, (ticks[1]?.value ?? value + 60_000) - (ticks[0]?.value ?? value), isUtc),
    }),
  };
  const x = isTime ? time : axis(paint, spec.titleX, written(spec.writeX));
  return {
    ...shared(paint, label, isTime ? (isUtc ? utcDateTime : dateTime) : writeX),
    parsing: false,
    interaction: { mode: "index", axis: "x", intersect: false },
    scales: {
      x: { type: "linear", ...x, ...limits(spec.minX, spec.maxX) },
      y: {
        ...scaleOf(isLogarithmic),
        ...axis(paint, spec.titleY, written(spec.writeY)),
        ...limits(spec.minY, spec.maxY),
      },
    },
  } as ChartOptions<Kind>;
}

function limits(min: number | undefined, max: number | undefined): object {
  return { ...(min === undefined ? {} : { min }), ...(max === undefined ? {} : { max }) };
}

function donutOptions({ write }: Donut, paint: Paint): ChartOptions<Kind> {
  const label = ({ label, parsed }: TooltipItem<Kind>): string => `${label}: ${write(parsed as unknown as number)}`;
  return { ...shared(paint, label), cutout: "68%" } as ChartOptions<Kind>;
}
