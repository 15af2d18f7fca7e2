"""Instruments: what is traded, and the integer codes that stand for them in columns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

LINEAR: Final = "linear"
INVERSE: Final = "inverse"
QUANTO: Final = "quanto"

_ID = re.compile(r"[A-Z0-9][A-Z0-9.$+_]*(-[A-Z0-9.$+_]+)+\.[A-Z0-9]+\Z")


class Instrument(msgspec.Struct, frozen=True):
    """A normalised product. ``id`` is ``BASE-QUOTE.VENUE``; steps are 0 while the venue has not told them.

    ``contract`` says what the venue's sizes count: units of the base currency where it is empty, else contracts.
    ``contract_size`` is what one contract stands for, 0 while that is unknown: units of base if it is ``linear``, of
    quote if ``inverse``; of neither if ``quanto``, whose sizes stay contracts. ``price_digits`` and ``size_digits`` are
    the decimals that the venue writes, -1 while it has not told them.
    """

    id: str
    venue: str
    venue_symbol: str
    base: str
    quote: str
    price_step: float = 0.0
    size_step: float = 0.0
    status: str = "online"
    contract: str = ""
    contract_size: float = 0.0
    price_digits: int = -1
    size_digits: int = -1


def instrument_id(base: str, quote: str, venue: str) -> str:
    """Return ``BASE-QUOTE.VENUE``."""
    return f"{base}-{quote}.{venue}"


def is_instrument_id(text: str) -> bool:
    """Return whether ``text`` has the form ``BTC-USD.COINBASE``."""
    return _ID.match(text) is not None


class InstrumentTable:
    """Every instrument this database has seen. Codes count from 0 in order of first sight and never change.

    Changes are collected until `take_changes`, so that a commit writes an instrument before the first row that
    names it. Not thread-safe: the engine's thread owns it; readers take a copy of what they need.
    """

    def __init__(self, instruments: Iterable[Instrument] = ()) -> None:
        self._rows: list[Instrument] = list(instruments)
        self._codes = {row.id: code for code, row in enumerate(self._rows)}
        self._symbols = {(row.venue, row.venue_symbol): code for code, row in enumerate(self._rows)}
        self._changed: dict[int, Instrument] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Instrument]:
        return iter(tuple(self._rows))

    def __getitem__(self, code: int) -> Instrument:
        return self._rows[code]

    def id_of(self, code: int) -> str:
        """Return the id of ``code``."""
        return self._rows[code].id

    def product_of(self, code: int) -> str:
        """Return what is traded, whatever the venue: the same base, quote and contract."""
        return self._rows[code].id.rpartition(".")[0]

    def code_of(self, instrument_id: str) -> int:
        """Return the code of an id; KeyError if it was never added."""
        return self._codes[instrument_id]

    def find_symbol(self, venue: str, venue_symbol: str) -> int | None:
        """Return the code of a venue's own symbol, or None."""
        return self._symbols.get((venue, venue_symbol))

    def ids(self) -> tuple[str, ...]:
        """Return every id, by code."""
        return tuple(row.id for row in self._rows)

    def add(self, instrument: Instrument) -> int:
        """Add an instrument, or update the one with its id, and return its code."""
        code = self._codes.get(instrument.id)
        if code is None:
            code = len(self._rows)
            self._rows.append(instrument)
            self._codes[instrument.id] = code
        elif self._rows[code] == instrument:
            return code
        else:
            self._rows[code] = instrument
        self._symbols[instrument.venue, instrument.venue_symbol] = code
        self._changed[code] = instrument
        return code

    def take_changes(self) -> dict[int, Instrument]:
        """Return what was added or updated since the last call, by code."""
        changed, self._changed = self._changed, {}
        return changed
