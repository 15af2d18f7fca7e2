"""Depth of books, once in a while: sizes near the mid, imbalance of the best levels, how long a book was crossed.

With mid = (best bid + best ask) / 2, ``bid_depth`` is the size of all bids at or above mid (1 - x / 10^4) and
``ask_depth`` that of all asks at or below mid (1 + x / 10^4): within x bp. ``book_imbalance`` is (Qb - Qa) / (Qb + Qa)
of the sizes on the best n levels of each side. A book is crossed from the message after which its best bid is at or
above its best ask until the next one after which it is not, or until it is given up.

The ingest clock is cut into slots of `DepthConfig.every_s`, one second unless told; a row tells of the book after its
last message in one, and comes out when the clock has passed it. The books are those of `fulltape.operators.quotes`,
which calls `before` and `after` each message.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from fulltape.books.l2 import Book
from fulltape.clock import SECOND_NS
from fulltape.records import DEPTHS, Batch

_NAN: Final = math.nan
_BP: Final = 1e-4


class DepthConfig(msgspec.Struct, frozen=True):
    """How often (s) depth is told (0: never), within how many bp of the mid, the imbalance over how many levels."""

    every_s: int = 1
    depth_bp: float = 10.0
    levels: int = 10


class _Pending(msgspec.Struct):
    """What no row has told of yet: the newest message of a slot of time, and how long (ns) the book was crossed."""

    slot: int
    event_time: int
    ingest_time: int
    crossed_ns: int


class _Row(NamedTuple):
    slot: int
    instrument: int
    bid_depth: float
    ask_depth: float
    book_imbalance: float
    crossed_s: float
    event_time: int
    ingest_time: int


class Depths:
    """Collects the rows of `DEPTHS` while books change. Nothing of it outlives the process, like the books."""

    def __init__(self, config: DepthConfig | None = None) -> None:
        self._config = config or DepthConfig()
        self._every = self._config.every_s * SECOND_NS
        self._pending: dict[int, _Pending] = {}
        self._crossed: dict[int, int] = {}
        self._rows: list[_Row] = []

    def before(self, code: int, book: Book, ingest_time: int) -> None:
        """Tell of the slot before if a message at ``ingest_time`` begins another."""
        pending = self._pending.get(code)
        if pending is not None and pending.slot < ingest_time // self._every:
            self._tell(code, book)

    def after(self, code: int, book: Book, event_time: int, ingest_time: int) -> None:
        """Note that a message has changed the book, or that it was lost."""
        if not self._every:
            return
        slot = ingest_time // self._every
        pending = self._pending.setdefault(code, _Pending(slot, event_time, ingest_time, 0))
        since = self._crossed.pop(code, None)
        if since is not None:
            pending.crossed_ns += max(0, ingest_time - since)
        pending.event_time, pending.ingest_time = event_time, ingest_time
        if book.is_valid and book.is_crossed:
            self._crossed[code] = ingest_time

    def until(self, clock: int, books: Mapping[int, Book]) -> list[Batch]:
        """Return the rows of every slot before ``clock`` (ns)."""
        if not self._pending and not self._rows:
            return []
        slot = clock // self._every
        for code in [code for code, pending in self._pending.items() if pending.slot < slot]:
            self._tell(code, books[code])
        rows, self._rows = sorted(self._rows), []
        return [self._batch(rows)] if rows else []

    def forget(self, instruments: Iterable[int]) -> None:
        """Drop what is pending of instruments."""
        for code in instruments:
            self._pending.pop(code, None)
            self._crossed.pop(code, None)

    def _tell(self, code: int, book: Book) -> None:
        pending = self._pending.pop(code)
        bid_depth, ask_depth = depth_within(book, self._config.depth_bp)
        imbalance = book_imbalance(book, self._config.levels)
        times = (pending.event_time, pending.ingest_time)
        crossed_s = pending.crossed_ns / SECOND_NS
        self._rows.append(_Row(pending.slot, code, bid_depth, ask_depth, imbalance, crossed_s, *times))

    def _batch(self, rows: list[_Row]) -> Batch:
        columns: dict[str, Sequence[Any]] = dict(zip(_Row._fields, zip(*rows, strict=True), strict=True))
        columns["depth_bp"] = [self._config.depth_bp] * len(rows)
        columns["levels"] = [self._config.levels] * len(rows)
        return DEPTHS.from_columns(columns)


def depth_within(book: Book, bp: float) -> tuple[float, float]:
    """Return the sizes of the bids and of the asks within ``bp`` of the mid; NaN for a book that shows no market."""
    if not _shows_market(book):
        return _NAN, _NAN
    mid = (book.top.bid + book.top.ask) / 2.0
    lowest, highest = mid * (1.0 - bp * _BP), mid * (1.0 + bp * _BP)
    bids = sum(book.bids[price] for price in book.bids.irange(lowest, None))
    asks = sum(book.asks[price] for price in book.asks.irange(None, highest))
    return float(bids), float(asks)


def book_imbalance(book: Book, levels: int) -> float:
    """Return (Qb - Qa) / (Qb + Qa) of the best ``levels`` levels of each side; NaN for a book that shows no market."""
    if not _shows_market(book):
        return _NAN
    bids = sum(book.bids[price] for price in itertools.islice(reversed(book.bids), levels))
    asks = sum(itertools.islice(book.asks.values(), levels))
    return float((bids - asks) / (bids + asks))


def _shows_market(book: Book) -> bool:
    return bool(book.is_valid and book.bids and book.asks and not book.is_crossed)
