// The wire format of the HTTP and WebSocket interface, as docs/api.md describes it.
// Times are RFC 3339 UTC with nine fraction digits, ids are text, a missing figure is null.

export type Time = string;
export type Interval = "1s" | "1m" | "5m" | "15m" | "1h" | "4h" | "1d";
export type AggressorSide = "UNKNOWN" | "BUY" | "SELL";
export type EmptyReason = "NONE" | "QUIET" | "GAP" | "VENUE_DOWN" | "NOT_FOLLOWED";
export type CoverageState = "COMPLETE" | "GAP" | "DOWN" | "REFILLED" | "NOT_FOLLOWED";
export type FeedState = "connecting" | "live" | "stale" | "down" | "refused" | "replaying" | "ended";

export interface Instrument {
  id: string;
  venue: string;
  venue_symbol: string;
  base: string;
  quote: string;
  /** 0 while the venue has not told it. */
  price_step: number;
  size_step: number;
  status: string;
  /** Empty where the venue counts sizes in units of base, not in contracts. */
  contract: "" | "linear" | "inverse" | "quanto";
}

export interface Trade {
  instrument: string;
  trade_id: string;
  price: number;
  size: number;
  aggressor_side: AggressorSide;
  event_time: Time;
  ingest_time: Time;
  origin: "LIVE" | "SNAPSHOT" | "REFILL" | "REPLAY";
}

export interface Candle {
  instrument: string;
  interval: string;
  start: Time;
  open: number | null;
  high: number | null;
  low: number | null;
  close: number | null;
  volume: number;
  /** Null in this and the next ones is what a venue's bar does not tell. */
  quote_volume: number | null;
  vwap: number | null;
  trades: number | null;
  taker_buy_volume: number | null;
  revision: number;
  is_final: boolean;
  source: "TRADES" | "VENUE_BAR" | "POLL";
  reason: EmptyReason;
}

export interface Last {
  instrument: string;
  trade_id: string;
  price: number | null;
  size: number | null;
  aggressor_side: AggressorSide;
  trade_time: Time | null;
  bid: number | null;
  bid_size: number | null;
  ask: number | null;
  ask_size: number | null;
  quote_time: Time | null;
  open_24h: number | null;
  high_24h: number | null;
  low_24h: number | null;
  volume_24h: number | null;
  event_time: Time;
  ingest_time: Time;
}

export interface Quote {
  instrument: string;
  bid: number | null;
  bid_size: number | null;
  ask: number | null;
  ask_size: number | null;
  event_time: Time;
  ingest_time: Time;
  source: "BOOK" | "TICKER" | "QUOTE";
}

/** Where an instrument stood after a tick; docs/statistics.md defines each figure. Changes are in percent. */
export interface Stat {
  instrument: string;
  price: number;
  change_1t: number | null;
  all_time_high: number;
  all_time_high_distance: number;
  change_1m: number | null;
  change_5m: number | null;
  change_15m: number | null;
  change_1h: number | null;
  change_4h: number | null;
  change_1d: number | null;
  change_7d: number | null;
  change_30d: number | null;
  event_time: Time;
}

/** A second of an instrument's quotes among those of its product elsewhere; docs/statistics.md defines each figure. */
export interface QuoteStat {
  instrument: string;
  bid: number | null;
  ask: number | null;
  spread: number | null;
  spread_bp: number | null;
  mid: number | null;
  microprice: number | null;
  venues: number;
  best_bid: number | null;
  best_ask: number | null;
  median_price: number | null;
  premium_bp: number | null;
  is_outlier: boolean;
  event_time: Time;
}

/** A second of an instrument's book. */
export interface Depth {
  instrument: string;
  /** How far from the mid the depths reach. */
  depth_bp: number;
  bid_depth: number | null;
  ask_depth: number | null;
  levels: number;
  book_imbalance: number | null;
  crossed_s: number;
  event_time: Time;
}

/** A minute of trades; one begins every 30 s, and those at :30 have only a mean. */
export interface TradeWindow {
  instrument: string;
  start: Time;
  realised_volatility: number | null;
  volatility_1m: number | null;
  taker_buy_ratio: number | null;
}

