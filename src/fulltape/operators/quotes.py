"""Quotes from books: one row for every message after which the best bid or ask, or a size there, is another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fulltape.books.l2 import Book, Top
from fulltape.operators.base import Step
from fulltape.records import BOOK_DELTAS, QUOTES, Batch, QuoteSource
from fulltape.records.book import LAST


class Quotes:
    """Keeps every instrument's book in memory and tells its top.

    Books are not part of a snapshot: after a restart each is invalid until the venue sends it whole again.
    """

    name = "quotes"

    def __init__(self) -> None:
        self._books: dict[int, Book] = {}
        self._tops: dict[int, Top] = {}

    def book(self, instrument: int) -> Book | None:
        """Return the instrument's book, or None before its first message."""
        return self._books.get(instrument)

    def apply(self, step: Step) -> list[Batch]:
        """Apply book deltas; a row is judged once its message is complete."""
        deltas = step.batches.get(BOOK_DELTAS.name)
        if deltas is None:
            return []
        rows: list[tuple[int, Top, int, int]] = []
        names = ("instrument", "side", "price", "size", "flags", "event_time", "ingest_time")
        for code, side, price, size, flags, event_time, ingest_time in zip(
            *(deltas[name].tolist() for name in names), strict=True
        ):
            book = self._books.get(code)
            if book is None:
                book = self._books[code] = Book()
            book.apply(side, price, size, flags)
            if flags & LAST and book.is_valid:
                top = book.top
                if top != self._tops.get(code):
                    self._tops[code] = top
                    rows.append((code, top, event_time, ingest_time))
        return [_batch(rows)] if rows else []

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


def _batch(rows: list[tuple[int, Top, int, int]]) -> Batch:
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
