// Which stretches of a chart are not the whole truth, from the coverage ledger and from candles without trades.

import { milliseconds } from "../format";
import type { Candle, Coverage } from "../types";

export type SpanKind = "gap" | "down";

/** A stretch of time in ms since 1970. `missing` counts trades known to be missing; 0 when nobody can tell. */
export interface Span {
  readonly kind: SpanKind;
  readonly from: number;
  /** null while it goes on. */
  readonly to: number | null;
  readonly missing: number;
}

/** The channel that candles are made from. */
const CHANNEL = "trades";

/** Return the stretches to shade, by start; stretches of one kind that touch are one. */
export function spansOf(candles: readonly Candle[], coverage: Iterable<Coverage>, lengthS: number): Span[] {
  const spans = [...fromCoverage(coverage), ...fromCandles(candles, lengthS)];
  spans.sort((a, b) => a.from - b.from);
  return [...merged(spans, "gap"), ...merged(spans, "down")].sort((a, b) => a.from - b.from);
}

/** Return what is wrong at a moment, gaps first. */
export function spanAt(spans: readonly Span[], from: number, to: number): Span | undefined {
  const hits = spans.filter((span) => span.from < to && (span.to ?? Infinity) > from);
  return hits.find((span) => span.kind === "gap") ?? hits[0];
}

function* fromCoverage(coverage: Iterable<Coverage>): Generator<Span> {
  for (const row of coverage) {
    if (row.channel !== CHANNEL || (row.state !== "GAP" && row.state !== "DOWN")) continue;
    yield {
      kind: row.state === "GAP" ? "gap" : "down",
      from: milliseconds(row.start),
      to: row.end === null ? null : milliseconds(row.end),
      missing: row.missing,
    };
  }
}

function* fromCandles(candles: readonly Candle[], lengthS: number): Generator<Span> {
  for (const candle of candles) {
    if (candle.trades !== 0 || (candle.reason !== "GAP" && candle.reason !== "VENUE_DOWN")) continue;
    const from = milliseconds(candle.start);
    yield { kind: candle.reason === "GAP" ? "gap" : "down", from, to: from + lengthS * 1_000, missing: 0 };
  }
}

function merged(spans: readonly Span[], kind: SpanKind): Span[] {
  const out: Span[] = [];
  for (const span of spans) {
    if (span.kind !== kind) continue;
    const before = out.at(-1);
    if (before === undefined || (before.to !== null && span.from > before.to)) {
      out.push(span);
      continue;
    }
    const to = before.to === null || span.to === null ? null : Math.max(before.to, span.to);
    out[out.length - 1] = { ...before, to, missing: before.missing + span.missing };
  }
  return out;
}
