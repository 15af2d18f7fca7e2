"""What the systems that fulltape replaces showed, as views of the same names: docs/parity.md tells which is whose.

They name columns and pick rows; figures come from where they are defined: the candles, `fulltape.stores.statistics`,
``stats``, ``windows``. Where those know nothing of coins, which are polled and not traded, a view defines it here:

* a coin's price of a day is its rate nearest to 12:00 UTC, the moment at which the aggregator's history has it;
* a mean over days is one of exactly so many days in a row, and a change from one day to another is null unless both
  are there: a missing day never moves another into its place;
* a change over a time is against the newest rate at least that old, null if that is older than twice the time.

Changes are in percent.
"""

from __future__ import annotations

from typing import Final

_NEWEST_STAT: Final = """
    (SELECT arg_max(stats, ingest_time) AS newest
     FROM stats, _tape.meta WHERE event_time::TIMESTAMP > clock::TIMESTAMP - INTERVAL 1 DAY GROUP BY instrument)
"""
"""Where each instrument stood after its last tick, if that was in the last 24 hours."""


def _moving_average(days: int) -> str:
    """Return the view of mean daily prices: closes of what is traded, rates of coins."""
    return f"""
    CREATE VIEW moving_average_{days}d AS
    SELECT instrument, day, close AS price, sma_{days}d AS moving_average FROM daily
    WHERE is_final AND close IS NOT NULL AND instrument NOT IN (SELECT instrument FROM coins)
    UNION ALL
    SELECT instrument, day, rate, CASE WHEN count(rate) OVER these = {days} THEN avg(rate) OVER these END
    FROM hist_daily
    WINDOW these AS (PARTITION BY instrument ORDER BY day::TIMESTAMP
                     RANGE BETWEEN INTERVAL {days - 1} DAYS PRECEDING AND CURRENT ROW)
    """


def _before(days: int) -> str:
    """Return the SQL of the price exactly so many days earlier."""
    bounds = f"INTERVAL {days} DAYS PRECEDING"
    order = "PARTITION BY instrument ORDER BY day::TIMESTAMP"
    return f"any_value(price) OVER ({order} RANGE BETWEEN {bounds} AND {bounds})"


def _since(days: int) -> tuple[str, str]:
    """Return the SQL of a coin's change over so many times 24 hours, and of the join that it needs."""
    age = f"INTERVAL {days} DAYS"
    column = f"""CASE WHEN before_{days}.at >= newest.at - 2 * {age}
        THEN 100 * (newest.rate / before_{days}.rate - 1) END AS change_{days}d"""
    join = f"""ASOF LEFT JOIN rates AS before_{days}
        ON newest.instrument = before_{days}.instrument AND before_{days}.at <= newest.at - {age}"""
    return column, join


_CHANGE_1D, _JOIN_1D = _since(1)
_CHANGE_7D, _JOIN_7D = _since(7)

