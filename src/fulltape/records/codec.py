"""JSON: how records look on the wire. Times are RFC 3339 with nine digits, ids are text, enums are names."""

from __future__ import annotations

import functools
from typing import Any

import msgspec
import numpy as np

from fulltape.records.batch import Array, Batch, InstrumentCodes, Schema
from fulltape.records.columns import NULL_INT, Column, Physical

_encode = msgspec.json.Encoder().encode


@functools.cache
def wire_type(schema: Schema) -> type[msgspec.Struct]:
    """Return the struct that describes a record of ``schema`` in JSON: the API's schema."""
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
