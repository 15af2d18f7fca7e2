"""Book messages to book deltas."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fulltape.records.book import CLEAR, LAST, SNAPSHOT
from fulltape.venues.base import Parsed, Reject
from fulltape.venues.levels import ASK, BID, BookMessages, Level, add_book, levels_of

NUMBERS = st.sampled_from([0.0, 1.0, 2.5, -1.0, math.nan, math.inf])
LEVELS = st.lists(st.tuples(st.sampled_from([BID, ASK]), NUMBERS, NUMBERS), max_size=4)


def deltas_of(*messages: tuple[bool, list[Level]]) -> tuple[list[tuple[int, float, float, int, int]], list[Reject]]:
    """Return (side, price, size, flags, frame) of each row, and the rejects."""
    count = len(messages)
    book = BookMessages(
        frames=np.arange(count) * 10,
        codes=np.arange(count, dtype=np.int32),
        event_times=np.arange(count),
        received=np.arange(count),
        is_snapshot=np.array([snapshot for snapshot, _ in messages], np.bool_),
        levels=levels_of([levels for _, levels in messages]),
    )
    parsed = Parsed()
    add_book(book, parsed)
    if not parsed.batches:
        return [], parsed.rejects
    batch = parsed.batches["book_deltas"]
    columns = [batch[name].tolist() for name in ("side", "price", "size", "flags")]
    assert (batch["instrument"] * 10 == parsed.frames["book_deltas"]).all()
    return list(zip(*columns, parsed.frames["book_deltas"].tolist(), strict=True)), parsed.rejects


def test_flags_mark_where_messages_begin_and_end() -> None:
    rows, rejects = deltas_of(
        (True, [(BID, 10.0, 1.0), (ASK, 11.0, 2.0)]),
        (False, [(BID, 10.0, 0.0)]),
        (False, [(ASK, 11.0, 1.0), (ASK, 12.0, 1.0), (BID, 9.0, 1.0)]),
    )
    assert [row[3] for row in rows] == [SNAPSHOT, LAST, LAST, 0, 0, LAST]
    assert rows[2] == (BID, 10.0, 0.0, LAST, 10)
    assert rejects == []


def test_an_empty_snapshot_clears_and_an_empty_update_is_nothing() -> None:
    rows, rejects = deltas_of((False, []), (True, []), (True, [(BID, 1.0, 1.0)]))
    assert [row[3:] for row in rows] == [(SNAPSHOT | CLEAR | LAST, 10), (SNAPSHOT | LAST, 20)]
    assert rejects == []


def test_nothing_but_empty_updates_makes_no_batch() -> None:
    assert deltas_of((False, []), (False, [])) == ([], [])


@pytest.mark.parametrize("bad", [(BID, 0.0, 1.0), (BID, math.nan, 1.0), (ASK, 1.0, -1.0), (ASK, math.inf, 1.0)])
def test_a_bad_level_goes_alone(bad: Level) -> None:
    rows, rejects = deltas_of((True, [bad, (BID, 1.0, 1.0)]), (False, [(BID, 2.0, 1.0), bad]), (False, [bad]))
    assert [row[3] for row in rows] == [SNAPSHOT | LAST, LAST]
    assert [(reject.frame, reject.reason, reject.detail) for reject in rejects] == [
        (0, "bad_level", "1 of 2 levels"),
        (10, "bad_level", "1 of 2 levels"),
        (20, "bad_level", "1 of 1 levels"),
    ]


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), LEVELS), min_size=1, max_size=6))
def test_equals_a_plain_loop(messages: list[tuple[bool, list[Level]]]) -> None:
    expected = []
    for place, (is_snapshot, levels) in enumerate(messages):
        good = [one for one in levels if 0 < one[1] < math.inf and 0 <= one[2] < math.inf]
        flags = [0] * len(good)
        if is_snapshot and not good:
            good, flags = [(BID, 0.0, 0.0)], [CLEAR]
        if good:
            flags[0] |= SNAPSHOT * is_snapshot
            flags[-1] |= LAST
        expected += [(*level, flag, place * 10) for level, flag in zip(good, flags, strict=True)]
    assert deltas_of(*messages)[0] == expected
