"""The sequencer: every trade once, every hole noticed, however the data is cut."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.engine.pipeline.sequences import SECOND, START, Item, batches, of_instrument, plain, run, sequences

from fulltape.engine.pipeline.sequencer import GRACE_NS, RESET_NS, Sequenced, Sequencer
from fulltape.records.events import Hole, Unbroken

LYING = 9 * 10**18


def trades(*ids: int, at: int = 0) -> list[Item]:
    """Return trades a millisecond apart, from ``at`` nanoseconds after the start."""
    return [Item(START + at + i * 10**6, 0, trade_id, START + at + i * 10**6) for i, trade_id in enumerate(ids)]


def beat(trade_id: int, at: int) -> Item:
    return Item(START + at, 0, trade_id, START + at, is_beat=True)


def apply(sequencer: Sequencer, *items: Item, clock: int | None = None) -> Sequenced:
    return sequencer.apply(*batches(items), items[-1].ingest if clock is None else START + clock)


def ids(result: Sequenced) -> list[int]:
    numbers: list[int] = result.trades["trade_id"].tolist()
    return numbers


def holes(result: Sequenced) -> list[tuple[int, int, int]]:
    return [(e.first_id, e.last_id, e.missing) for e in result.events if isinstance(e, Hole)]


@given(sequences(), st.data())
@settings(deadline=None, max_examples=150)
def test_any_cut_tells_the_same_as_the_plain_model(items: list[Item], data: st.DataObject) -> None:
    cuts = data.draw(st.sets(st.integers(0, len(items))))
    whole, cut = run(items, []), run(items, cuts)
    assert (cut.accepted, cut.holes, cut.resets) == (whole.accepted, whole.holes, whole.resets)
    expected = plain(items)
    for code, told in expected.items():
        assert of_instrument(cut, code) == told._replace(resets=0)
    assert cut.resets == sum(told.resets for told in expected.values())


@given(sequences(), st.sets(st.integers(0, 40)))
@settings(deadline=None, max_examples=50)
def test_a_restart_at_any_cut_changes_nothing(items: list[Item], cuts: set[int]) -> None:
    cuts = {place for place in cuts if place <= len(items)}
    assert run(items, cuts, restart=True) == run(items, cuts)


def test_trades_that_follow_pass_as_they_are() -> None:
    items = trades(*range(100, 200))
    result = apply(Sequencer(), *items)
    assert (ids(result), result.events, result.duplicates) == (list(range(100, 200)), [], 0)


def test_a_trade_that_came_is_dropped_when_it_comes_again() -> None:
    sequencer = Sequencer()
    result = apply(sequencer, *trades(1, 2, 2, 1, 3))
    assert (ids(result), result.duplicates) == ([1, 2, 3], 2)
    assert apply(sequencer, *trades(3, at=5)).duplicates == 1


def test_trades_that_overtake_each_other_are_no_hole() -> None:
    sequencer = Sequencer()
    result = apply(sequencer, *trades(1, 3, 4, 2, 5))
    assert (ids(result), result.events) == ([1, 3, 4, 2, 5], [])
    assert apply(sequencer, *trades(6, at=GRACE_NS)).events == []


def test_a_hole_is_told_when_its_grace_is_over() -> None:
    sequencer = Sequencer()
    apply(sequencer, *trades(1, 5))
    assert holes(apply(sequencer, *trades(6, at=GRACE_NS))) == []
    assert sequencer.open_holes() == (0, 0)
    assert holes(apply(sequencer, *trades(7, at=GRACE_NS + 10**6))) == [(2, 4, 3)]
    assert sequencer.open_holes() == (1, 3)


def test_a_told_hole_is_told_again_as_it_fills() -> None:
    sequencer = Sequencer()
    apply(sequencer, *trades(1, 5))
    late = [Item(START + GRACE_NS + 10**6 + i, 0, number, START + number) for i, number in enumerate((3, 2, 4, 4))]
    result = apply(sequencer, *late)
    assert holes(result) == [(2, 4, 3), (2, 4, 2), (2, 4, 1), (2, 4, 0)]
    assert (ids(result), result.duplicates, sequencer.open_holes()) == ([3, 2, 4], 1, (0, 0))


def test_a_hole_knows_between_which_trades_it_lies() -> None:
    sequencer = Sequencer()
    apply(sequencer, *trades(1), *trades(5, at=7))
    (event,) = apply(sequencer, *trades(6, at=GRACE_NS + 7)).events
    assert event == Hole(0, START + 7 + GRACE_NS, 2, 4, 3, START, START + 7)


def test_a_heartbeat_shows_a_hole_at_the_end() -> None:
    sequencer = Sequencer()
    apply(sequencer, *trades(1), beat(3, 5))
    assert holes(sequencer.apply(*batches([]), START + GRACE_NS + 4)) == []
    assert holes(sequencer.apply(*batches([]), START + GRACE_NS + 5)) == [(2, 3, 2)]
    late = apply(sequencer, *trades(2, 3, 4, at=GRACE_NS + 9))
    assert (ids(late), holes(late)) == ([2, 3, 4], [(2, 3, 1), (2, 3, 0)])


def test_a_late_trade_fills_the_end_of_a_quiet_instrument() -> None:
    sequencer = Sequencer()
    minutes = 600 * SECOND
    apply(sequencer, *trades(1), beat(2, minutes))
    late = Item(START + minutes + 3 * SECOND, 0, 2, START + minutes)
    result = apply(sequencer, late)
    assert (ids(result), holes(result), result.resets) == ([2], [(2, 2, 1), (2, 2, 0)], 0)


def test_a_heartbeat_before_any_trade_or_of_a_known_one_says_nothing() -> None:
    sequencer = Sequencer()
    result = apply(sequencer, beat(7, 0), *trades(9, at=1), beat(9, 2), clock=10 * GRACE_NS)
    assert result.events == []


def test_trades_that_come_within_the_grace_satisfy_a_heartbeat() -> None:
    sequencer = Sequencer()
    result = apply(sequencer, *trades(1), beat(3, 5), *trades(2, 3, at=9), clock=10 * GRACE_NS)
    assert (ids(result), result.events) == ([1, 2, 3], [])


def test_ids_that_begin_anew_are_no_duplicates() -> None:
    sequencer = Sequencer()
    apply(sequencer, *trades(1_000_000, 1_000_002))
    result = apply(sequencer, *trades(1, 2, 5, 5, at=61 * SECOND), clock=70 * SECOND)
    assert (ids(result), result.resets, result.duplicates) == ([1, 2, 5], 1, 1)
    assert holes(result) == [(1_000_001, 1_000_001, 1), (3, 4, 2)]
    assert sequencer.open_holes() == (1, 2)


def test_ids_that_begin_anew_within_a_minute_lose_nothing() -> None:
    """For a minute after a venue began at 1 again its trades were taken for duplicates, and nothing told of it."""
    sequencer = Sequencer()
    apply(sequencer, *trades(1_000_000, 1_000_002))
    sequencer.resume([0])
    result = apply(sequencer, *trades(1, 2, 3, 3, 2, 4, 6, at=3 * SECOND), clock=10 * SECOND)
    assert (ids(result), result.resets, result.duplicates) == ([1, 2, 3, 4, 6], 1, 2)
    assert holes(result) == [(1_000_001, 1_000_001, 1), (5, 5, 1)]


def test_a_heartbeat_of_before_the_new_beginning_is_no_hole_above_it() -> None:
    sequencer = Sequencer()
    apply(sequencer, *trades(1_000), beat(1_002, SECOND))
    result = apply(sequencer, *trades(1, 2, 3, at=2 * SECOND), clock=10 * SECOND)
    assert (ids(result), result.resets, holes(result)) == ([1, 2, 3], 1, [(1_001, 1_002, 2)])


def test_what_comes_again_has_its_old_time_and_is_dropped() -> None:
    sequencer = Sequencer()
    apply(sequencer, *trades(1, 2, 3), *trades(4, at=20 * SECOND))
    again = [Item(START + 21 * SECOND, 0, number, START + number * 10**6) for number in (1, 2, 3)]
    rounded = Item(START + 22 * SECOND, 0, 3, START + 21 * SECOND)
    result = apply(sequencer, *again, rounded)
    assert (ids(result), result.duplicates, result.resets) == ([], 4, 0)


def test_one_old_id_with_a_new_time_is_taken_once_and_moves_nothing() -> None:
    sequencer = Sequencer()
    apply(sequencer, *trades(100))
    first = apply(sequencer, *trades(50, at=3 * SECOND))
    states = sequencer.snapshot()
    sequencer = Sequencer()
    sequencer.restore(states)
    second = apply(sequencer, *trades(50, 101, at=4 * SECOND), clock=60 * SECOND)
    assert (ids(first), ids(second), second.duplicates, second.resets) == ([50], [101], 1, 0)
    assert holes(second) == []


@pytest.mark.parametrize("before", [[], [7]])
def test_history_of_what_nobody_followed_makes_no_hole(before: list[int]) -> None:
    sequencer = Sequencer()
    if before:
        apply(sequencer, *trades(*before))
        sequencer.leave([0])
    past, *_ = batches(trades(20, 21, at=SECOND))
    sequencer.refill(past, START + SECOND)
    result = apply(sequencer, *trades(1_000, at=RESET_NS), *trades(1_003, at=2 * RESET_NS), clock=3 * RESET_NS)
    assert (ids(result), holes(result)) == ([1_000, 1_003], [(1_001, 1_002, 2)])


def test_an_old_id_in_history_is_no_reset_whatever_its_time() -> None:
    sequencer = Sequencer()
    apply(sequencer, *trades(98, 99, 100))
    old, *_ = batches(trades(40, at=RESET_NS + SECOND))
    assert sequencer.refill(old, START + 2 * RESET_NS).events == []
    result = apply(sequencer, *trades(101, at=2 * RESET_NS), clock=3 * RESET_NS)
    assert (ids(result), result.events, result.resets) == ([101], [], 0)


def test_a_lying_id_drops_none_of_the_true_ones() -> None:
    sequencer = Sequencer()
    apply(sequencer, *trades(100))
    result = apply(sequencer, *trades(LYING, 101, 102, 103, at=1))
    assert (ids(result), result.duplicates) == ([LYING, 101, 102, 103], 0)
    for second in range(3, 120, 10):
        more = apply(sequencer, *trades(200 + second, 201 + second, at=second * SECOND))
        assert ids(more) == [200 + second, 201 + second]
    assert apply(sequencer, *trades(500, at=150 * SECOND)).duplicates == 0


def test_a_lying_heartbeat_drops_none_of_the_true_ones() -> None:
    sequencer = Sequencer()
    apply(sequencer, *trades(100), beat(LYING, 1))
    result = apply(sequencer, *trades(101, 102, at=3 * SECOND))
    assert ids(result) == [101, 102]
    assert holes(result)[0] == (101, LYING, LYING - 100)


def test_a_flood_of_holes_is_bounded_and_each_is_told() -> None:
    sequencer = Sequencer()
    result = apply(sequencer, *trades(*range(1, 2_001, 2)), clock=10 * SECOND)
    assert holes(result) == [(n, n, 1) for n in range(2, 2_000, 2)]
    assert sequencer.open_holes() == (256, 256)


def test_after_a_disconnection_the_next_trade_is_the_proof() -> None:
    for next_id, expected in [(2, [Unbroken(0, START + 5, 2, 2)]), (3, [Unbroken(0, START + 5, 2, 3)]), (4, [])]:
        sequencer = Sequencer()
        apply(sequencer, *trades(1, 2))
        sequencer.resume([0, 7])
        assert apply(sequencer, *trades(next_id, at=5)).events == expected
        assert apply(sequencer, *trades(next_id + 1, at=6)).events == []


def test_an_old_trade_after_a_disconnection_proves_nothing() -> None:
    sequencer = Sequencer()
    apply(sequencer, *trades(1, 2))
    sequencer.resume([0])
    assert apply(sequencer, *trades(1, at=5)).events == []
    assert apply(sequencer, *trades(3, at=6)).events == [Unbroken(0, START + 6, 2, 3)]


def test_an_unreported_hole_is_told_after_a_restart() -> None:
    before, after = Sequencer(), Sequencer()
    apply(before, *trades(1, 5))
    after.restore(before.snapshot())
    assert holes(after.apply(*batches([]), START + 10 * GRACE_NS)) == [(2, 4, 3)]
    assert before.snapshot() == {}
