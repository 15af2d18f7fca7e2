// What one stream has told us so far, as a value: reduce(state, message) never changes its arguments.

import { between, filled } from "./holes";
import * as indicator from "./indicators/rows";
import { withRows, type Runs } from "./runs";
import type {
  Alert,
  Candle,
  Commit,
  Coverage,
  Depth,
  IndicatorRow,
  Instrument,
  Last,
  Message,
  Quote,
  QuoteStat,
  Records,
  Snapshot,
  Stat,
  Status,
  Time,
  Trade,
  TradeWindow,
} from "./types";

export const MAX_TRADES = 200;
export const MAX_QUOTES = 300;
export const MAX_CANDLES = 20_000;
export const MAX_ALERTS = 500;
export const MAX_COVERAGE = 5_000;

export interface State {
  /** The number to resume after, or null before the first snapshot. */
  readonly commit: number | null;
  readonly simulated: boolean;
  readonly instruments: readonly Instrument[];
  readonly last: ReadonlyMap<string, Last>;
  /** Of one instrument and interval, oldest first. */
  readonly candles: readonly Candle[];
  /** Oldest first. */
  readonly trades: readonly Trade[];
  /** Of one instrument, oldest first. */
  readonly quotes: readonly Quote[];
  readonly coverage: ReadonlyMap<string, Coverage>;
  /** The newest of each instrument that had a tick since the stream began. */
  readonly stats: ReadonlyMap<string, Stat>;
  readonly quoteStats: Runs<QuoteStat>;
  readonly depths: Runs<Depth>;
  readonly windows: Runs<TradeWindow>;
  /** Of one indicator of one instrument and interval, oldest first. */
  readonly indicators: readonly IndicatorRow[];
  /** Oldest first. */
  readonly alerts: readonly Alert[];
  /** Those that came after the stream's first snapshot, oldest first. */
  readonly news: readonly Alert[];
  readonly status: Status | null;
  /** What the server did not understand of the subscription, or empty. */
  readonly error: string;
}

export const EMPTY: State = {
  commit: null,
  simulated: false,
  instruments: [],
  last: new Map(),
  candles: [],
  trades: [],
  quotes: [],
  coverage: new Map(),
  stats: new Map(),
  quoteStats: new Map(),
  depths: new Map(),
  windows: new Map(),
  indicators: [],
  alerts: [],
  news: [],
  status: null,
  error: "",
};

/** Return the state after `message`. */
export function reduce(state: State, message: Message): State {
  switch (message.type) {
    case "snapshot":
      return afterSnapshot(state, message);
    case "commit":
      return afterCommit(state, message);
    case "status":
      return { ...state, status: message.status };
    case "error":
      return { ...state, error: message.detail };
    case "reset":
      // The snapshot that follows replaces everything; until then the old picture is better than none.
      return state;
  }
}

function afterSnapshot(state: State, message: Snapshot): State {
  return {
    commit: message.commit,
    simulated: message.simulated,
    instruments: message.instruments,
    last: withNewest(new Map(), message.last),
    candles: filled(message.candles ?? []),
    trades: (message.trades ?? []).slice(-MAX_TRADES),
    // A snapshot has none: those that were there before are not what came just before the next.
    quotes: [],
    coverage: withCoverage(new Map(), message.coverage),
    stats: new Map(),
    ...withRuns(EMPTY, message),
    indicators: message.indicators ?? [],
    alerts: (message.alerts ?? []).slice(-MAX_ALERTS),
    news: state.news,
    status: state.status,
    error: "",
  };
}

function afterCommit(state: State, message: Commit): State {
  if (state.commit !== null && message.commit <= state.commit) return state;
  return {
    ...state,
    commit: message.commit,
    instruments: withInstruments(state.instruments, message.instruments),
    last: withNewest(state.last, message.last),
    stats: withNewest(state.stats, message.stats),
    ...withRuns(state, message),
    indicators: indicator.withRows(state.indicators, message.indicators, MAX_CANDLES),
    candles: withCandles(state.candles, message.candles),
    trades: newestByTime(state.trades, message.trades, MAX_TRADES),
    quotes: newestByTime(state.quotes, message.quotes, MAX_QUOTES),
    coverage: withCoverage(state.coverage, message.coverage),
    alerts: newest(state.alerts, message.alerts, MAX_ALERTS),
    news: newest(state.news, message.alerts, MAX_ALERTS),
  };
}

/** Return the runs of a state with the rows of a message, or of an answer to a call. */
export function withRuns(
  state: State,
  { quote_stats, depths, windows }: Records,
): Pick<State, "quoteStats" | "depths" | "windows"> {
  return {
    quoteStats: withRows(state.quoteStats, quote_stats),
    depths: withRows(state.depths, depths),
    windows: withRows(state.windows, windows),
  };
}

/** Return the state with an older page before its candles; `page` is oldest first and ends where they begin. */
export function withOlder(state: State, page: readonly Candle[]): State {
  const oldest = state.candles[0]?.start;
  const older = oldest === undefined ? page : page.filter((candle) => candle.start < oldest);
  return older.length === 0 ? state : { ...state, candles: filled([...older, ...state.candles]) };
}

