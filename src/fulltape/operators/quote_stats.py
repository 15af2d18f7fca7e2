"""Statistics of quotes: the newest one of each second, alone and beside those of the same product at other venues.

A row is the state at the end of a second of the ingest clock, which all venues share, in which the instrument's quote
changed. Of two quotes of an instrument the one with the later event time is newer, of two at one time the one received
later. One whose time is a mistake (`fulltape.operators.newest`) gives way to any that is none, and takes its place only
when nothing else has come for a minute. Compared are the newest quotes that have both sides and are not older than
``age_s`` by either of their times.
A row comes out when the clock has passed its second.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np

from fulltape.clock import SECOND_NS
from fulltape.operators.across import Across, across
from fulltape.operators.base import Step
from fulltape.operators.newest import AHEAD_NS
from fulltape.operators.spread import microprice, mid, spread_bp
from fulltape.records import QUOTE_STATS, QUOTES, Array, Batch

_QUOTE: Final = ("bid", "bid_size", "ask", "ask_size", "event_time", "ingest_time")


class QuoteStatConfig(msgspec.Struct, frozen=True):
    """How old (s) a quote may be to be compared, and from how many MAD on it is an outlier."""

    age_s: float = 60.0
    outlier_mads: float = 5.0


class _Held(msgspec.Struct, array_like=True):
    """The newest quote of an instrument. ``is_due``: no row has told of it yet."""

    bid: float
    bid_size: float
    ask: float
    ask_size: float
    event_time: int
    ingest_time: int
    is_due: bool = True

    @property
    def second(self) -> int:
        """The second of the ingest clock that it came in."""
        return self.ingest_time // SECOND_NS

    @property
    def is_ahead(self) -> bool:
        """Whether its time is a mistake, or its venue's clock that far ahead."""
        return self.event_time > self.ingest_time + AHEAD_NS

    def gives_way_to(self, other: _Held) -> bool:
        """Return whether another quote of the instrument, which came after, is newer."""
        if self.is_ahead is not other.is_ahead:
            return self.is_ahead or other.ingest_time > self.ingest_time + AHEAD_NS
        return (self.event_time, self.ingest_time) <= (other.event_time, other.ingest_time)

    def counts(self, since: int) -> bool:
        """Return whether it may be compared: both sides are there, and neither time is before ``since`` (ns)."""
        has_sides = not (math.isnan(self.bid) or math.isnan(self.ask))
        return has_sides and min(self.event_time, self.ingest_time) >= since


class _Row(NamedTuple):
    code: int
    held: _Held
    across: Across


class QuoteStats:
    """Makes `QUOTE_STATS` of `QUOTES`. ``product_of`` tells what is the same product: text for an instrument."""

    name = "quote_stats"

    def __init__(self, product_of: Callable[[int], str], config: QuoteStatConfig | None = None) -> None:
        self._product_of = product_of
        self._config = config or QuoteStatConfig()
        self._held: dict[int, _Held] = {}
        self._products: dict[str, set[int]] = {}
        self._due: dict[int, set[int]] = {}
        self._unsaved: set[int] = set()

    def apply(self, step: Step) -> list[Batch]:
        """Take quotes, and return the rows of the seconds that the clock has passed."""
        rows: list[_Row] = []
        for second, code, held in _newest(step.batches.get(QUOTES.name)):
            self._settle(second, rows)
            self._take(code, held)
        self._settle(step.clock // SECOND_NS, rows)
        return [self._batch(rows)] if rows else []

    def snapshot(self) -> dict[int, bytes]:
        """Return the newest quote of each instrument that changed since the last call."""
        unsaved, self._unsaved = self._unsaved, set()
        return {code: msgspec.msgpack.encode(self._held[code]) for code in sorted(unsaved)}

    def restore(self, states: Mapping[int, bytes]) -> None:
        """Take up where those quotes ended."""
        for code, data in states.items():
            self._hold(code, msgspec.msgpack.decode(data, type=_Held))

    def forget(self, instruments: Iterable[int]) -> None:
        """Drop the quotes of instruments: they are compared no more."""
        for code in instruments:
            if code in self._held:
                self._products[self._product_of(code)].discard(code)
                self._due.get(self._held.pop(code).second, set()).discard(code)
                self._unsaved.discard(code)

    def _take(self, code: int, held: _Held) -> None:
        before = self._held.get(code)
        if before is None or before.gives_way_to(held):
            if before is not None:
                self._due.get(before.second, set()).discard(code)
            self._hold(code, held)
            self._unsaved.add(code)

    def _hold(self, code: int, held: _Held) -> None:
        self._held[code] = held
        self._products.setdefault(self._product_of(code), set()).add(code)
        if held.is_due:
            self._due.setdefault(held.second, set()).add(code)

    def _settle(self, until: int, rows: list[_Row]) -> None:
        """Tell of what is due in seconds before ``until``, second by second."""
        for second in sorted(second for second in self._due if second < until):
            known: dict[str, Across] = {}
            for code in sorted(self._due.pop(second)):
                held, product = self._held[code], self._product_of(code)
                if product not in known:
                    known[product] = self._across(product, (second + 1) * SECOND_NS)
                rows.append(_Row(code, held, known[product]))
                self._held[code] = msgspec.structs.replace(held, is_due=False)
                self._unsaved.add(code)

    def _across(self, product: str, end: int) -> Across:
        since = end - round(self._config.age_s * SECOND_NS)
        quotes = [self._held[code] for code in sorted(self._products[product])]
        return across([(held.bid, held.ask) for held in quotes if held.counts(since)])

    def _batch(self, rows: list[_Row]) -> Batch:
        codes, quotes, together = zip(*rows, strict=True)
        quote = {name: np.array([getattr(held, name) for held in quotes]) for name in _QUOTE}
        bid, ask = quote["bid"], quote["ask"]
        mids = mid(bid, ask)
        own = {
            **quote,
            "spread": ask - bid,
            "spread_bp": spread_bp(bid, ask),
            "mid": mids,
            "microprice": microprice(bid, quote["bid_size"], ask, quote["ask_size"]),
        }
        columns: dict[str, Sequence[Any]] = {name: array.tolist() for name, array in own.items()}
        columns |= {name: [getattr(one, name) for one in together] for name in Across._fields}
        prices = list(zip(together, mids.tolist(), strict=True))
        columns["premium_bp"] = [one.premium_bp(price) for one, price in prices]
        columns["is_outlier"] = [one.is_outlier(price, self._config.outlier_mads) for one, price in prices]
        return QUOTE_STATS.from_columns({**columns, "instrument": codes})


def _newest(quotes: Batch | None) -> Iterator[tuple[int, int, _Held]]:
    """Yield (second, instrument, quote) of the newest quote of each instrument and second, in order of the seconds."""
    if quotes is None or not len(quotes):
        return
    second, code = quotes["ingest_time"] // SECOND_NS, quotes["instrument"]
    is_true = quotes["event_time"] <= quotes["ingest_time"] + AHEAD_NS
    order = np.lexsort((quotes["ingest_time"], quotes["event_time"], is_true, code, second))
    last = order[_ends(second[order], code[order])]
    columns: list[list[Any]] = [quotes[name][last].tolist() for name in _QUOTE]
    for at, instrument, *figures in zip(second[last].tolist(), code[last].tolist(), *columns, strict=True):
        yield at, instrument, _Held(*figures)


def _ends(*columns: Array) -> Array:
    """Return the positions of the last row of each run of rows that are equal in all columns."""
    differs = np.any([column[1:] != column[:-1] for column in columns], axis=0)
    return np.append(np.flatnonzero(differs), len(columns[0]) - 1)
