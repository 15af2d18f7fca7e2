"""The L2 book against the plainest book there is."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from fulltape.books.l2 import Book
from fulltape.records import BookSide
from fulltape.records.book import CLEAR, LAST, SNAPSHOT

BID, ASK = BookSide.BID, BookSide.ASK
sides = st.sampled_from([BID, ASK])
ticks = st.integers(1, 20).map(lambda n: n / 4)
levels = st.lists(st.tuples(sides, ticks, st.integers(0, 3).map(float)), max_size=30)
Levels = list[tuple[BookSide, float, float]]


def book_of(snapshot: Levels, deltas: Levels = []) -> Book:  # noqa: B006 - never changed
    book = Book()
    book.apply(BID, 0.0, 0.0, SNAPSHOT | CLEAR)
    for side, price, size in [*snapshot, *deltas]:
        book.apply(side, price, size, LAST)
    return book


@given(levels, levels)
def test_snapshot_and_deltas_are_the_book_rebuilt(snapshot: Levels, deltas: Levels) -> None:
    book = book_of(snapshot, deltas)
    plain: dict[tuple[BookSide, float], float] = {}
    for side, price, size in [*snapshot, *deltas]:
        plain[side, price] = size
    for side, held in ((BID, book.bids), (ASK, book.asks)):
        assert dict(held) == {price: size for (s, price), size in plain.items() if s == side and size > 0}
    bids, asks = list(book.bids), list(book.asks)
    assert (book.top.bid, book.top.ask) == (max(bids, default=book.top.bid), min(asks, default=book.top.ask))
    assert book.is_crossed is bool(bids and asks and max(bids) >= min(asks))


@given(levels, levels)
def test_a_snapshot_forgets_what_was_before(before: Levels, snapshot: Levels) -> None:
    book = book_of(before)
    book.apply(BID, 0.0, 0.0, SNAPSHOT | CLEAR)
    for side, price, size in snapshot:
        book.apply(side, price, size, 0)
    assert (dict(book.bids), dict(book.asks)) == (dict(book_of(snapshot).bids), dict(book_of(snapshot).asks))


def test_deltas_before_the_first_snapshot_are_ignored() -> None:
    book = Book()
    book.apply(BID, 1.0, 1.0, LAST)
    assert not book.is_valid
    assert not book.bids


def test_the_first_row_of_a_snapshot_counts() -> None:
    book = Book()
    book.apply(ASK, 2.0, 5.0, SNAPSHOT)
    assert book.is_valid
    assert (book.top.ask, book.top.ask_size) == (2.0, 5.0)


def test_an_empty_side_has_no_top() -> None:
    top = book_of([(BID, 1.0, 2.0)]).top
    assert (top.bid, top.bid_size) == (1.0, 2.0)
    assert math.isnan(top.ask)
    assert math.isnan(top.ask_size)


def test_a_locked_book_is_crossed() -> None:
    assert book_of([(BID, 2.0, 1.0), (ASK, 2.0, 1.0)]).is_crossed
    assert not book_of([(BID, 1.0, 1.0), (ASK, 2.0, 1.0)]).is_crossed


def test_a_book_that_is_not_trusted_waits_for_a_snapshot() -> None:
    book = book_of([(BID, 1.0, 1.0)])
    book.invalidate()
    book.apply(BID, 2.0, 1.0, LAST)
    assert dict(book.bids) == {1.0: 1.0}
    book.apply(BID, 3.0, 1.0, SNAPSHOT | LAST)
    assert dict(book.bids) == {3.0: 1.0}
