"""The L2 book against the plainest book there is."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from fulltape.books.l2 import NO_TOP, Book, Message
from fulltape.records import BookSide

BID, ASK = BookSide.BID, BookSide.ASK
sides = st.sampled_from([BID, ASK])
ticks = st.integers(1, 20).map(lambda n: n / 4)
levels = st.lists(st.tuples(sides, ticks, st.integers(0, 3).map(float)), max_size=30)
Level = tuple[BookSide, float, float]
Levels = list[Level]


def snapshot_of(*rows: Level, sequence: int | None = None) -> Message:
    return Message(rows, is_snapshot=True, sequence=sequence)


def change(*rows: Level, sequence: int | None = None, previous: int | None = None) -> Message:
    return Message(rows, is_snapshot=False, sequence=sequence, previous=previous)


def book_of(snapshot: Levels, deltas: Levels = []) -> Book:  # noqa: B006 - never changed
    book = Book()
    book.take(snapshot_of(*snapshot))
    for row in deltas:
        book.take(change(row))
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
    book.take(snapshot_of(*snapshot))
    assert (dict(book.bids), dict(book.asks)) == (dict(book_of(snapshot).bids), dict(book_of(snapshot).asks))


def test_deltas_before_the_first_snapshot_are_ignored() -> None:
    book = Book()
    book.take(change((BID, 1.0, 1.0)))
    assert (book.is_valid, book.top) == (False, NO_TOP)
    assert not book.bids


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
    book.invalidate("the connection was lost")
    book.take(change((BID, 2.0, 1.0)))
    assert (book.top, book.trouble) == (NO_TOP, "the connection was lost")
    book.take(snapshot_of((BID, 3.0, 1.0)))
    assert (dict(book.bids), book.trouble) == ({3.0: 1.0}, "")


def test_what_came_before_the_snapshot_is_held_and_follows_it() -> None:
    book = Book()
    for n in range(1, 6):
        book.take(change((BID, float(n), 1.0), sequence=10 * n, previous=10 * (n - 1)))
    book.take(snapshot_of((ASK, 9.0, 1.0), sequence=25))
    assert (dict(book.bids), book.reached) == ({3.0: 1.0, 4.0: 1.0, 5.0: 1.0}, 50)


def test_what_the_book_has_already_is_dropped() -> None:
    book = Book()
    book.take(snapshot_of((BID, 1.0, 1.0), sequence=7))
    book.take(change((BID, 1.0, 9.0), sequence=7, previous=6))
    book.take(change((BID, 2.0, 1.0), sequence=8, previous=7))
    assert (dict(book.bids), book.reached) == ({1.0: 1.0, 2.0: 1.0}, 8)


def test_a_missing_message_makes_the_book_invalid_until_a_snapshot_fills_it() -> None:
    book = Book()
    book.take(snapshot_of((BID, 1.0, 1.0), sequence=7))
    book.take(change((BID, 2.0, 1.0), sequence=9, previous=8))
    assert book.top == NO_TOP
    assert book.trouble == "message 9 follows 8, the book is at 7"
    book.take(snapshot_of((BID, 5.0, 1.0), sequence=8))
    assert (book.top.bid, book.reached) == (5.0, 9)


def test_a_snapshot_that_is_too_old_leaves_the_book_waiting() -> None:
    book = Book()
    book.take(change((BID, 1.0, 1.0), sequence=20, previous=19))
    book.take(snapshot_of((BID, 5.0, 1.0), sequence=10))
    assert not book.is_valid
    book.take(snapshot_of((BID, 5.0, 1.0), sequence=19))
    assert (dict(book.bids), book.reached) == ({5.0: 1.0, 1.0: 1.0}, 20)


@given(st.lists(st.tuples(ticks, st.integers(0, 3).map(float)), min_size=1, max_size=30), st.data())
def test_a_snapshot_at_any_moment_gives_the_same_book(changes: list[tuple[float, float]], data: st.DataObject) -> None:
    messages = [change((BID, *c), sequence=n, previous=n - 1) for n, c in enumerate(changes, 1)]
    whole = book_of([])
    whole.reached = 0
    for message in messages:
        whole.take(message)
    at = data.draw(st.integers(0, len(messages)))
    shown = {price: size for price, size in changes[:at]}
    arrives = data.draw(st.integers(at, len(messages)))
    late = Book()
    for message in messages[:arrives]:
        late.take(message)
    late.take(snapshot_of(*((BID, price, size) for price, size in shown.items()), sequence=at))
    for message in messages[arrives:]:
        late.take(message)
    assert dict(late.bids) == dict(whole.bids)
