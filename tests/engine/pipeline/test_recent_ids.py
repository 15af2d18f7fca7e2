"""Duplicates by remembered ids."""

from __future__ import annotations

import itertools
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fulltape.clock import SECOND_NS
from fulltape.engine.pipeline import recent_ids
from fulltape.engine.pipeline.recent_ids import RecentIds
from fulltape.engine.pipeline.sequencer import ANEW_NS
from fulltape.records import TRADES, Batch

NOON = 1_618_660_800 * SECOND_NS


def trades(*ids: tuple[int, int, int], at: int = NOON) -> Batch:
    """Return trades of (instrument, low, high), all of one time."""
    columns = {c.name: np.zeros(len(ids), c.dtype) for c in TRADES.columns}
    columns["instrument"] = np.array([i[0] for i in ids], np.int32)
    columns["trade_id"] = np.array([i[1] for i in ids], np.int64)
    columns["trade_id_high"] = np.array([i[2] for i in ids], np.int64)
    columns["event_time"] = np.full(len(ids), at)
    return Batch(TRADES, columns)


def test_an_id_is_known_per_instrument_and_by_both_halves() -> None:
    ids = RecentIds()
    assert ids.duplicates(trades((0, 7, 1), (0, 7, 2), (1, 7, 1), (0, 7, 1))) == [3]
    assert ids.duplicates(trades((1, 7, 1), (1, 8, 1))) == [0]


def test_the_oldest_ids_are_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent_ids, "KEPT", 16)
    ids = RecentIds()
    assert ids.duplicates(trades(*((0, n, 0) for n in range(40)))) == []
    assert ids.duplicates(trades((0, 39, 0), (0, 24, 0), (0, 16, 0), (0, 15, 0))) == [0, 1, 2]


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 90), st.sampled_from([0, 1, -(2**63)]))), st.data())
@settings(deadline=None, max_examples=100)
def test_any_cut_tells_what_a_set_would_tell(rows: list[tuple[int, int, int]], data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(rows)))))
    ids, found = RecentIds(), []
    for first, stop in itertools.pairwise([0, *cuts, len(rows)]):
        found += [first + place for place in ids.duplicates(trades(*rows[first:stop]))]
    assert found == [place for place, row in enumerate(rows) if row in rows[:place]]


def test_ids_that_begin_again_are_new_trades_and_known_from_then_on() -> None:
    """A venue that began at 1 again had its trades taken for duplicates, for as long as the old ids were remembered."""
    ids = RecentIds()
    old = trades(*((0, n, 0) for n in range(1, 6)))
    assert ids.duplicates(old) == []
    later = trades((0, 1, 0), (0, 2, 0), at=NOON + 3 * SECOND_NS)
    assert ids.duplicates(later) == []
    assert ids.duplicates(later) == [0, 1]
    assert ids.duplicates(old) == [0, 1, 2, 3, 4]
    again = RecentIds()
    again.restore(ids.snapshot())
    assert again.duplicates(later) == [0, 1]
    assert again.duplicates(trades((0, 3, 0), at=NOON + 3 * SECOND_NS)) == []


def test_a_time_that_is_told_in_seconds_makes_no_new_trade() -> None:
    ids = RecentIds()
    ids.duplicates(trades((0, 1, 0), at=NOON))
    for off in (-SECOND_NS, SECOND_NS):
        assert ids.duplicates(trades((0, 1, 0), at=NOON + off)) == [0]


def test_a_known_id_more_than_a_second_later_is_a_new_trade_as_in_the_sequencer() -> None:
    """It took two seconds here and one there: ids that began again within them lost trades here only."""
    ids = RecentIds()
    ids.duplicates(trades((0, 1, 0), at=NOON))
    assert ids.duplicates(trades((0, 1, 0), at=NOON + ANEW_NS)) == [0]
    assert ids.duplicates(trades((0, 1, 0), at=NOON + 2 * ANEW_NS + 1)) == []


def test_ids_of_an_older_fulltape_are_known_whatever_their_time() -> None:
    ids = RecentIds()
    ids.restore({0: np.array([[7, 1], [8, 1]]).tobytes()})
    assert ids.duplicates(trades((0, 7, 1), (0, 8, 1), (0, 9, 1), at=NOON + 9 * SECOND_NS)) == [0, 1]


@pytest.mark.parametrize("shift", [0, 10, 20, 40, 50])
@pytest.mark.parametrize("half", [0, 1, 2])
def test_ids_that_differ_in_a_few_bits_lie_apart(half: int, shift: int) -> None:
    """Time is in the upper bits of some UUIDs, and others count in thousands: they must not crowd in one place."""
    ids = [((n << shift) * (half != 1), (n << shift) * (half != 0)) for n in range(512)]
    rows, index = np.array([(low, upper, 0) for low, upper in ids]), np.full(1_024, -1, np.int32)
    recent_ids.fill(rows, recent_ids.scattered(rows), index)
    runs = np.diff(np.flatnonzero(np.concatenate(([True], index < 0, [True]))))
    assert runs.max() < 200


@pytest.mark.parametrize(("count", "most"), [(16, 3_000), (500, 30_000), (40_000, 550_000)])
def test_memory_grows_with_what_is_held(count: int, most: int) -> None:
    RecentIds().duplicates(trades((0, 1, 0)))  # kernels are there
    rows = [trades(*((0, n, -n) for n in range(first, min(first + 500, count)))) for first in range(0, count, 500)]
    tracemalloc.start()
    ids = RecentIds()
    for batch in rows:
        ids.duplicates(batch)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < most


def test_the_newest_ids_survive_a_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent_ids, "SAVED", 2)
    ids = RecentIds()
    ids.duplicates(trades((0, 1, -5), (0, 2, -5), (0, 3, -5), (4, 9, 0)))
    states = ids.snapshot()
    assert (set(states), ids.snapshot()) == ({0, 4}, {})
    again = RecentIds()
    again.restore(states)
    assert again.duplicates(trades((0, 1, -5), (0, 2, -5), (0, 3, -5), (4, 9, 0))) == [1, 2, 3]


def test_forgotten_instruments_know_nothing() -> None:
    ids = RecentIds()
    ids.duplicates(trades((0, 1, 0), (1, 1, 0)))
    ids.forget([0])
    assert ids.duplicates(trades((0, 1, 0), (1, 1, 0))) == [1]
    assert set(ids.snapshot()) == {0, 1}
