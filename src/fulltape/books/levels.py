"""The best levels of a book, copied: what somebody who looks at it gets, while the book goes on."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

from fulltape.books.l2 import Book

Level = tuple[float, float]
"""Price and size."""


@dataclass(frozen=True, slots=True)
class Levels:
    """Both sides of a book, the best price first. ``trouble`` says why an invalid book is invalid: it has no levels."""

    bids: tuple[Level, ...] = ()
    asks: tuple[Level, ...] = ()
    is_crossed: bool = False
    trouble: str = ""


def levels_of(book: Book, count: int) -> Levels:
    """Return the best ``count`` levels of each side."""
    if not book.is_valid:
        return Levels(trouble=book.trouble)
    bids = tuple(islice(reversed(book.bids.items()), count))
    asks = tuple(islice(book.asks.items(), count))
    return Levels(bids, asks, book.is_crossed)


@dataclass(frozen=True, slots=True)
class Seen:
    """A book as it was at ``clock`` (ingest time, ns), when ``commit`` was the newest; None if there is no book."""

    levels: Levels | None
    commit: int
    clock: int
