"""Instruments as the API looks them up."""

from __future__ import annotations

from fulltape.api.backend import Backend
from fulltape.api.problems import unknown_instrument
from fulltape.records import Instrument, InstrumentTable


class Catalogue:
    """The backend's instruments with look-ups both ways, built again only when they have changed.

    May be used from any thread: two that find it outdated both build the same.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._built: tuple[tuple[Instrument, ...], InstrumentTable] = ((), InstrumentTable())

    def table(self) -> InstrumentTable:
        """Return the instruments known now; nobody changes the table."""
        instruments = self._backend.instruments()
        seen, table = self._built
        if seen != instruments:
            table = InstrumentTable(instruments)
            self._built = (instruments, table)
        return table

    def code_of(self, instrument: str) -> int:
        """Return the code of an instrument; a 404 that names the nearest if there is none."""
        table = self.table()
        try:
            return table.code_of(instrument)
        except KeyError:
            raise unknown_instrument(instrument, table.ids()) from None
