"""Symbols as older systems wrote them, and the instruments they mean.

They knew one venue, so a name was enough: ``XBTUSDT``. Here an instrument is called so as long as no other is; when
several venues have it, each goes by its id.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Final

from litestar.exceptions import ClientException, NotFoundException

from fulltape.records import Instrument

_OLD_NAMES: Final = {"BTC": "XBT"}
_UNPROCESSABLE: Final = 422


class Symbols:
    """Look-ups both ways among the instruments known now."""

    def __init__(self, instruments: Iterable[Instrument]) -> None:
        self._by_id: dict[str, Instrument] = {}
        self._by_venue_symbol: dict[str, list[Instrument]] = {}
        self._by_old_name: dict[str, list[Instrument]] = {}
        for row in instruments:
            self._by_id[row.id] = row
            self._by_venue_symbol.setdefault(row.venue_symbol, []).append(row)
            self._by_old_name.setdefault(_old_name(row), []).append(row)

    def meant_by(self, symbol: str) -> list[Instrument]:
        """Return what a text means: an id, then a venue's own symbol, then one as BitMEX writes it."""
        if symbol in self._by_id:
            return [self._by_id[symbol]]
        return self._by_venue_symbol.get(symbol) or self._by_old_name.get(symbol) or []

    def find(self, symbol: str) -> Instrument:
        """Return the instrument; a 404 with the nearest names if there is none, a 422 with the ids of several."""
        found = self.meant_by(symbol)
        if not found:
            names = [*self._by_old_name, *self._by_venue_symbol, *self._by_id]
            near = difflib.get_close_matches(symbol.upper(), dict.fromkeys(names), n=3, cutoff=0.5)
            hint = f"; the nearest are {', '.join(near)}" if near else ""
            raise NotFoundException(f"unknown symbol {symbol!r}{hint}")
        if len(found) > 1:
            ids = ", ".join(row.id for row in found)
            raise ClientException(
                f"{symbol!r} is traded in several places, name one: {ids}", status_code=_UNPROCESSABLE
            )
        return found[0]

    def name_of(self, instrument_id: str) -> str:
        """Return what an instrument is called: the shortest old name that means it alone."""
        row = self._by_id[instrument_id]
        names = (_old_name(row), row.venue_symbol)
        return next((name for name in names if self.meant_by(name) == [row]), row.id)


def _old_name(row: Instrument) -> str:
    """Return ``XBTUSDT`` for Bitcoin in Tether, wherever it is traded."""
    return f"{_OLD_NAMES.get(row.base, row.base)}{row.quote}"
