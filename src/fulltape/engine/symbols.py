"""Which of a venue's symbols a connection may bring, as instrument codes."""

from __future__ import annotations

from fulltape.records import InstrumentTable
from fulltape.venues.base import Venue


class AskedSymbols:
    """The symbols that a connection subscribed to. Any other is an unknown instrument."""

    def __init__(self, codes: dict[str, int]) -> None:
        self._codes = codes

    def code_of(self, venue_symbol: str) -> int | None:
        """Return the code of a symbol that was asked for."""
        return self._codes.get(venue_symbol)


class AnySymbols:
    """Every symbol that is one: a recording tells by itself what was asked for. New ones join the table."""

    def __init__(self, table: InstrumentTable, venue: Venue) -> None:
        self._table = table
        self._venue = venue

    def code_of(self, venue_symbol: str) -> int | None:
        """Return the code of a symbol, new or known; None for text that is no symbol of the venue."""
        code = self._table.find_symbol(self._venue.spec.name, venue_symbol)
        if code is not None:
            return code
        try:
            return self._table.add(self._venue.instrument(venue_symbol))
        except ValueError:
            return None
