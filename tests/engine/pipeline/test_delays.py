"""What all trades have in common is skew; what they have beyond that is delay."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fulltape.clock import SECOND_NS
from fulltape.engine.pipeline.delays import WINDOW_NS, CommitWaits, Delays, sampled
from fulltape.records import TRADES, Batch, Origin
from fulltape.records.frames import Chunk, Connection, EventKind, SessionEvent

NOON = 1_763_640_000 * SECOND_NS
MS = 1_000_000
FEED = Connection("X-1", "X")


def trades(delays_ms: list[float], at: int = NOON, origin: Origin = Origin.LIVE) -> Batch:
    count = len(delays_ms)
    empty = {name: [0] * count for column in TRADES.columns for name in column.names}
    ingest = [at + number for number in range(count)]
    event = [time - int(delay * MS) for time, delay in zip(ingest, delays_ms, strict=True)]
    return TRADES.from_columns({**empty, "event_time": event, "ingest_time": ingest, "origin": [origin] * count})


@given(st.integers(-600_000, 600_000))
def test_a_clock_that_is_minutes_off_is_skew_and_no_delay(skew_ms: int) -> None:
    delays = Delays()
    delays.note(FEED, trades([skew_ms + ms for ms in range(60)]))
    (told,) = delays.told()
    assert (told.connection, told.venue) == ("X-1", "X")
    assert told.clock_skew_s == pytest.approx(skew_ms / 1e3, abs=0.001)
    assert told.p50_s == pytest.approx(0.029, abs=0.001)
    assert told.p99_s == pytest.approx(0.058, abs=0.001)


def test_one_odd_time_does_not_move_the_skew() -> None:
    delays = Delays()
    for start in range(4):
        delays.note(FEED, trades([50.0 + start] * 60))
    delays.note(FEED, trades([-30_000.0]))
    assert delays.told()[0].clock_skew_s == pytest.approx(0.05, abs=0.001)


def test_only_the_last_minute_counts() -> None:
    delays = Delays()
    delays.note(FEED, trades([500.0] * 10))
    delays.note(FEED, trades([20.0] * 10, at=NOON + WINDOW_NS + SECOND_NS))
    (told,) = delays.told()
    assert [told.clock_skew_s, told.p99_s] == pytest.approx([0.02, 0.0])


def test_what_was_sent_on_subscribing_is_old_and_tells_nothing() -> None:
    delays = Delays()
    delays.note(FEED, trades([3_600_000.0], origin=Origin.SNAPSHOT))
    delays.note(FEED, trades([]))
    assert delays.told() == ()


def test_a_flood_is_sampled_and_connections_keep_apart() -> None:
    delays = Delays()
    delays.note(FEED, trades(np.linspace(10, 20, 5_000).tolist()))
    delays.note(Connection("X-2", "X"), trades([-1_270.0] * 3))
    first, second = delays.told()
    assert first.clock_skew_s == pytest.approx(0.0101, abs=0.0003)
    assert second.connection == "X-2"
    assert second.clock_skew_s == pytest.approx(-1.27)


def test_waits_for_a_commit_are_those_of_the_last_minute() -> None:
    waits = CommitWaits()
    assert waits.told() is None
    waits.note(NOON, [NOON - 900 * MS])
    waits.note(NOON + WINDOW_NS + 1, [NOON + WINDOW_NS + 1 - ms * MS for ms in range(101)])
    waits.note(NOON + WINDOW_NS + 2, [])
    told = waits.told()
    assert told is not None
    assert [told.p50_s, told.p99_s] == pytest.approx([0.05, 0.099])


def test_some_frames_of_each_chunk_are_looked_at() -> None:
    chunks = [Chunk(FEED, [b""] * count, list(range(count))) for count in (1, 64, 1_000)]
    found = sampled([chunks[0], SessionEvent(FEED, EventKind.CONNECTED, NOON), *chunks[1:]])
    assert len(found) <= 1 + 64 + 64
    assert (found[:2], found[-1] > 980) == ([0, 0], True)
