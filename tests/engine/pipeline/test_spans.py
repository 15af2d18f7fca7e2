"""Spans behave as sets of moments."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fulltape.engine.pipeline.spans import FOREVER, Spans

MOST = 30
BOUNDS = st.tuples(st.integers(0, MOST), st.integers(0, MOST))
CHANGES = st.lists(st.tuples(st.booleans(), BOUNDS), max_size=12)


def changed(changes: list[tuple[bool, tuple[int, int]]]) -> tuple[Spans, set[int]]:
    """Return spans after changes, and the same as a plain set."""
    spans, model = Spans(), set[int]()
    for is_added, (start, end) in changes:
        if is_added:
            spans.add(start, end)
            model |= set(range(start, end))
        else:
            spans.remove(start, end)
            model -= set(range(start, end))
    return spans, model


@given(CHANGES, BOUNDS)
def test_they_are_a_set(changes: list[tuple[bool, tuple[int, int]]], asked: tuple[int, int]) -> None:
    spans, model = changed(changes)
    start, end = asked
    wanted = set(range(start, end))
    assert {time for first, last in spans.items for time in range(first, last)} == model
    assert spans.covers(start, end) == (wanted <= model)
    gaps = spans.gaps(start, end)
    assert {time for first, last in gaps for time in range(first, last)} == wanted - model
    around = spans.around(start)
    assert (around is not None) == (start in model)
    if around is not None:
        assert around in spans.items
        assert around[0] <= start < around[1]


@given(CHANGES)
def test_they_are_in_order_and_never_touch(changes: list[tuple[bool, tuple[int, int]]]) -> None:
    spans, _ = changed(changes)
    bounds = [time for item in spans.items for time in item]
    assert bounds == sorted(set(bounds))


@given(CHANGES, CHANGES)
def test_a_union_is_one(one: list[tuple[bool, tuple[int, int]]], other: list[tuple[bool, tuple[int, int]]]) -> None:
    (left, left_model), (right, right_model) = changed(one), changed(other)
    before = (list(left.items), list(right.items))
    union = Spans.union([left, right])
    assert {time for first, last in union.items for time in range(first, last)} == left_model | right_model
    assert (left.items, right.items) == before


def test_gaps_are_told_oldest_first_and_end_with_what_is_asked() -> None:
    spans = Spans([(10, 20), (30, FOREVER)])
    assert spans.gaps(0, 100) == [(0, 10), (20, 30)]
    assert spans.gaps(12, 18) == spans.gaps(5, 5) == []
    assert spans.covers(40, FOREVER)
