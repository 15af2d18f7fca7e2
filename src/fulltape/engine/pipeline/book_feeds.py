"""Which connection brings each book, and what its venue promises of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Set

from fulltape.books.l2 import Rule
from fulltape.engine.pipeline.outcome import BookWanted
from fulltape.records import Instrument, InstrumentTable
from fulltape.venues.base import Venue, VenueSpec


class BookFeeds:
    """The connections of books, by instrument."""

    def __init__(self, table: InstrumentTable, venue: Callable[[str], Venue]) -> None:
        self._table = table
        self._venue = venue
        self._feeds: dict[int, str] = {}
        self._rules: dict[int, tuple[Instrument, Rule]] = {}

    def rule(self, code: int) -> Rule:
        """Return what holds for an instrument's book by what is known of the instrument now."""
        instrument = self._table[code]
        known = self._rules.get(code)
        if known is None or known[0] is not instrument:
            known = self._rules[code] = (instrument, _rule(self._venue(instrument.venue).spec, instrument))
        return known[1]

    def note(self, codes: Iterable[int], connection: str) -> None:
        """Note that a connection brought these books."""
        self._feeds.update(dict.fromkeys(codes, connection))

    def of(self, connection: str) -> frozenset[int]:
        """Return the books that a connection brings."""
        return frozenset(code for code, feed in self._feeds.items() if feed == connection)

    def drop(self, codes: Set[int]) -> frozenset[int]:
        """Forget who brings these books; return those of them that somebody brought."""
        brought = frozenset(codes & self._feeds.keys())
        for code in brought:
            del self._feeds[code]
        return brought

    def wanted(self, troubles: Mapping[int, str]) -> list[BookWanted]:
        """Return whom to ask for the books that are in trouble."""
        return [
            BookWanted(feed, self._table[code].venue_symbol, why)
            for code, why in troubles.items()
            if (feed := self._feeds.get(code)) is not None
        ]


def _rule(spec: VenueSpec, instrument: Instrument) -> Rule:
    """Return what the venue promises of an instrument's book; a checksum needs the decimals that the venue writes."""
    check, digits = spec.book_checksum, (instrument.price_digits, instrument.size_digits)
    if check is None or min(digits) < 0:
        return Rule(spec.book_depth)
    return Rule(spec.book_depth, lambda bids, asks: check(bids, asks, *digits))
