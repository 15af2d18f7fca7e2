"""Batches: one kind of record as columns.

The kinds that come by the million never exist as objects between the parser and the store: a `Batch` is one
NumPy array per column, which becomes Arrow at the store's edge without a copy. Rows are the edge form.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fulltape.records.columns import NULL_INT, Column, Physical, columns_of, high
from fulltape.records.interval import format_interval, parse_interval

_LOW64 = (1 << 64) - 1
_SIGN = 1 << 63

Array = npt.NDArray[Any]


class InstrumentCodes(Protocol):
    """The two look-ups that turn instrument codes into text and back."""

    def id_of(self, code: int) -> str:
        """Return the instrument's id."""
        ...

    def code_of(self, instrument_id: str) -> int:
        """Return the instrument's code; KeyError if it is not known."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Schema:
    """One kind of record: its plural name, its struct and everything that follows from them.

    ``key`` identifies a record: a second one with the same key is the same fact. ``time`` is the column that
    ranges, paging and retention go by. ``latest`` kinds keep one row per key; the others are appended to.
    """

    name: str
    record: type[msgspec.Struct]
    key: tuple[str, ...]
    time: str
    latest: bool
    columns: tuple[Column, ...]

    @classmethod
    def of(
        cls, record: type[msgspec.Struct], name: str, *, key: tuple[str, ...], time: str, latest: bool = False
    ) -> Self:
        """Derive the schema of ``record``."""
        return cls(name, record, key, time, latest, columns_of(record))

    def column(self, name: str) -> Column:
        """Return the column called ``name``; KeyError if there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    @property
    def arrow(self) -> pa.Schema:
        """The Arrow schema of a batch: physical columns, instruments as codes."""
        return pa.schema([pa.field(n, c.arrow, nullable=True) for c in self.columns for n in c.names])

    def empty(self) -> Batch:
        """Return a batch of no records."""
        return Batch(self, {n: np.empty(0, c.dtype) for c in self.columns for n in c.names})

    def from_rows(self, rows: Iterable[msgspec.Struct], codes: InstrumentCodes) -> Batch:
        """Return the batch of ``rows``, which must be of this schema's record."""
        rows = list(rows)
        out: dict[str, Array] = {}
        for column in self.columns:
            values = [getattr(row, column.name) for row in rows]
            if column.physical is Physical.ID128:
                pairs = [split_id(v) for v in values]
                out[column.name] = np.array([p[0] for p in pairs], np.int64)
                out[high(column.name)] = np.array([p[1] for p in pairs], np.int64)
            else:
                out[column.name] = _to_array(column, values, codes)
        return Batch(self, out)

    def from_columns(self, columns: Mapping[str, Sequence[Any]]) -> Batch:
        """Return the batch of lists of physical values: instruments as codes, enums as numbers."""
        out: dict[str, Array] = {}
        for column in self.columns:
            for name in column.names:
                if column.dtype == object:
                    out[name] = np.empty(len(columns[name]), object)
                    out[name][:] = columns[name]
                else:
                    out[name] = np.array(columns[name], column.dtype)
        return Batch(self, out)

    def from_arrow(self, table: pa.Table) -> Batch:
        """Return the batch of an Arrow table with this schema's physical columns."""
        out: dict[str, Array] = {}
        for column in self.columns:
            for name in column.names:
                out[name] = _arrow_to_array(column, table.column(name))
        return Batch(self, out)


