"""Depth of books: what lies near the mid, once a second."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conformance.samples import NOON
from tests.operators.test_quotes import ASK, BID, BOOK, message

from fulltape.books.l2 import Book, Message
from fulltape.clock import SECOND_NS
from fulltape.operators.base import Step
from fulltape.operators.depths import DepthConfig, Depths, book_imbalance, depth_within
from fulltape.operators.quotes import Quotes
from fulltape.records import DEPTHS, Batch
from fulltape.records.book import LAST, SNAPSHOT
from fulltape.records.events import BooksLost

Levels = Sequence[tuple[float, float]]
SIDE = st.dictionaries(st.integers(1, 400), st.floats(1e-3, 1e6), min_size=1, max_size=40)


def book(bids: Levels, asks: Levels) -> Book:
    made = Book()
    levels = [(int(BID), price, size) for price, size in bids] + [(int(ASK), price, size) for price, size in asks]
    made.take(Message(levels, is_snapshot=True))
    return made


@given(SIDE, SIDE, st.floats(0.1, 500.0), st.integers(1, 50))
def test_depth_and_imbalance_are_a_count_over_all_levels(
    below: dict[int, float], above: dict[int, float], bp: float, levels: int
) -> None:
    bids = sorted(((1_000.0 - off / 8, size) for off, size in below.items()), reverse=True)
    asks = sorted((1_000.0 + off / 8, size) for off, size in above.items())
    mid = (bids[0][0] + asks[0][0]) / 2
    near = [sum(size for price, size in side if abs(price - mid) <= mid * bp * 1e-4) for side in (bids, asks)]
    assert depth_within(book(bids, asks), bp) == pytest.approx(tuple(near), rel=1e-9)
    best = [sum(size for _, size in side[:levels]) for side in (bids, asks)]
    expected = (best[0] - best[1]) / (best[0] + best[1])
    assert book_imbalance(book(bids, asks), levels) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(
    "shown",
    [Book(), book([(9.0, 1.0)], []), book([], [(9.0, 1.0)]), book([(9.0, 1.0)], [(9.0, 1.0)])],
    ids=["no snapshot", "no asks", "no bids", "crossed"],
)
def test_a_book_that_shows_no_market_has_no_depth(shown: Book) -> None:
    assert all(math.isnan(side) for side in depth_within(shown, 10.0))
    assert math.isnan(book_imbalance(shown, 10))


def rows_of(quotes: Quotes, *messages: Batch, clock: int, lost: Sequence[BooksLost] = ()) -> list[tuple[float, ...]]:
    """Return bid depth, ask depth, imbalance and seconds crossed of each row; -1 for null."""
    step = Step({"book_deltas": Batch.concat(messages)} if messages else {}, clock, lost)
    names = ("bid_depth", "ask_depth", "book_imbalance", "crossed_s")
    found = [batch for batch in quotes.apply(step) if batch.schema is DEPTHS]
    columns = [np.nan_to_num(found[0][name], nan=-1.0).tolist() for name in names] if found else []
    return list(zip(*columns, strict=True))


def wide(levels: int = 10) -> Quotes:
    return Quotes(depths=Depths(DepthConfig(depth_bp=1_500.0, levels=levels)))


def test_a_second_is_told_of_once_when_the_clock_has_passed_it() -> None:
    quotes = wide()
    more = message((BID, 9.0, 3.0, LAST), time=NOON + 10)
    assert rows_of(quotes, BOOK, more, clock=NOON + SECOND_NS - 1) == []
    assert rows_of(quotes, clock=NOON + SECOND_NS) == [(3.0, 2.0, 0.6, 0.0)]
    assert rows_of(quotes, clock=NOON + 9 * SECOND_NS) == []


def test_a_second_that_was_skipped_is_no_row() -> None:
    quotes = wide(levels=1)
    later = message((BID, 9.0, 6.0, LAST), time=NOON + 5 * SECOND_NS)
    assert rows_of(quotes, BOOK, later, clock=NOON + 9 * SECOND_NS) == [(1.0, 2.0, -1 / 3, 0.0), (6.0, 2.0, 0.5, 0.0)]


def test_the_time_that_a_book_was_crossed() -> None:
    quotes, tenth = wide(), SECOND_NS // 10
    crossing = message((BID, 12.0, 1.0, LAST), time=NOON + 8 * tenth)
    still = message((BID, 12.0, 2.0, LAST), time=NOON + 9 * tenth)
    ending = message((BID, 12.0, 0.0, LAST), time=NOON + 13 * tenth)
    after = message((BID, 9.0, 3.0, LAST), time=NOON + 30 * tenth)
    found = rows_of(quotes, BOOK, crossing, still, ending, after, clock=NOON + 60 * SECOND_NS)
    assert [row[3] for row in found] == pytest.approx([0.1, 0.4, 0.0])
    assert [row[0] for row in found] == [-1.0, 1.0, 3.0]


def test_a_lost_book_has_no_depth_until_it_comes_again() -> None:
    quotes = wide()
    lost = BooksLost(NOON + 2 * SECOND_NS, frozenset([0, 7]))
    again = message((BID, 9.0, 1.0, SNAPSHOT), (ASK, 11.0, 1.0, LAST), time=NOON + 3 * SECOND_NS)
    found = rows_of(quotes, BOOK, again, clock=NOON + 9 * SECOND_NS, lost=[lost])
    assert [row[0] for row in found] == [1.0, -1.0, 1.0]


def test_a_longer_slot_and_none_at_all() -> None:
    slow = Quotes(depths=Depths(DepthConfig(every_s=60)))
    later = message((BID, 9.0, 6.0, LAST), time=NOON + 50 * SECOND_NS)
    assert len(rows_of(slow, BOOK, later, clock=NOON + 60 * SECOND_NS)) == 1
    for quotes in (Quotes(), Quotes(depths=Depths(DepthConfig(every_s=0)))):
        assert rows_of(quotes, BOOK, later, clock=NOON + 60 * SECOND_NS) == []
