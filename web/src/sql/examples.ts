// Queries to begin with: each runs on a tape of any age.

export interface Example {
  title: string;
  query: string;
}

export const EXAMPLES: readonly Example[] = [
  {
    title: "Trades and turnover of the last hour",
    query: `SELECT instrument, count(*) AS trades, sum(price * size) AS turnover
FROM trades
WHERE event_time > (SELECT max(event_time) FROM trades) - INTERVAL 1 HOUR
GROUP BY instrument
ORDER BY turnover DESC`,
  },
  {
    title: "What is not complete",
    query: `SELECT instrument, channel, state, start, "end", evidence
FROM coverage
WHERE state <> 'COMPLETE'
ORDER BY start DESC
LIMIT 100`,
  },
  {
    title: "The ten largest trades",
    query: `SELECT instrument, event_time, price, size, price * size AS value, aggressor_side
FROM trades
ORDER BY value DESC
LIMIT 10`,
  },
  {
    title: "Spread at each trade",
    query: `SELECT t.instrument, t.event_time, t.price, (q.ask - q.bid) / (q.ask + q.bid) * 2e4 AS spread_bp
FROM trades AS t
ASOF JOIN quotes AS q ON t.instrument = q.instrument AND t.event_time >= q.event_time
ORDER BY t.event_time DESC
LIMIT 100`,
  },
  {
    title: "From the venue's clock to ours",
    query: `SELECT instrument,
  quantile_cont(epoch_ns(ingest_time) - epoch_ns(event_time), 0.5) / 1e6 AS p50_ms,
  quantile_cont(epoch_ns(ingest_time) - epoch_ns(event_time), 0.99) / 1e6 AS p99_ms
FROM trades
WHERE origin = 'LIVE'
GROUP BY instrument
ORDER BY instrument`,
  },
];
