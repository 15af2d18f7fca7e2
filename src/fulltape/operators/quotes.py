"""Quotes from books: one row for every message after which the best bid or ask, or a size there, is another.

A book that misses a message, whose checksum fails, whose connection is lost, or whose best bid is at or above its best
ask, has no top: that is a row too, with nulls. A book that stays crossed has lost messages that its venue does not
number, and starts over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from fulltape.books.l2 import NO_RULE, NO_TOP, Book, Message, Rule, Top
from fulltape.clock import SECOND_NS
from fulltape.operators.base import Step
from fulltape.operators.depths import DepthConfig, Depths
from fulltape.records import BOOK_DELTAS, QUOTES, Batch, QuoteSource
from fulltape.records.book import CLEAR, LAST, SNAPSHOT
from fulltape.records.columns import NULL_INT
from fulltape.records.events import BooksLost

CROSSED_NS: Final = SECOND_NS
"""A book may be crossed for so long, between two messages that belong together."""
ASK_AGAIN_NS: Final = 10 * SECOND_NS
"""How long a snapshot that was asked for may take before it is asked for again."""


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


@dataclass(slots=True)
class BookCounters:
    """What became of the books' messages: checksums that were right and wrong, and snapshots that were asked for."""

    verified: int = 0
    failed: int = 0
    resyncs: int = 0


class Quotes:
    """Keeps every instrument's book in memory and tells its top; ``depths`` tells more of it, once in a while.

    ``rule_of`` tells what holds for a book.

    Books are not part of a snapshot: after a restart each is invalid until the venue sends it whole again.
    """

    name = "quotes"

    def __init__(self, rule_of: Callable[[int], Rule] = lambda _: NO_RULE, depths: Depths | None = None) -> None:
        self.counters = BookCounters()
        self._rule_of = rule_of
        self._depths = depths or Depths(DepthConfig(every_s=0))
        self._books: dict[int, Book] = {}
        self._tops: dict[int, Top] = {}
        self._wanted: dict[int, str] = {}
        self._asked: dict[int, int] = {}
        self._crossed: dict[int, int] = {}

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
        told = self._depths.until(step.clock, self._books)
        return [_batch(rows), *told] if rows else told

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
        codes = list(instruments)
        for code in codes:
            for held in (self._books, self._tops, self._wanted, self._asked, self._crossed):
                held.pop(code, None)
        self._depths.forget(codes)

    def _take(self, arrival: _Arrival, rows: list[_Row]) -> None:
        book = self._books.get(arrival.instrument)
        if book is None:
            book = self._books[arrival.instrument] = Book()
        book.rule = self._rule_of(arrival.instrument)
        self._depths.before(arrival.instrument, book, arrival.ingest_time)
        verified, failed = book.verified, book.failed
        book.take(arrival.message)
        self.counters.verified += book.verified - verified
        self.counters.failed += book.failed - failed
        self._watch(arrival, book)
        self._depths.after(arrival.instrument, book, arrival.event_time, arrival.ingest_time)
        top = NO_TOP if arrival.instrument in self._crossed else book.top
        self._tell(arrival.instrument, top, arrival.event_time, arrival.ingest_time, rows)

    def _watch(self, arrival: _Arrival, book: Book) -> None:
        """Note since when a book is crossed, and ask for a snapshot of one that cannot go on without."""
        code, now = arrival.instrument, arrival.ingest_time
        if book.is_valid and book.is_crossed:
            if now - self._crossed.setdefault(code, now) >= CROSSED_NS:
                book.invalidate(f"crossed: bid {book.top.bid} and ask {book.top.ask}")
        else:
            self._crossed.pop(code, None)
        if book.is_valid:
            # A checksum that fails again right after a new snapshot must not cost a snapshot each time.
            if arrival.message.checksum is None or now - self._asked.get(code, 0) >= ASK_AGAIN_NS:
                self._asked.pop(code, None)
        elif code not in self._asked or _is_too_old(arrival.message) or now - self._asked[code] >= ASK_AGAIN_NS:
            self._asked[code] = now
            self._wanted[code] = book.trouble
            self.counters.resyncs += 1

    def _lose(self, loss: BooksLost, rows: list[_Row]) -> None:
        for code in sorted(loss.instruments):
            book = self._books.get(code)
            if book is not None:
                self._depths.before(code, book, loss.ingest_time)
                book.invalidate("the connection was lost")
                self._depths.after(code, book, loss.ingest_time, loss.ingest_time)
                self._tell(code, book.top, loss.ingest_time, loss.ingest_time, rows)

    def _tell(self, code: int, top: Top, event_time: int, ingest_time: int, rows: list[_Row]) -> None:
        # An empty side is one and the same NaN object, so tuples compare as they should.
        if top != self._tops.get(code, NO_TOP):
            self._tops[code] = top
            rows.append(_Row(code, top, event_time, ingest_time))


def _is_too_old(message: Message) -> bool:
    """Return whether this is a snapshot that did not help but a newer one will, unlike one whose checksum fails."""
    return message.is_snapshot and message.checksum is None


def _arrivals(deltas: Batch | None) -> Iterator[_Arrival]:
    """Put rows together to messages."""
    if deltas is None:
        return
    proofs = ("sequence", "previous", "checksum")
    names = ("instrument", "side", "price", "size", "flags", *proofs, "event_time", "ingest_time")
    levels: list[tuple[int, float, float]] = []
    is_snapshot = False
    for code, side, price, size, flags, sequence, previous, checksum, event_time, ingest_time in zip(
        *(deltas[name].tolist() for name in names), strict=True
    ):
        is_snapshot = is_snapshot or bool(flags & SNAPSHOT)
        if not flags & CLEAR:
            levels.append((side, price, size))
        if flags & LAST:
            message = Message(levels, is_snapshot, _known(sequence), _known(previous), _known(checksum))
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
