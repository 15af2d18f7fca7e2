"""The copied levels of a book against the plainest book there is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from tests.books.test_l2 import Levels as Rows
from tests.books.test_l2 import book_of, change, levels, snapshot_of

from fulltape.books.l2 import NO_SNAPSHOT, Book
from fulltape.books.levels import Levels, levels_of
from fulltape.records import BookSide

BID, ASK = BookSide.BID, BookSide.ASK


@given(levels, levels)
def test_levels_are_those_of_the_book_the_best_first(snapshot: Rows, deltas: Rows) -> None:
    plain: dict[tuple[BookSide, float], float] = {}
    for side, price, size in [*snapshot, *deltas]:
        plain[side, price] = size
    sides = [
        sorted([(price, size) for (s, price), size in plain.items() if s == side and size > 0], reverse=side == BID)
        for side in (BID, ASK)
    ]
    found = levels_of(book_of(snapshot, deltas), 99)
    assert [list(found.bids), list(found.asks)] == sides
    assert found.is_crossed is bool(sides[0] and sides[1] and sides[0][0] >= (sides[1][0][0], 0.0))
    assert found.trouble == ""


def test_what_was_copied_stays_while_the_book_goes_on() -> None:
    book = book_of([(BID, 9.0, 1.0), (ASK, 11.0, 2.0)])
    before = levels_of(book, 5)
    book.take(change((BID, 9.0, 0.0), (BID, 8.0, 4.0)))
    assert before.bids == ((9.0, 1.0),)
    assert levels_of(book, 5) == Levels(((8.0, 4.0),), ((11.0, 2.0),))


@given(levels, st.integers(1, 9))
def test_no_more_levels_are_copied_than_are_asked_for(snapshot: Rows, count: int) -> None:
    whole, found = (levels_of(book_of(snapshot), n) for n in (99, count))
    assert (found.bids, found.asks) == (whole.bids[:count], whole.asks[:count])


def test_an_empty_book_is_a_book_and_an_invalid_one_shows_no_level() -> None:
    book = Book()
    assert levels_of(book, 5) == Levels(trouble=NO_SNAPSHOT)
    book.take(snapshot_of((BID, 9.0, 1.0)))
    assert levels_of(book, 5) == Levels(bids=((9.0, 1.0),))
    book.invalidate("the connection was lost")
    assert levels_of(book, 5) == Levels(trouble="the connection was lost")
    book.take(snapshot_of())
    assert levels_of(book, 5) == Levels()