class Batch:
    """Records of one kind as columns: ``columns[name]`` is a NumPy array of ``len(batch)`` values.

    Batches are values: nobody changes the arrays of a batch after handing it on.
    """

    __slots__ = ("columns", "schema")

    def __init__(self, schema: Schema, columns: Mapping[str, Array]) -> None:
        self.schema = schema
        self.columns = columns

    def __len__(self) -> int:
        return len(self.columns[self.schema.columns[0].name])

    def __getitem__(self, name: str) -> Array:
        return self.columns[name]

    def __repr__(self) -> str:
        return f"<Batch of {len(self)} {self.schema.name}>"

    def take(self, index: Array | slice) -> Batch:
        """Return the records at ``index``: a mask, positions or a slice (then without a copy)."""
        return Batch(self.schema, {name: array[index] for name, array in self.columns.items()})

    @staticmethod
    def concat(batches: Sequence[Batch]) -> Batch:
        """Join batches of one kind, in order; at least one."""
        if len(batches) == 1:
            return batches[0]
        first = batches[0]
        return Batch(first.schema, {name: np.concatenate([b.columns[name] for b in batches]) for name in first.columns})

    def to_arrow(self) -> pa.Table:
        """Return an Arrow table of the physical columns; numbers and times are not copied."""
        arrays = [
            _array_to_arrow(column, self.columns[name]) for column in self.schema.columns for name in column.names
        ]
        return pa.Table.from_arrays(arrays, schema=self.schema.arrow)

    def rows(self, codes: InstrumentCodes) -> list[Any]:
        """Return the records as structs: the edge form, for tests, JSON and the rare kinds."""
        lists = [self.values(column, codes) for column in self.schema.columns]
        record = self.schema.record
        return [record(*row) for row in zip(*lists, strict=True)]

    def values(self, column: Column, codes: InstrumentCodes) -> list[Any]:  # noqa: PLR0911 - a table of forms
        """Return one column as Python values in their edge form (times stay int ns)."""
        array = self.columns[column.name]
        match column.physical:
            case Physical.ID128:
                highs = self.columns[high(column.name)].tolist()
                return [join_id(lo, hi) for lo, hi in zip(array.tolist(), highs, strict=True)]
            case Physical.INSTRUMENT:
                return [codes.id_of(code) for code in array.tolist()]
            case Physical.INTERVAL:
                return [format_interval(seconds) for seconds in array.tolist()]
            case Physical.ENUM:
                assert column.choices is not None
                members = {int(m): m for m in column.choices}
                return [members[value] for value in array.tolist()]
            case Physical.FLOAT if column.nullable:
                return [None if math.isnan(value) else value for value in array.tolist()]
            case Physical.INT | Physical.TIME if column.nullable:
                return [None if value == NULL_INT else value for value in array.tolist()]
        return list(array.tolist())


def split_id(text: str) -> tuple[int, int]:
    """Return (low, high) signed 64-bit halves of an id: decimal digits, or a UUID.

    Decimal ids up to 2^63 - 1 have a zero upper half. Raises ValueError for any other text.
    """
    if text.isascii() and text.isdigit():
        number = int(text)
        if number < _SIGN:
            return number, 0
    elif len(text) == 36:
        number = uuid.UUID(text).int
        low, upper = number & _LOW64, number >> 64
        return _signed(low), _signed(upper)
    raise ValueError(f"not a trade id: {text!r} (decimal digits below 2^63, or a UUID)")


def join_id(low: int, upper: int) -> str:
    """Return the text of an id from its halves."""
    if upper == 0:
        return str(low)
    return str(uuid.UUID(int=((upper & _LOW64) << 64) | (low & _LOW64)))


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= _SIGN else value


def _to_array(column: Column, values: list[Any], codes: InstrumentCodes) -> Array:
    match column.physical:
        case Physical.INSTRUMENT:
            values = [codes.code_of(v) for v in values]
        case Physical.INTERVAL:
            values = [parse_interval(v) for v in values]
        case Physical.FLOAT:
            values = [np.nan if v is None else v for v in values]
        case Physical.INT | Physical.TIME:
            values = [NULL_INT if v is None else v for v in values]
        case Physical.TEXT | Physical.BYTES:
            array = np.empty(len(values), object)
            array[:] = values
            return array
    return np.array(values, column.dtype)


def _array_to_arrow(column: Column, array: Array) -> pa.Array:
    if column.physical is Physical.TIME:
        mask = array == NULL_INT if column.nullable else None
        return pa.array(array, pa.int64(), mask=mask).cast(column.arrow)
    if column.physical is Physical.INT and column.nullable:
        return pa.array(array, pa.int64(), mask=array == NULL_INT)
    if column.physical is Physical.FLOAT and column.nullable:
        return pa.array(array, pa.float64(), from_pandas=True)
    return pa.array(array, column.arrow)


def _arrow_to_array(column: Column, data: pa.ChunkedArray) -> Array:
    if column.physical in (Physical.TEXT, Physical.BYTES):
        array = np.empty(len(data), object)
        array[:] = data.to_pylist()
        return array
    if column.physical is Physical.TIME:
        data = data.cast(pa.timestamp("ns")).cast(pa.int64())
    if column.physical in (Physical.TIME, Physical.INT) and data.null_count:
        data = data.fill_null(NULL_INT)
    if column.physical is Physical.FLOAT and data.null_count:
        data = data.fill_null(np.nan)
    return np.asarray(data.to_numpy(), column.dtype)
