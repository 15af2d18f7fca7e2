// Records for tests, with the fields that a test cares about.

import type { Candle, Coverage, Instrument, Last, Message, Quote, Trade } from "../src/types";

const ID = "BTC-USD.COINBASE";

export const BTC: Instrument = {
  id: ID,
  venue: "COINBASE",
  venue_symbol: "BTC-USD",
  base: "BTC",
  quote: "USD",
  price_step: 0.01,
  size_step: 1e-8,
  status: "online",
  contract: "",
};

/** Return the time `seconds` after 2026-11-20T00:00:00Z. */
export function at(seconds: number): string {
  return new Date(Date.UTC(2026, 10, 20) + seconds * 1_000).toISOString().replace("Z", "000000Z");
}

export function candle(minute: number, change: Partial<Candle> = {}): Candle {
  return {
    instrument: ID,
    interval: "1m",
    start: at(minute * 60),
    open: 10,
    high: 12,
    low: 9,
    close: 11,
    volume: 1,
    quote_volume: 11,
    vwap: 11,
    trades: 3,
    taker_buy_volume: 0.5,
    revision: 0,
    is_final: false,
    source: "TRADES",
    reason: "NONE",
    ...change,
  };
}

export function emptyCandle(minute: number, reason: Candle["reason"]): Candle {
  return candle(minute, { open: null, high: null, low: null, close: null, vwap: null, volume: 0, trades: 0, reason });
}

export function trade(id: number): Trade {
  return {
    instrument: ID,
    trade_id: String(id),
    price: 10,
    size: 1,
    aggressor_side: "BUY",
    event_time: at(id),
    ingest_time: at(id),
    origin: "LIVE",
  };
}

export function last(price: number): Last {
  return {
    instrument: ID,
    trade_id: "1",
    price,
    size: 1,
    aggressor_side: "BUY",
    trade_time: at(0),
    bid: null,
    bid_size: null,
    ask: null,
    ask_size: null,
    quote_time: null,
    open_24h: null,
    high_24h: null,
    low_24h: null,
    volume_24h: null,
    event_time: at(0),
    ingest_time: at(0),
  };
}

export function quote(second: number, change: Partial<Quote> = {}): Quote {
  return {
    instrument: ID,
    bid: 10,
    bid_size: 1,
    ask: 11,
    ask_size: 1,
    event_time: at(second),
    ingest_time: at(second),
    source: "BOOK",
    ...change,
  };
}

export function stretch(start: number, end: number | null, change: Partial<Coverage> = {}): Coverage {
  return {
    instrument: ID,
    channel: "trades",
    start: at(start),
    end: end === null ? null : at(end),
    state: "GAP",
    evidence: "trade_id",
    missing: 0,
    first_missing: "",
    last_missing: "",
    ...change,
  };
}

export function snapshot(commit: number, change: Partial<Extract<Message, { type: "snapshot" }>> = {}): Message {
  return { type: "snapshot", commit, clock: at(0), simulated: false, instruments: [], ...change };
}

export function commit(number: number, change: Partial<Extract<Message, { type: "commit" }>> = {}): Message {
  return { type: "commit", commit: number, clock: at(0), ...change };
}
