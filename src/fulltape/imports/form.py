"""The form of records that are brought: which columns, which may be left out, which values can be true."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final

import msgspec
import numpy as np
import pyarrow as pa

from fulltape.clock import SECOND_NS, format_rfc3339
from fulltape.errors import ConfigError, did_you_mean
from fulltape.imports.convert import Converted, convert
from fulltape.imports.kinds import Kind
from fulltape.records import BARS, COINS, QUOTES, TICKERS, TRADES, Array, Batch, Instrument, Origin, Schema
from fulltape.records.columns import Column, Physical, high
from fulltape.records.instrument import is_instrument_id

KINDS: Final = {Kind(schema.name): schema for schema in (TRADES, QUOTES, BARS, COINS, TICKERS)}
"""The schema of each kind that can be brought."""
_EARLIEST_NS: Final = 86_400 * SECOND_NS
_AHEAD_NS: Final = 3_600 * SECOND_NS
_DEFAULTS: Final = {"aggressor_side": "UNKNOWN", "origin": Origin.IMPORT.name, "source": "QUOTE"}
_ID: Final = "trade_id"
_OURS: Final = frozenset({"ingest_time", _ID, *_DEFAULTS})
_MAY_FALL: Final = "change"
_MAY_BE_ZERO: Final = "volume"
_OUTSIDE: Final = "open and close must lie between low and high"
_SHOWN: Final = 60


@dataclass(frozen=True, slots=True)
class RowError:
    """What is wrong with one row: ``row`` counts from 1, a file's heading not included."""

    row: int
    field: str
    reason: str
    value: str = ""
    raw: bytes = b""
    """The row as it was brought, as JSON or as a line of text."""

    def __str__(self) -> str:
        """Return it as one line."""
        shown = f" ({self.value})" if self.value else ""
        return f"row {self.row:,}: {self.field}: {self.reason}{shown}"


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some rows of a source: columns by name, the number of each row, and rows that could not even be split."""

    columns: Mapping[str, pa.Array]
    rows: Array
    broken: Sequence[RowError] = ()
    is_simulated: bool = False
    """The source says that its prices are made up."""


@dataclass(frozen=True, slots=True)
class Checked:
    """The good rows of a chunk, and the first thing wrong with each of the others."""

    batch: Batch
    errors: Sequence[RowError]


def is_optional(schema: Schema, column: Column) -> bool:
    """Return whether records may be brought without this column."""
    return column.nullable or column.name in _OURS - ({_ID} if schema is TICKERS else set())


def pairs(texts: Sequence[str]) -> dict[str, str]:
    """Return texts such as ``size=1`` as a mapping. Raises ConfigError for one that is none, or names a field again."""
    found: dict[str, str] = {}
    for text in texts:
        name, is_pair, value = text.partition("=")
        if not (is_pair and name and value):
            raise ConfigError(f"{text}: write it as FIELD=COLUMN or FIELD=VALUE")
        if name in found:
            raise ConfigError(f"{text}: {name} was given before")
        found[name] = value
    return found


class Instruments:
    """The instruments named so far, by position; any id of the right form is one."""

    def __init__(self) -> None:
        self._positions: dict[str, int] = {}

    def code_of(self, text: str) -> int:
        """Return the position of an instrument; ValueError if the text cannot be one."""
        if not is_instrument_id(text):
            raise ValueError
        return self._positions.setdefault(text, len(self._positions))

    def ids(self) -> tuple[str, ...]:
        """Return their ids, by position; a row without a good one has position 0."""
        return tuple(self._positions) or ("",)

    def described(self) -> tuple[Instrument, ...]:
        """Return them as far as their ids tell."""
        return tuple(_described(text) for text in self._positions)


def _described(text: str) -> Instrument:
    symbol, _, venue = text.rpartition(".")
    base, quote = symbol.split("-")[:2]
    return Instrument(text, venue, symbol, base, quote)


@dataclass(frozen=True, slots=True)
class Form:
    """How the rows of a source become records of one kind.

    ``columns`` names the source's column of a field where they differ; ``constants`` gives the text of fields that are
    the same in every row; ``ignored`` are columns of no interest. Times are nanoseconds; nothing may lie further
    ahead of ``now`` than an hour.
    """

    schema: Schema
    now: int
    columns: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    ignored: frozenset[str] = frozenset()

    def check_names(self, names: Sequence[str]) -> None:
        """Raise ConfigError for columns that are unknown, doubled or missing."""
        fields = [column.name for column in self.schema.columns]
        for name in (*self.columns, *self.constants):
            if name not in fields:
                raise ConfigError(f"{self.schema.name} have no field {name!r}{did_you_mean(name, fields)}")
        sources = {self.columns.get(name, name): name for name in fields if name not in self.constants}
        for name in names:
            if name not in sources and name not in self.ignored:
                raise ConfigError(
                    f"unknown column {name!r}{did_you_mean(name, fields)}: {self.schema.name} have "
                    f"{', '.join(fields)}; map it to one of these, or ignore it"
                )
        if len(set(names)) < len(names):
            raise ConfigError(f"a column appears twice among {', '.join(names)}")
        for column in self.schema.columns:
            source = self.columns.get(column.name, column.name)
            if column.name in self.constants or source in names:
                continue
            if column.name in self.columns or not is_optional(self.schema, column):
                raise ConfigError(f"no column {source!r}{did_you_mean(source, names)}: {self.schema.name} need it")

    def check(self, chunk: Chunk, instruments: Instruments) -> Checked:
        """Return the good rows of a chunk whose names have been checked, and what is wrong with the others."""
        wrong: dict[int, tuple[str, str]] = {}
        arrays: dict[str, Array] = {}
        without_id = np.zeros(len(chunk.rows), np.bool_)
        for column in self.schema.columns:
            done = convert(column, self._values(column, chunk), instruments.code_of)
            arrays |= done.arrays
            for row, reason in self._wrong(column, done).items():
                wrong.setdefault(row, (column.name, reason))
            if column.name == _ID and self.schema is TRADES:
                without_id = done.missing
        batch = _with_ids(Batch(self.schema, arrays), without_id, instruments)
        for row in np.flatnonzero(_is_impossible(batch)).tolist():
            wrong.setdefault(row, ("open", _OUTSIDE))
        errors = [self._error(chunk, row, *wrong[row]) for row in wrong]
        if wrong:
            batch = batch.take(np.delete(np.arange(len(batch)), list(wrong)))
        return Checked(batch, sorted((*chunk.broken, *errors), key=lambda error: error.row))

    def _error(self, chunk: Chunk, row: int, name: str, reason: str) -> RowError:
        value = _text_of(self._values(self.schema.column(name), chunk)[row])
        whole = {source: _text_of(values[row]) for source, values in chunk.columns.items()}
        return RowError(int(chunk.rows[row]), name, reason, (value or "")[:_SHOWN], msgspec.json.encode(whole))

    def _values(self, column: Column, chunk: Chunk) -> pa.Array:
        """Return a column's values as they were brought, or what stands for them."""
        name, count = column.name, len(chunk.rows)
        if name == "origin":
            return pa.array([Origin.IMPORT.name] * count, pa.string())
        values = chunk.columns.get(self.columns.get(name, name))
        if name in self.constants:
            return pa.array([self.constants[name]] * count, pa.string())
        if values is None:
            text = format_rfc3339(self.now) if name == "ingest_time" else _DEFAULTS.get(name)
            return pa.array([text] * count, pa.string())
        return values

    def _wrong(self, column: Column, done: Converted) -> dict[int, str]:
        """Return why rows cannot be used: no value, one of another sort, or one that cannot be true."""
        found = dict(done.bad)
        if not column.nullable and column.name != _ID:
            for row in np.flatnonzero(done.missing).tolist():
                found.setdefault(row, "is missing")
        for reason, is_wrong in self._rules(column, done.arrays[column.name]):
            for row in np.flatnonzero(is_wrong & ~done.missing).tolist():
                found.setdefault(row, reason)
        return found

    def _rules(self, column: Column, values: Array) -> list[tuple[str, Array]]:
        match column.physical:
            case Physical.FLOAT if column.name.startswith(_MAY_FALL):
                return [("must be finite", ~np.isfinite(values))]
            case Physical.FLOAT if column.nullable or column.name == _MAY_BE_ZERO:
                return [("must be finite and not negative", ~((values >= 0) & np.isfinite(values)))]
            case Physical.FLOAT:
                return [("must be finite and above zero", ~((values > 0) & np.isfinite(values)))]
            case Physical.INT:
                return [("must not be negative", values < 0)]
            case Physical.TIME:
                return [
                    ("lies before 1970-01-02", values < _EARLIEST_NS),
                    ("lies more than an hour ahead of the clock", values > self.now + _AHEAD_NS),
                ]
        return []


