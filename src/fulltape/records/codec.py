"""JSON: how records look on the wire. Times are RFC 3339 with nine digits, ids are text, enums are names."""

from __future__ import annotations

import functools
from typing import Any, Final

import msgspec
import numpy as np

from fulltape.clock import parse_rfc3339
from fulltape.records.batch import Array, Batch, InstrumentCodes, Schema, split_id
from fulltape.records.columns import NULL_INT, Column, Physical
from fulltape.records.interval import parse_interval

_LEAST: Final = NULL_INT + 1
_MOST: Final = int(np.iinfo(np.int64).max)
_encode = msgspec.json.Encoder().encode


@functools.cache
def wire_type(schema: Schema) -> type[msgspec.Struct]:
    """Return the struct that describes a record of ``schema`` in JSON, for decoding and for the API's schema."""
    fields = [(column.name, column.wire_type) for column in schema.columns]
    return msgspec.defstruct(schema.record.__name__, fields, frozen=True, namespace={"__doc__": schema.record.__doc__})


def to_dicts(batch: Batch, codes: InstrumentCodes) -> list[dict[str, Any]]:
    """Return the records as JSON-ready dicts."""
    names = [column.name for column in batch.schema.columns]
    lists = [_wire_values(batch, column, codes) for column in batch.schema.columns]
    return [dict(zip(names, row, strict=True)) for row in zip(*lists, strict=True)]


def encode(batch: Batch, codes: InstrumentCodes) -> bytes:
    """Return the records as one JSON array."""
    return _encode(to_dicts(batch, codes))


def encode_rows(batch: Batch, codes: InstrumentCodes) -> list[bytes]:
    """Return one JSON object a record: what Kafka carries and what the stream sorts by subscriber."""
    return [_encode(row) for row in to_dicts(batch, codes)]


def decode_rows(schema: Schema, data: bytes, codes: InstrumentCodes) -> Batch:
    """Return the batch of a JSON array of records; the inverse of `encode`.

    Raises msgspec.ValidationError naming the field that is wrong. Bytes that are no UTF-8 come back as U+FFFD.
    """
    rows = msgspec.json.decode(data, type=list[wire_type(schema)])  # type: ignore[misc]
    return schema.from_rows([_from_wire(schema, row, i, codes) for i, row in enumerate(rows)], codes)


def _from_wire(schema: Schema, row: msgspec.Struct, position: int, codes: InstrumentCodes) -> msgspec.Struct:
    values: list[Any] = []
    for column in schema.columns:
        try:
            values.append(_value_of(column, getattr(row, column.name), codes))
        except (ValueError, KeyError) as error:
            what = "unknown instrument" if isinstance(error, KeyError) else str(error)
            raise msgspec.ValidationError(f"{what} - at `$[{position}].{column.name}`") from error
    return schema.record(*values)


def _value_of(column: Column, value: Any, codes: InstrumentCodes) -> Any:
    """Return the record's value of a wire value; ValueError or KeyError if it has no place in the column."""
    if value is None:
        return None
    match column.physical:
        case Physical.TIME | Physical.INT:
            value = parse_rfc3339(value) if column.physical is Physical.TIME else value
            if not _LEAST <= value <= _MOST:
                raise ValueError("a number or time that does not fit into 64 bits")
        case Physical.BYTES:
            value = value.encode()
        case Physical.ID128:
            split_id(value)
        case Physical.INTERVAL:
            parse_interval(value)
        case Physical.INSTRUMENT:
            codes.code_of(value)
        case Physical.ENUM:
            assert column.choices is not None
            value = column.choices[value]
    return value


def _wire_values(batch: Batch, column: Column, codes: InstrumentCodes) -> list[Any]:
    array = batch.columns[column.name]
    match column.physical:
        case Physical.TIME:
            texts = format_times(array)
            if column.nullable:
                return [None if n == NULL_INT else t for n, t in zip(array.tolist(), texts, strict=True)]
            return texts
        case Physical.ENUM:
            assert column.choices is not None
            names = {int(m): m.name for m in column.choices}
            return [names[value] for value in array.tolist()]
        case Physical.BYTES:
            return [value.decode("utf-8", "replace") for value in array.tolist()]
    return batch.values(column, codes)


def format_times(times: Array) -> list[str]:
    """Return RFC 3339 texts with nine digits of int64 ns."""
    texts: list[str] = np.datetime_as_string(times.view("M8[ns]"), unit="ns").tolist()
    return [text + "Z" for text in texts]
