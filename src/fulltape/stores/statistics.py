"""What follows from what is stored, as views: one definition each.

Always of the newest candles:

* ``hourly``: ``transaction_count`` and ``total_trade_volume`` (quote currency) of completed clock hours;
* ``daily``: open, high, low, close and volumes of UTC days, and ``sma_10d``, ``sma_30d``: the mean of the closes of
  the last 10 and 30 days, all of them over and with trades, else null;
* ``rolling``: the last hour (``_1h``) and 24 hours (``_24h``) up to the engine's clock, in whole minutes: the one that
  goes on and the 59 or 1,439 before it; and the next one, if a venue's clock is ahead of ours and has begun it. None of
  its figures shares a name with those of a UTC day. Minutes that only a venue's bar tells are in prices and
  ``volume_24h``; where it tells no number of trades or no quote volume, that of the 24 hours is null, and that of the
  hour is of the trades that are stored.

A late trade revises the candles and with them these figures. They need the intervals 1h, 1d and 1m. Of other tables:

* ``active_alerts``: those that were raised live and have not been cleared;
* ``quality``: see `fulltape.stores.quality`.
"""

from __future__ import annotations

from typing import Final

from fulltape.stores.quality import QUALITY

VIEWS: Final = {
    "hourly": """
    CREATE VIEW hourly AS
    SELECT instrument, start AS hour_start, trades AS transaction_count, quote_volume AS total_trade_volume
    FROM candles WHERE interval = '1h' AND is_final
    """,
    "daily": """
    CREATE VIEW daily AS
    SELECT instrument, start AS day, open, high, low, close, volume, quote_volume, vwap, trades, is_final,
           CASE WHEN count(final_close) OVER last_10 = 10 THEN avg(final_close) OVER last_10 END AS sma_10d,
           CASE WHEN count(final_close) OVER last_30 = 30 THEN avg(final_close) OVER last_30 END AS sma_30d
    FROM (SELECT *, CASE WHEN is_final THEN close END AS final_close, start::TIMESTAMP AS midnight
          FROM candles WHERE interval = '1d')
    WINDOW last_10 AS (PARTITION BY instrument ORDER BY midnight
                       RANGE BETWEEN INTERVAL 9 DAYS PRECEDING AND CURRENT ROW),
           last_30 AS (PARTITION BY instrument ORDER BY midnight
                       RANGE BETWEEN INTERVAL 29 DAYS PRECEDING AND CURRENT ROW)
    """,
    "rolling": """
    CREATE VIEW rolling AS
    SELECT instrument,
           coalesce(sum(trades) FILTER (start >= hour_ago), 0)::BIGINT AS transaction_count_1h,
           coalesce(sum(quote_volume) FILTER (start >= hour_ago), 0.0) AS total_trade_volume_1h,
           arg_min(open, start) AS open_24h, max(high) AS high_24h, min(low) AS low_24h,
           arg_max(close, start) AS close_24h,
           sum(volume) AS volume_24h,
           CASE WHEN count(quote_volume) = count(*) THEN sum(quote_volume) END AS quote_volume_24h,
           CASE WHEN count(trades) = count(*) THEN sum(trades)::BIGINT END AS trades_24h
    FROM candles,
         (SELECT date_trunc('minute', clock::TIMESTAMP) - INTERVAL 59 MINUTES AS hour_ago,
                 date_trunc('minute', clock::TIMESTAMP) - INTERVAL 1439 MINUTES AS day_ago,
                 clock::TIMESTAMP + INTERVAL 1 MINUTE AS ahead FROM _tape.meta)
    WHERE interval = '1m' AND open IS NOT NULL AND start >= day_ago AND start <= ahead
    GROUP BY instrument
    """,
    "quality": QUALITY,
    "active_alerts": """
    CREATE VIEW active_alerts AS
    SELECT * FROM alerts AS raised
    WHERE state = 'RAISED' AND origin = 'LIVE' AND NOT EXISTS (
        SELECT 1 FROM alerts AS cleared
        WHERE cleared.state = 'CLEARED' AND cleared.instrument = raised.instrument AND cleared.rule = raised.rule
              AND cleared.number = raised.number AND cleared.ingest_time >= raised.ingest_time)
    """,
}
"""What makes each view, by its name, once those of the records are there."""