OLDER_SYSTEMS: Final = {
    "historical_trades": """
    CREATE VIEW historical_trades AS
    SELECT t.instrument, i.venue_symbol AS symbol, t.trade_id, t.price, t.size, t.aggressor_side,
           t.price * t.size AS trade_volume, t.event_time
    FROM trades AS t JOIN instruments AS i ON t.instrument = i.id
    """,
    "symbol_stats_last_hour": """
    CREATE VIEW symbol_stats_last_hour AS
    SELECT instrument, venue_symbol AS symbol, hour_start, transaction_count, total_trade_volume
    FROM hourly JOIN instruments ON instrument = id WHERE transaction_count > 0
    """,
    "current_price": """
    CREATE VIEW current_price AS
    SELECT instrument, venue_symbol AS symbol, ask AS sell_price, bid AS buy_price, ask - bid AS spread,
           100 * (ask - bid) / bid AS spread_percent, quote_time
    FROM last JOIN instruments ON instrument = id WHERE quote_time IS NOT NULL
    """,
    "coinbase_ticker": """
    CREATE VIEW coinbase_ticker AS
    SELECT sequence, venue_symbol AS product_id, price, open_24h, volume_24h, low_24h, high_24h, volume_30d,
           bid AS best_bid, bid_size AS best_bid_size, ask AS best_ask, ask_size AS best_ask_size,
           lower(aggressor_side) AS side, event_time AS time, epoch_ns(event_time) // 1000000 AS millis, trade_id,
           size AS last_size
    FROM tickers JOIN instruments ON instrument = id WHERE venue = 'COINBASE'
    """,
    "coinbase_ticker_stats": """
    CREATE VIEW coinbase_ticker_stats AS
    SELECT trade_id, venue_symbol AS product_id, price, ewma_10t AS latest_emwa, ewma_10t_std AS latest_std,
           ewma_10t_variance AS latest_variance, rolling_mean_5t AS rolling_mean, rolling_std_5t AS rolling_std,
           rolling_variance_5t AS rolling_variance, event_time AS time, epoch_ns(event_time) // 1000000 AS millis
    FROM stats JOIN instruments ON instrument = id WHERE venue = 'COINBASE'
    """,
    "coinbase_rfq_match": """
    CREATE VIEW coinbase_rfq_match AS
    SELECT trade_id, venue_symbol AS product_id, price, size, side, event_time AS time,
           epoch_ns(event_time) // 1000000 AS millis
    FROM rfq_matches JOIN instruments ON instrument = id WHERE venue = 'COINBASE'
    """,
    "coinbase_volatility": """
    CREATE VIEW coinbase_volatility AS
    SELECT venue_symbol AS product_id, start AS window_start_time, "end" AS window_end_time,
           volatility_1m AS volatility
    FROM windows JOIN instruments ON instrument = id WHERE venue = 'COINBASE' AND volatility_1m IS NOT NULL
    """,
    "ohlc_by_minute": """
    CREATE VIEW ohlc_by_minute AS
    SELECT instrument, start AS minute, open, high, low, close, volume, trades, is_final
    FROM candles WHERE interval = '1m' AND open IS NOT NULL
    """,
    "ohlc_by_day": """
    CREATE VIEW ohlc_by_day AS
    SELECT daily.instrument, daily.day, open, high, low, close, volume, trades, is_final,
           reported.all_time_high_usd, reported.volume_24h AS reported_volume_24h
    FROM daily LEFT JOIN (
        SELECT instrument, date_trunc('day', event_time)::TIMESTAMP_NS AS day,
               max(all_time_high_usd) AS all_time_high_usd, max(volume) AS volume_24h
        FROM coins GROUP BY ALL
    ) AS reported ON daily.instrument = reported.instrument AND daily.day = reported.day
    WHERE open IS NOT NULL
    """,
    "hist_daily": """
    CREATE VIEW hist_daily AS
    SELECT instrument, day, nearest.rate, nearest.volume, nearest.cap, nearest.liquidity, nearest.event_time
    FROM (SELECT instrument, date_trunc('day', event_time)::TIMESTAMP_NS AS day,
                 arg_min(coins, abs(date_diff('millisecond', date_trunc('day', event_time) + INTERVAL 12 HOURS,
                                              event_time::TIMESTAMP))) AS nearest
          FROM coins GROUP BY ALL)
    """,
    "moving_average_10d": _moving_average(10),
    "moving_average_30d": _moving_average(30),
    "change_by_day": f"""
    CREATE VIEW change_by_day AS
    WITH prices AS (
        SELECT instrument, day, close AS price FROM daily
        WHERE is_final AND close IS NOT NULL AND instrument NOT IN (SELECT instrument FROM coins)
        UNION ALL SELECT instrument, day, rate FROM hist_daily
    )
    SELECT instrument, day, price, {_before(1)} AS price_day_before, {_before(7)} AS price_week_before,
           100 * (price / price_day_before - 1) AS change_from_day_before,
           100 * (price / price_week_before - 1) AS change_from_week_before
    FROM prices
    """,
    "change_by_day_latest": """
    CREATE VIEW change_by_day_latest AS
    SELECT * FROM change_by_day QUALIFY row_number() OVER (PARTITION BY instrument ORDER BY day DESC) = 1
    """,
    "change_by_second": """
    CREATE VIEW change_by_second AS
    SELECT instrument, event_time, price, change_1t FROM stats
    UNION ALL
    SELECT instrument, event_time, rate, 100 * (rate / lag(rate) OVER these - 1) FROM coins
    WHERE origin != 'REFILL' WINDOW these AS (PARTITION BY instrument ORDER BY event_time)
    """,
    "mov_avg_60_sec": """
    CREATE VIEW mov_avg_60_sec AS
    SELECT instrument, start, mean_60s_30s FROM windows
    UNION ALL
    SELECT instrument, (newest - INTERVAL 30 SECONDS * back)::TIMESTAMP_NS AS start, avg(rate)
    FROM (SELECT instrument, rate, time_bucket(INTERVAL 30 SECONDS, event_time::TIMESTAMP) AS newest
          FROM coins WHERE origin != 'REFILL'), range(2) AS hops(back)
    GROUP BY instrument, start
    """,
    "overview": f"""
    CREATE VIEW overview AS
    WITH rates AS (SELECT instrument, rate, event_time::TIMESTAMP AS at FROM coins),
    newest AS (
        SELECT coins.*, event_time::TIMESTAMP AS at FROM coins
        QUALIFY row_number() OVER (PARTITION BY instrument ORDER BY event_time DESC) = 1
    ),
    steps AS (
        SELECT instrument, event_time, change_1t FROM change_by_second
        WHERE instrument IN (SELECT instrument FROM rates)
    )
    SELECT last.instrument, '' AS name, last.price, s.newest.change_1t, s.newest.all_time_high, last.volume_24h,
           NULL::DOUBLE AS cap, NULL::DOUBLE AS total_supply, s.newest.change_1d, s.newest.change_7d, last.event_time
    FROM last LEFT JOIN {_NEWEST_STAT} AS s ON last.instrument = s.newest.instrument
    WHERE last.price IS NOT NULL AND last.instrument NOT IN (SELECT instrument FROM rates)
    UNION ALL
    SELECT newest.instrument, newest.name, newest.rate, steps.change_1t, newest.all_time_high_usd, newest.volume,
           newest.cap, newest.total_supply, {_CHANGE_1D}, {_CHANGE_7D}, newest.event_time
    FROM newest {_JOIN_1D} {_JOIN_7D}
    LEFT JOIN steps ON newest.instrument = steps.instrument AND newest.event_time = steps.event_time
    """,
    "winners_losers": """
    CREATE VIEW winners_losers AS
    SELECT instrument, price, change_1d,
           row_number() OVER (ORDER BY change_1d DESC, instrument) AS winner,
           row_number() OVER (ORDER BY change_1d, instrument) AS loser
    FROM overview WHERE change_1d IS NOT NULL
    """,
}
"""What makes each view, by its name; a view comes after those that it uses."""
