"""Wishes: what users want followed, in their words, and which instruments of a venue that means.

A wish is an id (``BTC-USD.COINBASE``), the part of one before the venue (``BTC-USD``), the venue's own symbol
(``XBTUSD``), or a pattern over any of these (``*-USD``, ``BTC-*.BINANCE``), as in `fnmatch`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

import msgspec

from fulltape.errors import did_you_mean
from fulltape.operators.base import GLOBAL
from fulltape.records import Instrument
from fulltape.records.instrument import is_instrument_id
from fulltape.venues.base import Venue
from fulltape.venues.registry import VENUES

_ENDED: Final = frozenset({"delisted", "unlisted", "closed", "settled", "expired", "break"})
"""What venues call an instrument that is gone for good; Binance's word is ``break``."""


class Change(msgspec.Struct, frozen=True):
    """A user's word at run time: follow what ``wish`` covers, or do not. The last word on an instrument counts."""

    wish: str
    follow: bool


class Wishes:
    """What users said at run time, on top of the configuration. Part of every commit that changes it."""

    name = "following"

    def __init__(self) -> None:
        self.changes: tuple[Change, ...] = ()
        self._is_changed = False

    def add(self, wishes: Iterable[str]) -> None:
        """Follow these."""
        for wish in wishes:
            self._say(Change(wish, follow=True))

    def remove(self, wishes: Iterable[str], is_named: Callable[[str], bool]) -> None:
        """Follow these no more; that is remembered only if something else still names them."""
        for wish in wishes:
            self._forget(wish)
            if is_named(wish):
                self._say(Change(wish, follow=False))

    def snapshot(self) -> dict[int, bytes]:
        """Return the wishes if they changed since the last call."""
        changed, self._is_changed = self._is_changed, False
        return {GLOBAL: msgspec.msgpack.encode(self.changes)} if changed else {}

    def restore(self, states: Mapping[int, bytes]) -> None:
        """Take up what was wished for before."""
        if GLOBAL in states:
            self.changes = msgspec.msgpack.decode(states[GLOBAL], type=tuple[Change, ...])

    def _say(self, change: Change) -> None:
        self._forget(change.wish)
        self.changes = (*self.changes, change)

    def _forget(self, wish: str) -> None:
        """Drop the earlier words that ``wish`` covers."""
        self.changes = tuple(one for one in self.changes if not fnmatchcase(one.wish, wish))
        self._is_changed = True


@dataclass(frozen=True, slots=True)
class Resolved:
    """What wishes come to. Nothing is lost: each wish names instruments, or stands in one of the other lists."""

    instruments: tuple[Instrument, ...] = ()
    waiting: tuple[str, ...] = ()
    """What cannot be told before the venue has sent its list."""
    unknown: tuple[str, ...] = ()
    """What the venue does not have, with the nearest name that it has."""
    delisted: tuple[str, ...] = ()
    """The ids of what was asked for by name and is not traded any more."""


class Resolver:
    """Turns wishes into instruments of one venue.

    ``listed`` is the venue's list, None while it has not come. ``seen`` are the venue's instruments that were ever
    followed: until the list comes patterns mean those of them that match, so that a restart finds what went on before.
    """

    def __init__(self, venue: Venue, listed: Sequence[Instrument] | None, seen: Iterable[Instrument] = ()) -> None:
        self._venue = venue
        self._suffix = f".{venue.spec.name}"
        self._listed = listed
        self._seen = {row.id: row for row in seen}
        self._names = {name: row for row in reversed(listed or ()) for name in names_of(row)}

    def resolve(self, wishes: Iterable[str], changes: Sequence[Change] = ()) -> Resolved:
        """Return what ``wishes`` come to after ``changes``, of which those of other venues cover nothing."""
        added = [one.wish for one in changes if one.follow and one.wish.endswith(self._suffix)]
        found: dict[str, Instrument] = {}
        waiting, unknown, delisted = [], [], []
        for wish in dict.fromkeys((*wishes, *added)):
            if is_pattern(wish):
                rows = self._seen.values() if self._listed is None else self._listed
                matching = [row for row in rows if is_traded(row) and matches(wish, row)]
                found.update((row.id, row) for row in matching)
                if self._listed is None:
                    waiting.append(wish)
            elif (row := self.find(wish)) is not None and is_traded(row):
                found[row.id] = row
            elif row is not None:
                delisted.append(row.id)
            elif self._listed is None:
                waiting.append(wish)
            else:
                unknown.append(wish + did_you_mean(wish, self._names))
        instruments = tuple(row for row in found.values() if _last_word(row, changes))
        return Resolved(instruments, tuple(waiting), tuple(unknown), tuple(delisted))

    def find(self, name: str) -> Instrument | None:
        """Return the instrument that a name stands for; one that the venue does not list any more is delisted."""
        row = self._names.get(name)
        if row is not None:
            return row
        known = self._seen.get(name if name.endswith(self._suffix) else name + self._suffix)
        if self._listed is not None and self._venue.spec.lists_all:
            if known is None or not known.price_step:  # without a step nobody but the user has ever named it
                return None
            return msgspec.structs.replace(known, status="delisted")
        return known or self._described(name)

    def _described(self, name: str) -> Instrument | None:
        """Return the instrument as far as a venue's own symbol tells it."""
        try:
            row = self._venue.instrument(name.removesuffix(self._suffix))
        except ValueError:
            return None
        return row if name in (row.id, row.venue_symbol) else None


def is_pattern(wish: str) -> bool:
    """Return whether a wish may mean several instruments."""
    return any(sign in wish for sign in "*?[")


def check_wish(wish: str, venue: Venue) -> None:
    """Raise ValueError for what cannot be an instrument of the venue, whatever its list will say."""
    own, name = venue.spec.name, wish.rpartition(".")[2]
    if name in VENUES and name != own:
        raise ValueError(f"{wish!r} is of {name}, not of {own}")
    if is_pattern(wish) or is_instrument_id(wish if name == own else f"{wish}.{own}"):
        return
    venue.instrument(wish)


def is_traded(instrument: Instrument) -> bool:
    """Return whether the venue has not ended trading in an instrument."""
    return instrument.status not in _ENDED


def names_of(instrument: Instrument) -> tuple[str, str, str]:
    """Return what an instrument may be called: its id, the id without the venue, the venue's own symbol."""
    return instrument.id, instrument.id.removesuffix(f".{instrument.venue}"), instrument.venue_symbol


def matches(wish: str, instrument: Instrument) -> bool:
    """Return whether a wish, pattern or not, covers an instrument."""
    return any(fnmatchcase(name, wish) for name in names_of(instrument))


def _last_word(instrument: Instrument, changes: Sequence[Change]) -> bool:
    return next((one.follow for one in reversed(changes) if matches(one.wish, instrument)), True)


def place(symbols: Sequence[str], placed: Mapping[int, Sequence[str]], most: int) -> dict[int, tuple[str, ...]]:
    """Spread symbols over numbered connections of at most ``most`` each.

    What is placed already stays where it is; the rest goes where there is room, else to new connections. Connections
    that nothing is left for are not in the result.
    """
    wanted, homeless = set(symbols), dict.fromkeys(symbols)
    result: dict[int, list[str]] = {}
    for number, held in placed.items():
        result[number] = [symbol for symbol in held if symbol in wanted]
        for symbol in result[number]:
            homeless.pop(symbol, None)
    number = 1
    for symbol in homeless:
        while len(result.setdefault(number, [])) >= most:
            number += 1
        result[number].append(symbol)
    return {number: tuple(held) for number, held in sorted(result.items()) if held}
