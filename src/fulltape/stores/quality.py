"""How good the data is, as a view: one row for each instrument and UTC day on which its trades were wanted.

* ``followed_s``: seconds in which the ledger has trades as wanted; ``down_s``: those of them without a connection;
* ``gap_s``: seconds in which trades are missing: of `DOWN` stretches and `GAP` holes, what lies in both once;
* ``completeness``: 100 (1 - gap_s / followed_s); ``missing``: trades missing from holes that began that day;
* ``trades``: how many are stored, ``refilled`` of them from the venue's history;
* ``duplicates``: trades that connections brought that day, by our clock, that were there already (what is asked of the
  venue's history again, or imported again, is our doing and not among them); ``duplicate_rate``: percent of all that
  they brought that day;
* ``out_of_order``: percent of the trades that came by themselves (not of history) whose event time is below that of one
  received before, of the same day or the next; what was received at one moment is in order;
* ``revisions``: how often late trades changed candles of a minute that were final;
* ``clock_skew_s``: 1st percentile of ingest time less event time, as in `fulltape.records.status.Delay`, of the trades
  that came by themselves; ``delay_p50_s``, ``delay_p99_s``: what they took beyond that;
* ``stale_s``: seconds of the quiet minutes in which the quote did not change either;
* ``crossed_s``: seconds in which the book was crossed.

It needs the interval 1m and, for the last two, statistics.
"""

from __future__ import annotations

from typing import Final

_DAY: Final = "86400000000000"
_MINUTE: Final = "60000000000"


def _day_of(time: str) -> str:
    """Return the SQL of the day that holds a time: itself a time, so that a filter on it reaches the rows."""
    return f"make_timestamp_ns(epoch_ns({time}) // {_DAY} * {_DAY})"


QUALITY: Final = f"""
    CREATE VIEW quality AS
    WITH again AS (SELECT instrument, day, duplicates FROM duplicates),
    ledger AS (
        SELECT instrument, state, missing, epoch_ns(start) AS begun, epoch_ns("end") AS ended,
               first_missing != '' AS is_hole
        FROM coverage
        WHERE channel = 'trades' AND state IN ('COMPLETE', 'DOWN', 'REFILLED', 'GAP')
    ),
    cut AS (
        SELECT instrument, state, is_hole, make_timestamp_ns(number * {_DAY}) AS day,
               CASE WHEN number = begun // {_DAY} THEN missing ELSE 0 END AS missing,
               greatest(begun, number * {_DAY}) AS begun, least(ended, (number + 1) * {_DAY}) AS ended
        FROM (SELECT *, unnest(range(begun // {_DAY}, ended // {_DAY} + 1)) AS number FROM ledger)
    ),
    reaches AS (
        SELECT *, max(CASE WHEN state IN ('DOWN', 'GAP') THEN ended END) OVER (
            PARTITION BY instrument, day ORDER BY begun, ended ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS reached
        FROM cut
    ),
    listened AS (
        SELECT instrument, day, sum(ended - begun) FILTER (NOT is_hole) / 1e9 AS followed_s,
               coalesce(sum(ended - begun) FILTER (state = 'DOWN' AND NOT is_hole), 0) / 1e9 AS down_s,
               coalesce(sum(greatest(0, ended - greatest(begun, coalesce(reached, begun))))
                        FILTER (state IN ('DOWN', 'GAP')), 0) / 1e9 AS gap_s,
               coalesce(sum(missing) FILTER (state = 'GAP'), 0)::BIGINT AS missing
        FROM reaches GROUP BY instrument, day
    ),
    received AS (
        SELECT instrument, {_day_of("event_time")} AS day, epoch_ns(event_time) AS event,
               epoch_ns(ingest_time) AS ingest, origin IN ('LIVE', 'REPLAY') AS is_news,
               origin = 'REFILL' AS is_refilled
        FROM trades
    ),
    morrow AS (
        SELECT instrument, make_timestamp_ns((epoch_ns(event_time) // {_DAY} - 1) * {_DAY}) AS day,
               epoch_ns(min(ingest_time)) AS next_day
        FROM trades WHERE origin IN ('LIVE', 'REPLAY') GROUP BY ALL
    ),
    arrived AS (
        SELECT *, (ingest - event) / 1e9 AS delay, event < max(CASE WHEN is_news THEN event END) OVER (
            PARTITION BY instrument, day ORDER BY ingest, event ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS is_behind
        FROM received
    ),
    tape AS (
        SELECT instrument, day, count(*) AS trades, count(*) FILTER (is_refilled) AS refilled,
               100.0 * count(*) FILTER (is_news AND (is_behind OR ingest > next_day))
               / nullif(count(*) FILTER (is_news), 0) AS out_of_order,
               quantile_cont(delay, [0.01, 0.5, 0.99]) FILTER (is_news) AS delays
        FROM arrived LEFT JOIN morrow USING (instrument, day) GROUP BY instrument, day
    ),
    brought AS (
        SELECT instrument, {_day_of("ingest_time")} AS day, count(*) AS brought
        FROM trades WHERE origin IN ('LIVE', 'SNAPSHOT', 'REPLAY') GROUP BY ALL
    ),
    quoted AS (
        SELECT DISTINCT instrument, {_day_of("ingest_time")} AS day, epoch_ns(ingest_time) // {_MINUTE} AS minute,
               true AS is_quoted
        FROM quote_stats
    ),
    minutes AS (
        SELECT instrument, day, sum(revision)::BIGINT AS revisions,
               60::DOUBLE * count(*) FILTER (trades = 0 AND reason = 'QUIET' AND is_quoted IS NULL) AS stale_s
        FROM (SELECT *, {_day_of("start")} AS day, epoch_ns(start) // {_MINUTE} AS minute FROM candles
              WHERE interval = '1m') LEFT JOIN quoted USING (instrument, day, minute)
        GROUP BY instrument, day
    ),
    crossed AS (
        SELECT instrument, {_day_of("ingest_time")} AS day, sum(crossed_s) AS crossed_s
        FROM depths GROUP BY instrument, day
    )
    SELECT instrument, day, followed_s, down_s, gap_s,
           greatest(0.0, 100.0 * (1.0 - gap_s / followed_s)) AS completeness, missing,
           coalesce(trades, 0) AS trades, coalesce(refilled, 0) AS refilled,
           coalesce(duplicates, 0) AS duplicates,
           100.0 * coalesce(duplicates, 0) / nullif(coalesce(brought, 0) + coalesce(duplicates, 0), 0)
           AS duplicate_rate,
           out_of_order,
           coalesce(revisions, 0) AS revisions,
           delays[1] AS clock_skew_s, delays[2] - delays[1] AS delay_p50_s, delays[3] - delays[1] AS delay_p99_s,
           coalesce(stale_s, 0.0) AS stale_s, coalesce(crossed_s, 0.0) AS crossed_s
    FROM listened LEFT JOIN tape USING (instrument, day) LEFT JOIN minutes USING (instrument, day)
         LEFT JOIN crossed USING (instrument, day) LEFT JOIN brought USING (instrument, day)
         LEFT JOIN again USING (instrument, day)
    WHERE followed_s > 0
"""
"""What makes the view ``quality``."""
