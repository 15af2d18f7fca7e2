"""From what files hold to columns: text or typed values in, NumPy arrays out, bad rows found one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fulltape.records import Array
from fulltape.records.batch import split_id
from fulltape.records.columns import NULL_INT, Column, Physical, high
from fulltape.records.interval import parse_interval

Values = Callable[[str], int]
"""Returns the number that stands for a word; ValueError, KeyError if it is none."""

_EXPECTED: Final = {
    Physical.TIME: "not a time: RFC 3339 text such as 2026-01-31T12:00:00.123456789Z, or a timestamp column",
    Physical.FLOAT: "not a number",
    Physical.INT: "not a whole number below 2^63",
    Physical.BOOL: "neither true nor false",
    Physical.ID128: "not an id: decimal digits below 2^63, or a UUID",
    Physical.INTERVAL: "not an interval such as 1s, 5m, 4h, 1d",
    Physical.INSTRUMENT: "not an instrument such as BTC-USD.COINBASE or AAPL-USD.NASDAQ",
    Physical.TEXT: "not UTF-8 text",
    Physical.BYTES: "not bytes",
}


@dataclass(frozen=True, slots=True)
class Converted:
    """A column: its arrays by name, which rows have no value, and why others cannot be used."""

    arrays: dict[str, Array]
    missing: Array
    bad: dict[int, str]


def convert(column: Column, values: pa.Array, code_of: Values) -> Converted:
    """Return the column that ``values`` hold; ``code_of`` returns the code of an instrument."""
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    values = _without_empties(column, values)
    missing = np.asarray(pc.is_null(values, nan_is_null=column.nullable))
    if column.physical is Physical.TEXT and not column.nullable:
        missing = np.zeros(len(values), np.bool_)
    words = _words(column, code_of)
    bad: dict[int, str] = {}
    parts = list(_runs(column, values, words, bad, 0))
    arrays = {name: np.concatenate([part[name] for part in parts]) for name in column.names}
    return Converted(arrays, missing, bad)


def as_array(values: Sequence[Any]) -> pa.Array:
    """Return Python values as an Arrow array, as text if they are of different sorts."""
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return pa.array([None if value is None else str(value) for value in values], pa.string())


def _without_empties(column: Column, values: pa.Array) -> pa.Array:
    """Return the values with empty text as null, where text is not what the column holds."""
    if column.physical in (Physical.TEXT, Physical.BYTES) or not _is_text(values.type):
        return values
    return pc.if_else(pc.equal(pc.binary_length(values), 0), pa.scalar(None, values.type), values)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind))


def _runs(
    column: Column, values: pa.Array, words: Values | None, bad: dict[int, str], first: int
) -> list[dict[str, Array]]:
    """Convert at once what is good; halve what is not until the bad rows are alone."""
    try:
        return [_convert(column, values, words)]
    except (pa.ArrowException, ValueError, KeyError, OverflowError):
        if len(values) == 1:
            bad[first] = _expected(column)
            return [_convert(column, pa.nulls(1), words)]
    half = len(values) // 2
    left = _runs(column, values[:half], words, bad, first)
    return left + _runs(column, values[half:], words, bad, first + half)


def _expected(column: Column) -> str:
    if column.choices is not None:
        return f"none of {', '.join(column.choices.__members__)}"
    return _EXPECTED[column.physical]


def _convert(column: Column, values: pa.Array, words: Values | None) -> dict[str, Array]:
    """Return the arrays of values that are all good; nulls become the column's null, or anything. Raises for others."""
    if pa.types.is_binary(values.type) and column.physical is not Physical.BYTES:
        values = values.cast(pa.string())
    if pa.types.is_boolean(values.type) and column.physical is not Physical.BOOL:
        raise ValueError
    if words is not None:
        return {column.name: _mapped(values, words, column.dtype)}
    match column.physical:
        case Physical.TIME:
            return {column.name: _times(values)}
        case Physical.ID128:
            low, upper = _ids(values)
            return {column.name: low, high(column.name): upper}
        case Physical.TEXT | Physical.BYTES:
            return {column.name: _objects(values, column)}
    null = {Physical.FLOAT: np.nan, Physical.INT: NULL_INT, Physical.BOOL: False}[column.physical]
    array = np.asarray(values.cast(column.arrow).fill_null(null), column.dtype)
    if (
        column.physical is Physical.FLOAT
        and _is_text(values.type)
        and pc.any(pc.is_nan(values.cast(column.arrow))).as_py()
    ):
        raise ValueError  # "nan" is a word, not a number
    return {column.name: array}


def _words(column: Column, code_of: Values) -> Values | None:
    """Return what turns the words of a closed vocabulary into numbers, None for a column without one."""
    match column.physical:
        case Physical.INSTRUMENT:
            return code_of
        case Physical.INTERVAL:
            return parse_interval
        case Physical.ENUM:
            assert column.choices is not None
            return column.choices.__getitem__
    return None


def _mapped(values: pa.Array, words: Values, dtype: np.dtype[Any]) -> Array:
    """Look each different word up once."""
    encoded = values.cast(pa.string()).dictionary_encode()
    codes: Array = np.array([*(words(word) for word in encoded.dictionary.to_pylist()), 0], dtype)
    picked: Array = codes[np.asarray(encoded.indices.fill_null(-1))]
    return picked


def _times(values: pa.Array) -> Array:
    if pa.types.is_integer(values.type) or pa.types.is_floating(values.type):
        raise ValueError  # a number does not say of what unit it is
    if _is_text(values.type):
        zone = None if len(values) == 0 or not _has_zone(values) else "UTC"
        values = values.cast(pa.timestamp("ns", zone))
    nanoseconds = values.cast(pa.timestamp("ns", getattr(values.type, "tz", None))).cast(pa.int64())
    return np.asarray(nanoseconds.fill_null(NULL_INT), np.int64)


def _has_zone(texts: pa.Array) -> bool:
    """Return whether the first text names its zone; without one a time is UTC."""
    first = next((text for text in texts.drop_null()[:1].to_pylist()), "")
    return "Z" in first or "z" in first or "+" in first or first.count("-") > 2


def _ids(values: pa.Array) -> tuple[Array, Array]:
    if pa.types.is_integer(values.type) or _are_digits(values):
        low = np.asarray(values.cast(pa.int64()).fill_null(0), np.int64)
        if (low < 0).any():
            raise ValueError
        return low, np.zeros(len(low), np.int64)
    halves = [(0, 0) if text is None else split_id(text) for text in values.cast(pa.string()).to_pylist()]
    pairs = np.array(halves, np.int64).reshape(-1, 2)
    return pairs[:, 0].copy(), pairs[:, 1].copy()


def _are_digits(values: pa.Array) -> bool:
    return _is_text(values.type) and bool(pc.all(pc.match_substring_regex(values, "^[0-9]+$")).as_py())


def _objects(values: pa.Array, column: Column) -> Array:
    kind, empty = (pa.binary(), b"") if column.physical is Physical.BYTES else (pa.string(), "")
    array = np.empty(len(values), object)
    array[:] = values.cast(kind).fill_null(empty).to_pylist()
    return array