/** An indicator at a candle: its columns by their names, which the API tells. */
export interface IndicatorRow {
  readonly start: Time;
  /** Over HTTP only; the stream tells of final candles. */
  readonly is_final?: boolean;
  readonly [column: string]: string | number | boolean | null | undefined;
}

export interface Coverage {
  instrument: string;
  channel: string;
  start: Time;
  /** null while it goes on. */
  end: Time | null;
  state: CoverageState;
  evidence: string;
  missing: number;
  first_missing: string;
  last_missing: string;
}

/** A rule that began to hold of an instrument, or ceased to; a pair shares its number. */
export interface Alert {
  instrument: string;
  rule: string;
  number: number;
  kind: "OTHER" | "MOVE" | "OPPORTUNITY" | "RISK";
  state: "RAISED" | "CLEARED";
  figure: string;
  /** Null where an alert ends because nothing more is heard of the figure. */
  value: number | null;
  threshold: number;
  detail: string;
  origin: "LIVE" | "REFILL" | "REPLAY";
  event_time: Time;
  /** When the rule was decided. */
  ingest_time: Time;
}

export interface FeedStatus {
  name: string;
  venue: string;
  url: string;
  state: FeedState;
  detail: string;
  simulated: boolean;
  since: Time;
  frames: number;
  bytes: number;
  reconnects: number;
  last_frame_age_s: number | null;
  channels: string[];
  instruments: string[];
  stale_instruments: string[];
  credits_left: number | null;
}

export interface EngineStatus {
  commit: number;
  clock: Time;
  lag_s: number;
  queued_frames: number;
  commit_ms: number;
  frames: number;
  records: Record<string, number>;
  duplicates: number;
  gaps_open: number;
  missing_trades: number;
  late_trades: number;
  rejected: Record<string, number>;
  ignored: Record<string, number>;
  error: string;
}

/** Who is told of alerts, and how that goes. */
export interface TargetStatus {
  name: string;
  messages: number;
  alerts: number;
  failures: number;
  too_old: number;
  waiting: number;
  detail: string;
}

/** How publishing to Kafka goes. */
export interface KafkaStatus {
  servers: string[];
  state: "opening" | "catching_up" | "live" | "waiting" | "refused";
  commit: number | null;
  lag_commits: number | null;
  records: Record<string, number>;
  transactions: number;
  failures: number;
  too_long: number;
  detail: string;
}

/** What became of the lines of raw frames; `detail` says why nothing is recorded now, or is empty. */
export interface RecordingStatus {
  lines: number;
  bytes: number;
  dropped: number;
  detail: string;
}

export interface Status {
  version: string;
  simulated: boolean;
  started: Time;
  feeds: FeedStatus[];
  engine: EngineStatus;
  /** Null while nothing is published to Kafka. */
  kafka: KafkaStatus | null;
  targets: TargetStatus[];
  /** Null while raw frames are not recorded. */
  recording: RecordingStatus | null;
}

export type Kind = "trades" | "candles" | "quotes" | "last" | "coverage" | "stats" | "alerts" | "indicators" | RunKind;

/** Kinds of which a run of rows is kept for each instrument. */
export type RunKind = "quote_stats" | "depths" | "windows";

export interface Subscription {
  instruments: string[];
  kinds: Kind[];
  intervals?: Interval[];
  indicators?: string[];
}

/** The records of a message; a kind without rows is left out. */
export interface Records {
  trades?: Trade[];
  candles?: Candle[];
  last?: Last[];
  quotes?: Quote[];
  coverage?: Coverage[];
  stats?: Stat[];
  alerts?: Alert[];
  quote_stats?: QuoteStat[];
  depths?: Depth[];
  windows?: TradeWindow[];
  indicators?: IndicatorRow[];
}

export interface Snapshot extends Records {
  type: "snapshot";
  commit: number;
  clock: Time;
  simulated: boolean;
  instruments: Instrument[];
}

export interface Commit extends Records {
  type: "commit";
  commit: number;
  clock: Time;
  /** Those that this commit adds or changes. */
  instruments?: Instrument[];
}

export type Message =
  | Snapshot
  | Commit
  | { type: "status"; status: Status }
  | { type: "reset"; detail: string }
  | { type: "error"; detail: string };
