"""One rule and one instrument: when an alert begins and ends."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from fulltape.operators.watch import Change, Heard, Patience, Watch
from fulltape.records import AlertState

RAISED, CLEARED = AlertState.RAISED, AlertState.CLEARED
LEVELS = st.sampled_from([(False, False), (False, True), (True, True)])
ROWS = st.lists(st.tuples(st.integers(0, 100), LEVELS), max_size=60)
PATIENCE = st.builds(Patience, st.integers(0, 200), st.integers(0, 500), st.sampled_from([0, 150, 1_000]))


def heard(moment: int, holds: bool, stays: bool | None = None, value: float = 1.0) -> Heard:
    return Heard(moment, moment - 1, value, f"at {moment}", holds, holds if stays is None else stays)


def hear(watch: Watch, patience: Patience, *rows: Heard) -> list[tuple[AlertState, int]]:
    return [(change.state, change.moment) for row in rows for change in watch.hear(row, patience)]


def series(rows: Sequence[tuple[int, tuple[bool, bool]]], patience: Patience) -> list[Change]:
    """Return the changes of rows that are so far apart each, and of a long time after them."""
    watch, moment, found = Watch(), 0, list[Change]()
    for wait, (holds, stays) in rows:
        moment += wait
        found += watch.hear(heard(moment, holds, stays), patience)
    return [*found, *watch.until(moment + 10_000, patience)]


@given(ROWS, PATIENCE)
def test_raised_and_cleared_alternate_in_pairs_of_one_number(
    rows: list[tuple[int, tuple[bool, bool]]], patience: Patience
) -> None:
    found = series(rows, patience)
    assert [change.state for change in found] == [RAISED if i % 2 == 0 else CLEARED for i in range(len(found))]
    assert [change.number for change in found] == [i // 2 + 1 for i in range(len(found))]
    assert [change.moment for change in found] == sorted(change.moment for change in found)
    if patience.fade_ns:
        assert len(found) % 2 == 0


@given(ROWS, PATIENCE)
def test_it_is_never_raised_sooner_than_it_may(rows: list[tuple[int, tuple[bool, bool]]], patience: Patience) -> None:
    raised = [change for change in series(rows, patience) if change.state is RAISED]
    for before, after in itertools.pairwise(raised):
        assert after.moment - before.moment >= patience.cooldown_ns
    moments = [0]
    for wait, _ in rows:
        moments.append(moments[-1] + wait)
    for change in raised:
        waited = [holds for at, (_, (holds, _)) in zip(moments[1:], rows, strict=True)
                  if change.moment - patience.for_ns < at < change.moment]  # fmt: skip
        assert all(waited)


def test_it_is_raised_once_and_cleared_once() -> None:
    watch, now = Watch(), Patience()
    assert hear(watch, now, heard(1, True), heard(2, True), heard(3, True)) == [(RAISED, 1)]
    assert hear(watch, now, heard(4, False), heard(5, False)) == [(CLEARED, 4)]


def test_between_the_clear_level_and_the_threshold_nothing_changes() -> None:
    watch, now = Watch(), Patience()
    assert hear(watch, now, heard(1, False, True)) == []
    assert hear(watch, now, heard(2, True), heard(3, False, True), heard(4, True)) == [(RAISED, 2)]


def test_it_must_hold_for_long_enough() -> None:
    watch, ten = Watch(), Patience(for_ns=10)
    assert hear(watch, ten, heard(1, True), heard(9, False), heard(10, True), heard(19, True)) == []
    assert list(watch.until(19, ten)) == []
    (change,) = watch.until(25, ten)
    assert (change.state, change.moment, change.detail) == (RAISED, 20, "at 19")


def test_after_an_alert_there_is_none_for_a_while_but_what_lasts_is_told() -> None:
    watch, patience = Watch(), Patience(cooldown_ns=100)
    rows = [heard(1, True), heard(2, False), heard(3, True), heard(4, False), heard(90, True)]
    assert hear(watch, patience, *rows) == [(RAISED, 1), (CLEARED, 2)]
    assert [(c.state, c.moment) for c in watch.until(500, patience)] == [(RAISED, 101)]


def test_what_is_heard_of_no_more_ends() -> None:
    watch, patience = Watch(), Patience(fade_ns=50)
    assert hear(watch, patience, heard(1, True), heard(40, True)) == [(RAISED, 1)]
    (change,) = watch.until(1_000, patience)
    assert (change.state, change.moment, change.value) == (CLEARED, 90, None)


def test_what_waits_and_is_heard_of_no_more_is_never_raised() -> None:
    watch, patience = Watch(), Patience(for_ns=100, fade_ns=50)
    assert hear(watch, patience, heard(1, True)) == []
    assert list(watch.until(1_000, patience)) == []
    assert watch.is_idle


@given(ROWS, PATIENCE, st.lists(st.integers(0, 50), max_size=60))
def test_time_that_passes_in_pieces_changes_nothing(
    rows: list[tuple[int, tuple[bool, bool]]], patience: Patience, pieces: list[int]
) -> None:
    watch, moment, found = Watch(), 0, list[Change]()
    for i, (wait, (holds, stays)) in enumerate(rows):
        found += watch.until(moment + min(wait, pieces[i] if i < len(pieces) else 0), patience)
        moment += wait
        found += watch.hear(heard(moment, holds, stays), patience)
    assert [*found, *watch.until(moment + 10_000, patience)] == series(rows, patience)
