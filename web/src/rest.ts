// The few REST calls that the live page makes. Live data comes by stream.ts.

import { ask } from "./api/call";
import type { Place } from "./choice";
import type { Wanted } from "./indicators/key";
import type { Candle, Coverage, IndicatorRow, Interval } from "./types";

const PAGE = 1_000;
const COVERAGE_PAGE = 5_000;

/** Return up to a page of candles that start before `end`, oldest first. */
export async function candlesBefore(
  instrument: string,
  interval: Interval,
  end: string,
  signal: AbortSignal,
): Promise<Candle[]> {
  const query = { instrument, interval, end, order: "desc", limit: PAGE };
  const page = await ask<{ candles: Candle[] }>({ name: "candles", query }, signal);
  return page.candles.reverse();
}

/** Return up to a page of an indicator at final candles that start before `end`, or at the newest, oldest first. */
export async function indicatorBefore(
  { instrument, interval }: Place,
  { name, parameters }: Wanted,
  end: string | undefined,
  signal: AbortSignal,
): Promise<IndicatorRow[]> {
  const query = { ...parameters, instrument, interval, name, end, order: "desc", limit: PAGE };
  const page = await ask<{ indicators: IndicatorRow[] }>({ name: "indicators", query }, signal);
  return page.indicators.filter(({ is_final }) => is_final).reverse();
}

/** Return the newest coverage that overlaps [start, end), or all since start, up to a page. */
export async function coverageBetween(
  instrument: string,
  start: string,
  end: string | undefined,
  signal: AbortSignal,
): Promise<Coverage[]> {
  const query = { instrument, start, end, order: "desc", limit: COVERAGE_PAGE };
  return (await ask<{ coverage: Coverage[] }>({ name: "coverage", query }, signal)).coverage;
}
