"""How each field of a record is held as a column.

A record's struct says what a person sees (`instrument: str`); the annotation says how a million of them
are held (`int32` codes). Wire form, columns, Arrow schema, table and API schema all follow from the struct.
"""

from __future__ import annotations

import enum
import types
import typing
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
import numpy as np
import pyarrow as pa

NULL_INT = np.iinfo(np.int64).min
"""What a null time or integer is inside a NumPy column. A null float is NaN."""


class Physical(enum.Enum):
    """How a field's values lie in memory."""

    INSTRUMENT = "instrument"  # int32 code into the instrument table; text at the edges
    TIME = "time"  # int64 ns UTC; RFC 3339 text at the edges
    INTERVAL = "interval"  # int32 seconds; "1m" at the edges
    ID128 = "id128"  # two int64 columns; decimal or UUID text at the edges
    FLOAT = "float"
    INT = "int"
    BOOL = "bool"
    ENUM = "enum"  # uint8; the member's name at the edges
    TEXT = "text"
    BYTES = "bytes"


InstrumentId = Annotated[str, Physical.INSTRUMENT]
"""`BTC-USD.COINBASE`: the normalised product, a dot, the venue."""
TimeNs = Annotated[int, Physical.TIME]
"""Nanoseconds since 1970 UTC."""
Interval = Annotated[str, Physical.INTERVAL]
"""`1s`, `5m`, `4h`, `1d`, `1w`."""
TradeId = Annotated[str, Physical.ID128]
"""The venue's own id: decimal digits, or a UUID."""
Price = Annotated[float, Physical.FLOAT]
"""Quote currency per unit of base."""
Size = Annotated[float, Physical.FLOAT]
"""Units of the base currency."""

_NUMPY: dict[Physical, np.dtype[Any]] = {
    Physical.INSTRUMENT: np.dtype(np.int32),
    Physical.TIME: np.dtype(np.int64),
    Physical.INTERVAL: np.dtype(np.int32),
    Physical.ID128: np.dtype(np.int64),
    Physical.FLOAT: np.dtype(np.float64),
    Physical.INT: np.dtype(np.int64),
    Physical.BOOL: np.dtype(np.bool_),
    Physical.ENUM: np.dtype(np.uint8),
    Physical.TEXT: np.dtype(object),
    Physical.BYTES: np.dtype(object),
}
_ARROW: dict[Physical, pa.DataType] = {
    Physical.INSTRUMENT: pa.int32(),
    Physical.TIME: pa.timestamp("ns"),
    Physical.INTERVAL: pa.int32(),
    Physical.ID128: pa.int64(),
    Physical.FLOAT: pa.float64(),
    Physical.INT: pa.int64(),
    Physical.BOOL: pa.bool_(),
    Physical.ENUM: pa.uint8(),
    Physical.TEXT: pa.string(),
    Physical.BYTES: pa.binary(),
}
_BY_TYPE: dict[Any, Physical] = {
    int: Physical.INT,
    float: Physical.FLOAT,
    bool: Physical.BOOL,
    str: Physical.TEXT,
    bytes: Physical.BYTES,
}


@dataclass(frozen=True, slots=True)
class Column:
    """One field of a record: its name, how it is held and whether it may be null."""

    name: str
    physical: Physical
    nullable: bool
    choices: type[enum.IntEnum] | None = None

    @property
    def dtype(self) -> np.dtype[Any]:
        """The NumPy type of the column."""
        return _NUMPY[self.physical]

    @property
    def arrow(self) -> pa.DataType:
        """The Arrow type of the column."""
        return _ARROW[self.physical]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the NumPy arrays that hold it: two for a 128-bit id, else one."""
        if self.physical is Physical.ID128:
            return (self.name, high(self.name))
        return (self.name,)

    @property
    def wire_type(self) -> Any:
        """The type of the field in JSON, for the API's schema."""
        kind: Any = {Physical.FLOAT: float, Physical.INT: int, Physical.BOOL: bool}.get(self.physical, str)
        if self.choices is not None:
            kind = typing.Literal[tuple(self.choices.__members__)]
        elif self.physical is Physical.TIME:
            kind = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]
        may_be_null = self.nullable or self.physical is Physical.FLOAT
        return kind | None if may_be_null else kind


def high(name: str) -> str:
    """Return the name of the array with the upper 64 bits of the id column ``name``."""
    return f"{name}_high"


def columns_of(record: type[msgspec.Struct]) -> tuple[Column, ...]:
    """Derive the columns from a record's annotations.

    Raises TypeError for an annotation that has no column form: a mistake in the record itself.
    """
    hints = typing.get_type_hints(record, include_extras=True)
    return tuple(_column(name, hints[name]) for name in record.__struct_fields__)


def _column(name: str, hint: Any) -> Column:
    nullable = False
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        inner = [arg for arg in typing.get_args(hint) if arg is not type(None)]
        nullable, hint = True, inner[0]
    for mark in getattr(hint, "__metadata__", ()):
        if isinstance(mark, Physical):
            return Column(name, mark, nullable)
    if isinstance(hint, type) and issubclass(hint, enum.IntEnum):
        return Column(name, Physical.ENUM, nullable, choices=hint)
    if hint in _BY_TYPE:
        return Column(name, _BY_TYPE[hint], nullable)
    raise TypeError(f"field {name!r} has no column form for {hint!r}")
