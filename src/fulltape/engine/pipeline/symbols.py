"""Which of a venue's symbols a connection may bring, as instrument codes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from fulltape.records import Instrument, InstrumentTable
from fulltape.venues.base import Venue


class AskedSymbols:
    """The symbols that a connection subscribed to. Any other is an unknown instrument.

    A symbol that was given up stays: frames that were on their way are good.
    """

    def __init__(self) -> None:
        self._codes: dict[str, int] = {}

    @property
    def codes(self) -> Iterable[int]:
        """The codes of all of them."""
        return self._codes.values()

    def add(self, codes: Mapping[str, int]) -> None:
        """Take more symbols."""
        self._codes.update(codes)

    def code_of(self, venue_symbol: str) -> int | None:
        """Return the code of a symbol that was asked for."""
        return self._codes.get(venue_symbol)


class AnySymbols:
    """Every symbol that is one: a recording tells by itself what was asked for. New ones join the table.

    ``describe`` returns the instrument of a venue's symbol, or raises ValueError.
    """

    def __init__(self, table: InstrumentTable, venue: Venue, describe: Callable[[Venue, str], Instrument]) -> None:
        self._table = table
        self._venue = venue
        self._describe = describe

    def code_of(self, venue_symbol: str) -> int | None:
        """Return the code of a symbol, new or known; None for text that is no symbol of the venue."""
        code = self._table.find_symbol(self._venue.spec.name, venue_symbol)
        if code is not None:
            return code
        try:
            return self._table.add(self._describe(self._venue, venue_symbol))
        except ValueError:
            return None
