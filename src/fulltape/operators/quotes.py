"""Quotes from books: one row for every message after which the best bid or ask, or a size there, is another.

A book that misses a message, or whose connection is lost, has no top: that is a row too, with nulls.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from fulltape.books.l2 import NO_TOP, Book, Message, Top
from fulltape.operators.base import Step
from fulltape.records import BOOK_DELTAS, QUOTES, Batch, QuoteSource
from fulltape.records.book import CLEAR, LAST, SNAPSHOT
from fulltape.records.columns import NULL_INT
from fulltape.records.events import BooksLost


class _Arrival(NamedTuple):
    instrument: int
    message: Message
    event_time: int
    ingest_time: int


class _Row(NamedTuple):
    instrument: int
    top: Top
    event_time: int
    ingest_time: int


class Quotes:
    """Keeps every instrument's book in memory and tells its top.

    Books are not part of a snapshot: after a restart each is invalid until the venue sends it whole again.
    """

    name = "quotes"

    def __init__(self) -> None:
        self._books: dict[int, Book] = {}
        self._tops: dict[int, Top] = {}
        self._wanted: dict[int, str] = {}

    def book(self, instrument: int) -> Book | None:
        """Return the instrument's book, or None before its first message."""
        return self._books.get(instrument)

    def apply(self, step: Step) -> list[Batch]:
        """Apply book messages in order of arrival, and the loss of books where it belongs among them."""
        rows: list[_Row] = []
        losses = [event for event in step.events if isinstance(event, BooksLost)]
        for arrival in _arrivals(step.batches.get(BOOK_DELTAS.name)):
            while losses and losses[0].ingest_time < arrival.ingest_time:
                self._lose(losses.pop(0), rows)
            self._take(arrival, rows)
        for loss in losses:
            self._lose(loss, rows)
        return [_batch(rows)] if rows else []

    def take_wanted(self) -> dict[int, str]:
        """Return the instruments whose book needs a new snapshot since the last call, and why."""
        wanted, self._wanted = self._wanted, {}
        return wanted

    def snapshot(self) -> dict[int, bytes]:
        """Return nothing: a book is only worth what the venue's next snapshot says."""
        return {}

    def restore(self, states: Mapping[int, bytes]) -> None:
        """Restore nothing."""

    def forget(self, instruments: Iterable[int]) -> None:
        """Drop books."""
        for code in instruments:
            self._books.pop(code, None)
            self._tops.pop(code, None)

    def _take(self, arrival: _Arrival, rows: list[_Row]) -> None:
        book = self._books.get(arrival.instrument)
        if book is None:
            book = self._books[arrival.instrument] = Book()
        was_waiting = book.is_waiting
        book.take(arrival.message)
        if book.is_waiting and (not was_waiting or arrival.message.is_snapshot):
            self._wanted[arrival.instrument] = book.trouble
        self._tell(arrival.instrument, book.top, arrival.event_time, arrival.ingest_time, rows)

    def _lose(self, loss: BooksLost, rows: list[_Row]) -> None:
        for code in sorted(loss.instruments):
            book = self._books.get(code)
            if book is not None:
                book.invalidate("the connection was lost")
                self._tell(code, book.top, loss.ingest_time, loss.ingest_time, rows)

    def _tell(self, code: int, top: Top, event_time: int, ingest_time: int, rows: list[_Row]) -> None:
        # An empty side is one and the same NaN object, so tuples compare as they should.
        if top != self._tops.get(code, NO_TOP):
            self._tops[code] = top
            rows.append(_Row(code, top, event_time, ingest_time))


def _arrivals(deltas: Batch | None) -> Iterator[_Arrival]:
    """Put rows together to messages."""
    if deltas is None:
        return
    names = ("instrument", "side", "price", "size", "flags", "sequence", "previous", "event_time", "ingest_time")
    levels: list[tuple[int, float, float]] = []
    is_snapshot = False
    for code, side, price, size, flags, sequence, previous, event_time, ingest_time in zip(
        *(deltas[name].tolist() for name in names), strict=True
    ):
        is_snapshot = is_snapshot or bool(flags & SNAPSHOT)
        if not flags & CLEAR:
            levels.append((side, price, size))
        if flags & LAST:
            message = Message(levels, is_snapshot, _known(sequence), _known(previous))
            yield _Arrival(code, message, event_time, ingest_time)
            levels, is_snapshot = [], False


def _known(number: int) -> int | None:
    return None if number == NULL_INT else number


def _batch(rows: list[_Row]) -> Batch:
    codes, tops, event_times, ingest_times = zip(*rows, strict=True)
    bids, bid_sizes, asks, ask_sizes = zip(*tops, strict=True)
    return QUOTES.from_columns(
        {
            "instrument": codes,
            "bid": bids,
            "bid_size": bid_sizes,
            "ask": asks,
            "ask_size": ask_sizes,
            "event_time": event_times,
            "ingest_time": ingest_times,
            "source": [QuoteSource.BOOK] * len(rows),
        }
    )
