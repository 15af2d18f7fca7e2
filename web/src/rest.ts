// The few REST calls the page makes. Live data comes by stream.ts.

import type { Candle, Coverage, Interval } from "./types";

const PAGE = 1_000;
const COVERAGE_PAGE = 5_000;

/** Return up to a page of candles that start before `end`, oldest first. */
export async function candlesBefore(
  instrument: string,
  interval: Interval,
  end: string,
  signal: AbortSignal,
): Promise<Candle[]> {
  const query = { instrument, interval, end, order: "desc", limit: String(PAGE) };
  const page = await get<{ candles: Candle[] }>("candles", query, signal);
  return page.candles.reverse();
}

/** Return the newest coverage that overlaps [start, end), or all since start, up to a page. */
export async function coverageBetween(
  instrument: string,
  start: string,
  end: string | undefined,
  signal: AbortSignal,
): Promise<Coverage[]> {
  const until = end === undefined ? {} : { end };
  const query = { instrument, start, ...until, order: "desc", limit: String(COVERAGE_PAGE) };
  return (await get<{ coverage: Coverage[] }>("coverage", query, signal)).coverage;
}

async function get<Answer>(name: string, query: Record<string, string>, signal: AbortSignal): Promise<Answer> {
  const response = await fetch(`api/v1/${name}?${new URLSearchParams(query)}`, { signal });
  if (!response.ok) throw new Error(`${name}: HTTP ${response.status}`);
  return (await response.json()) as Answer;
}
