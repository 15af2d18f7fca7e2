// Draws spans behind the candles: a tint with a hatch, so that the two kinds differ without colour too.

import type {
  IPrimitivePaneRenderer,
  IPrimitivePaneView,
  ISeriesPrimitive,
  Logical,
  SeriesAttachedParameter,
  Time,
} from "lightweight-charts";
import type { Span, SpanKind } from "./spans";

type Target = Parameters<IPrimitivePaneRenderer["draw"]>[0];

/** Turns a moment in ms into a place between bars: bar i covers [i - 0.5, i + 0.5). */
export type Locate = (ms: number) => number;

const MIN_WIDTH = 3;
const HATCH_STEP = 8;

/** A series primitive: attach it once, then `show` new spans. */
export class Shading implements ISeriesPrimitive<Time> {
  readonly #locate: Locate;
  #chart: SeriesAttachedParameter<Time>["chart"] | null = null;
  #requestUpdate: () => void = () => undefined;
  #spans: readonly Span[] = [];
  #colours: Record<SpanKind, string> = { gap: "#f00", down: "#888" };
  readonly #views: readonly IPrimitivePaneView[];

  constructor(locate: Locate) {
    this.#locate = locate;
    const renderer: IPrimitivePaneRenderer = {
      draw: () => undefined,
      drawBackground: (target) => this.#draw(target),
    };
    this.#views = [{ zOrder: () => "bottom", renderer: () => renderer }];
  }

  attached(parameters: SeriesAttachedParameter<Time>): void {
    this.#chart = parameters.chart;
    this.#requestUpdate = parameters.requestUpdate;
  }

  detached(): void {
    this.#chart = null;
  }

  paneViews(): readonly IPrimitivePaneView[] {
    return this.#views;
  }

  /** Shade `spans` from now on. */
  show(spans: readonly Span[]): void {
    this.#spans = spans;
    this.#requestUpdate();
  }

  /** Use these colours, one for each kind. */
  paint(colours: Record<SpanKind, string>): void {
    this.#colours = colours;
    this.#requestUpdate();
  }

  #draw(target: Target): void {
    target.useMediaCoordinateSpace(({ context, mediaSize }) => {
      for (const span of this.#spans) {
        const left = this.#x(span.from);
        const right = this.#x(span.to ?? Date.now());
        if (left === null || right === null || right < 0 || left > mediaSize.width) continue;
        const from = Math.max(left, -MIN_WIDTH);
        const width = Math.max(Math.min(right, mediaSize.width) - from, MIN_WIDTH);
        hatch(context, from, width, mediaSize.height, this.#colours[span.kind], span.kind);
      }
    });
  }

  /** The library knows where bars are, not what lies between them. */
  #x(ms: number): number | null {
    const place = this.#locate(ms);
    const bar = Math.floor(place);
    const scale = this.#chart?.timeScale();
    const left = scale?.logicalToCoordinate(bar as Logical) ?? null;
    const right = scale?.logicalToCoordinate((bar + 1) as Logical) ?? null;
    return left === null || right === null ? null : left + (place - bar) * (right - left);
  }
}

function hatch(
  context: CanvasRenderingContext2D,
  left: number,
  width: number,
  height: number,
  colour: string,
  kind: SpanKind,
): void {
  context.save();
  context.beginPath();
  context.rect(left, 0, width, height);
  context.clip();
  context.globalAlpha = 0.16;
  context.fillStyle = colour;
  context.fillRect(left, 0, width, height);
  context.globalAlpha = 0.45;
  context.strokeStyle = colour;
  context.beginPath();
  const slope = kind === "gap" ? height : -height;
  for (let x = left - height; x < left + width + height; x += HATCH_STEP) {
    context.moveTo(x, 0);
    context.lineTo(x + slope, height);
  }
  context.stroke();
  context.restore();
}