def _text_of(value: pa.Scalar) -> str | None:
    """Return a value as it is shown to people, None for no value."""
    if not value.is_valid:
        return None
    # Arrow writes nanoseconds, which Python's own times do not have.
    plain = str(value) if pa.types.is_timestamp(value.type) else value.as_py()
    return plain.decode("utf-8", "backslashreplace") if isinstance(plain, bytes) else str(plain)


def _with_ids(batch: Batch, lacking: Array, instruments: Instruments) -> Batch:
    """Return trades without ids with ids made of what they say, so that bringing them again makes no doubles."""
    if not lacking.any():
        return batch
    columns = dict(batch.columns)
    for name, halves in zip((_ID, high(_ID)), _made_ids(batch.take(lacking), instruments), strict=True):
        columns[name] = columns[name].copy()
        columns[name][lacking] = halves
    return Batch(batch.schema, columns)


def _made_ids(trades: Batch, instruments: Instruments) -> tuple[Array, Array]:
    """Return both halves of ids that follow from instrument, time, price and size alone."""
    ids = instruments.ids()
    names = ("instrument", "event_time", "price", "size")
    rows = zip(*(trades[name].tolist() for name in names), strict=True)
    digests = b"".join(blake2b(repr((ids[code], *row)).encode(), digest_size=16).digest() for code, *row in rows)
    halves = np.frombuffer(digests, np.int64).reshape(-1, 2)
    # An upper half of 0 would make it a decimal id.
    return halves[:, 0].copy(), halves[:, 1] | 1


def _is_impossible(batch: Batch) -> Array:
    """Return which bars have prices outside of their own range."""
    if batch.schema is not BARS:
        return np.zeros(len(batch), np.bool_)
    low, top = batch["low"], batch["high"]
    inside = [(low <= batch[name]) & (batch[name] <= top) for name in ("open", "close")]
    return ~(inside[0] & inside[1])