/** Return the state with an older page before the values of its indicator. */
export function withOlderIndicator(state: State, page: readonly IndicatorRow[]): State {
  return { ...state, indicators: indicator.withOlderRows(state.indicators, page) };
}

/** Return the state with the newest page of its indicator, which was asked for apart from the stream. */
export function withFetchedIndicator(state: State, page: readonly IndicatorRow[]): State {
  return { ...state, indicators: indicator.withRows(state.indicators, page, MAX_CANDLES) };
}

/** Return the state with a page of quotes, oldest first, before those that the stream brought since. */
export function withFetchedQuotes(state: State, page: readonly Quote[]): State {
  const first = state.quotes[0];
  // Quotes of one moment are left to the stream, which may have them: better one less than one twice.
  const older = first === undefined ? page : page.filter((quote) => quote.event_time < first.event_time);
  return { ...state, quotes: newest(older, state.quotes, MAX_QUOTES) };
}

/** Return the state with coverage that was asked for apart from the stream. What the stream said is newer. */
export function withFetchedCoverage(state: State, rows: readonly Coverage[]): State {
  const merged = new Map(rows.map((row) => [coverageKey(row), row]));
  for (const [key, row] of state.coverage) merged.set(key, row);
  return { ...state, coverage: bounded(merged) };
}

/**
 * Return the newest `most` rows by the venue's time: a refilled trade stands where it happened, and the quotes of a
 * book among those that the venue sends besides, which come one kind after the other.
 */
function newestByTime<Row extends Timed>(
  old: readonly Row[],
  added: readonly Row[] | undefined,
  most: number,
): readonly Row[] {
  if (!added?.length) return old;
  const all = [...old, ...added];
  const isInOrder = all.every((row, i) => i < old.length || row.event_time >= (all[i - 1]?.event_time ?? ""));
  return (isInOrder ? all : all.toSorted(byTime)).slice(-most);
}

interface Timed {
  readonly event_time: Time;
}

function byTime(one: Timed, other: Timed): number {
  return one.event_time < other.event_time ? -1 : one.event_time > other.event_time ? 1 : 0;
}

/** Return the newest `most` of two runs of rows, the second of which is the newer one. */
function newest<Row>(old: readonly Row[], rows: readonly Row[] | undefined, most: number): readonly Row[] {
  return rows?.length ? [...old, ...rows].slice(-most) : old;
}

function withInstruments(old: readonly Instrument[], rows: readonly Instrument[] | undefined): readonly Instrument[] {
  if (!rows?.length) return old;
  const next = new Map([...old, ...rows].map((row) => [row.id, row]));
  return [...next.values()];
}

function withNewest<Row extends { instrument: string }>(
  old: ReadonlyMap<string, Row>,
  rows: readonly Row[] | undefined,
): ReadonlyMap<string, Row> {
  if (!rows?.length) return old;
  const next = new Map(old);
  for (const row of rows) next.set(row.instrument, row);
  return next;
}

function withCandles(old: readonly Candle[], rows: readonly Candle[] | undefined): readonly Candle[] {
  if (!rows?.length) return old;
  const next = old.slice();
  const oldest = old[0]?.start;
  for (const row of rows) {
    // A revision of a candle older than the chart reaches would leave a hole behind it.
    if (oldest !== undefined && row.start < oldest) continue;
    const newest = next.at(-1);
    if (newest !== undefined && row.start > newest.start) next.push(...between(newest, row));
    const at = placeOf(next, row.start);
    next.splice(at, next[at]?.start === row.start ? 1 : 0, row);
  }
  // A tenth at a time: dropping the first candle makes the chart start over.
  return next.length > MAX_CANDLES ? next.slice(MAX_CANDLES / 10) : next;
}

/** Return the index of the first candle that does not start before `start`. Fixed-width times sort as text. */
function placeOf(candles: readonly Candle[], start: string): number {
  let low = 0;
  let high = candles.length;
  // Nearly every row is the newest candle or the next one.
  if (high > 1 && candles[high - 2]!.start < start) low = high - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (candles[middle]!.start < start) low = middle + 1;
    else high = middle;
  }
  return low;
}

function coverageKey(row: Coverage): string {
  return `${row.instrument} ${row.channel} ${row.start} ${row.first_missing}`;
}

function withCoverage(
  old: ReadonlyMap<string, Coverage>,
  rows: readonly Coverage[] | undefined,
): ReadonlyMap<string, Coverage> {
  if (!rows?.length) return old;
  const next = new Map(old);
  for (const row of rows) next.set(coverageKey(row), row);
  return bounded(next);
}

/** Drop what was inserted first once there is too much. */
function bounded(rows: Map<string, Coverage>): ReadonlyMap<string, Coverage> {
  for (const key of rows.keys()) {
    if (rows.size <= MAX_COVERAGE) break;
    rows.delete(key);
  }
  return rows;
}
