"""What every parser does with the messages of one kind: build columns, check values, keep the good rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from fulltape.clock import SECOND_NS
from fulltape.records import Array, Batch, Schema
from fulltape.records.batch import split_id
from fulltape.records.columns import high
from fulltape.venues.base import Parsed, Reject, Symbols
from fulltape.venues.times import parse_times
from fulltape.venues.uuids import split_uuids

UNKNOWN_CODE: Final = -1
"""The code of a symbol that nobody asked for."""

_EARLIEST_NS: Final = 1_230_940_800 * SECOND_NS  # 2009-01-03: no market here is older than the first block
_AHEAD_NS: Final = 3_600 * SECOND_NS
_EXCERPT: Final = 100
_INT64_MAX: Final = 2**63 - 1
_DIGITS: Final = 19
"""No id below 2^63 has more."""


class Codes(dict[str, int]):
    """Instrument codes by venue symbol, remembered once found; UNKNOWN_CODE for what is not followed (yet)."""

    def __init__(self, symbols: Symbols) -> None:
        super().__init__()
        self._symbols = symbols

    def __missing__(self, venue_symbol: str) -> int:
        code = self._symbols.code_of(venue_symbol)
        if code is None:
            return UNKNOWN_CODE
        self[venue_symbol] = code
        return code

    def column(self, venue_symbols: Sequence[str]) -> Array:
        """Return the int32 codes of many symbols."""
        return np.array([self[symbol] for symbol in venue_symbols], np.int32)


class Rows:
    """Rows of one kind on their way into a batch.

    Each method adds a column and notes the rows whose value cannot be used; `finish` hands over the good rows and
    one `Reject` for each bad one, with the first reason found. ``frames`` and ``received`` give, for each row, the
    index of its frame in the call and when that was received (ns). Clean data costs one comparison per column.
    """

    def __init__(self, schema: Schema, frames: Array, received: Array) -> None:
        self.schema = schema
        self._frames = frames
        self._received = received
        self._columns: dict[str, Array] = {}
        self._bad: dict[int, Reject] = {}

    def put(self, name: str, values: Sequence[Any] | Array) -> None:
        """Add a column whose values need no check."""
        self._columns[name] = np.asarray(values, self.schema.column(name).dtype)

    def instruments(self, codes: Codes, venue_symbols: Sequence[str]) -> None:
        """Add the instruments; what nobody asked for is bad."""
        column = codes.column(venue_symbols)
        self._columns["instrument"] = column
        self._check("unknown_instrument", column != UNKNOWN_CODE, venue_symbols)

    def ids(self, name: str, numbers: Sequence[int]) -> None:
        """Add a column of ids that are numbers below 2^63."""
        self._columns[name] = np.array(numbers, np.int64)
        self._columns[high(name)] = np.zeros(len(numbers), np.int64)

    def text_ids(self, name: str, texts: Sequence[str]) -> None:
        """Add a column of ids that are decimal digits or UUIDs; any other text is bad."""
        numbers = _decimal_numbers(texts)
        if numbers is not None:
            self.ids(name, numbers)
            return
        halves = split_uuids(texts)
        if halves is not None:
            self._columns[name], self._columns[high(name)] = halves
            return
        pairs = np.array([_split_or_none(text) for text in texts], np.int64).reshape(-1, 3)
        self._columns[name], self._columns[high(name)] = pairs[:, 0].copy(), pairs[:, 1].copy()
        self._check(f"bad_{name}", pairs[:, 2] == 0, texts)

    def times(self, texts: Sequence[str], name: str = "event_time") -> None:
        """Add ``name`` from RFC 3339 texts, and ``ingest_time``; a time that cannot be true is bad."""
        self._take_times(name, parse_times(texts), texts)

    def counted_times(self, counts: Sequence[int], unit_ns: int, name: str = "event_time") -> None:
        """Add ``name`` from counts of ``unit_ns`` since 1970, and ``ingest_time``; a time that cannot be true is bad.

        A count that int64 nanoseconds cannot hold is bad as well.
        """
        try:
            counted = np.array(counts, np.int64)
        except OverflowError:
            counted = np.array([count if 0 <= count <= _INT64_MAX else 0 for count in counts], np.int64)
        is_held = (counted >= 0) & (counted <= _INT64_MAX // unit_ns)
        self._take_times(name, np.where(is_held, counted, 0) * unit_ns, counts)

    def positive(self, name: str, values: Sequence[float]) -> None:
        """Add a column of prices or sizes; whatever is not finite and above zero is bad."""
        column = np.array(values, np.float64)
        self._columns[name] = column
        self._check(f"bad_{name}", (column > 0) & (column < np.inf), values)

    def volumes(self, name: str, values: Sequence[float]) -> None:
        """Add a column of volumes; whatever is not finite or below zero is bad."""
        column = np.array(values, np.float64)
        self._columns[name] = column
        self._check(f"bad_{name}", (column >= 0) & (column < np.inf), values)

    def figures(self, name: str, values: Sequence[float | None], *, zero_is_null: bool = False) -> None:
        """Add a column that may be null; negative and infinite figures are bad, NaN is null."""
        column = np.array(values, np.float64)
        self._check(f"bad_{name}", ~((column < 0) | (column == np.inf)), values)
        self._columns[name] = np.where(column == 0, np.nan, column) if zero_is_null else column

    def finish(self, parsed: Parsed) -> None:
        """Put the good rows and the rejects into ``parsed``."""
        batch, frames = Batch(self.schema, self._columns), self._frames
        if self._bad:
            parsed.rejects.extend(self._bad.values())
            kept = np.ones(len(frames), np.bool_)
            kept[list(self._bad)] = False
            batch, frames = batch.take(kept), frames[kept]
        if len(batch):
            parsed.batches[self.schema.name] = batch
            parsed.frames[self.schema.name] = frames

    def _take_times(self, name: str, times: Array, values: Sequence[Any]) -> None:
        self._columns[name] = times
        self._columns["ingest_time"] = self._received
        self._check("bad_time", is_plausible(times, self._received), values)

    def _check(self, reason: str, is_good: Array, values: Sequence[Any]) -> None:
        if not is_good.all():
            for row in np.flatnonzero(~is_good).tolist():
                self._bad.setdefault(row, Reject(int(self._frames[row]), reason, excerpt(values[row])))


def _decimal_numbers(texts: Sequence[str]) -> list[int] | None:
    """Return ids that are all decimal digits below 2^63, None if one is not."""
    together, lengths = "".join(texts), set(map(len, texts))
    if texts and not (together.isascii() and together.isdecimal() and min(lengths) > 0 and max(lengths) <= _DIGITS):
        return None
    numbers = list(map(int, texts))
    return numbers if max(numbers, default=0) <= _INT64_MAX else None


def _split_or_none(text: str) -> tuple[int, int, int]:
    """Return the halves of an id and 0, or 1 where there is none."""
    try:
        return (*split_id(text), 0)
    except ValueError:
        return (0, 0, 1)


def is_plausible(event_times: Array, received: Array) -> Array:
    """Return which times can be true: not older than any market, not over an hour ahead of our clock."""
    return (event_times >= _EARLIEST_NS) & (event_times <= received + _AHEAD_NS)


def excerpt(value: Any) -> str:
    """Return the beginning of a value, to be shown as the detail of a reject."""
    text = repr(value)
    return text if len(text) <= _EXCERPT else f"{text[:_EXCERPT]}..."
