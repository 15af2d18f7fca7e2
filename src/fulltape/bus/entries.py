"""Records as messages: JSON values, keyed by instrument."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from fulltape.bus.log import Entry
from fulltape.clock import SECOND_NS
from fulltape.records import Array, Batch, Commit, InstrumentTable, Schema
from fulltape.records.codec import to_dicts

_encode: Final = msgspec.json.Encoder().encode
_PRICED: Final = frozenset({"instrument", "trade_id", "price", "event_time"})
"""What a kind must have to be told as a price of a product."""


class Shape(enum.StrEnum):
    """What a message says of a record."""

    RECORD = "record"  # everything, as the API does
    PRODUCT = "product"  # product, time and price, as older systems do


def has_price(schema: Schema) -> bool:
    """Return whether records of a kind can have the shape `Shape.PRODUCT`."""
    return {column.name for column in schema.columns} >= _PRICED


class Shaper:
    """Makes entries of batches. One thread at a time.

    Trades of one moment are told a nanosecond apart in `Shape.PRODUCT`, for whoever keeps one price a moment; it
    remembers each instrument's last moment, because they may come in two commits.
    """

    def __init__(self, kinds: Mapping[str, Shape]) -> None:
        self._kinds = kinds
        self._last: dict[int, tuple[int, int]] = {}

    def of_commit(self, commit: Commit, table: InstrumentTable) -> list[Entry]:
        """Return the entries of a commit, kind by kind."""
        return [
            entry
            for kind in self._kinds
            if (batch := commit.batches.get(kind)) is not None
            for entry in self.of_batch(batch, [commit.number] * len(batch), table)
        ]

    def of_batch(self, batch: Batch, commits: list[int] | Array, table: InstrumentTable) -> list[Entry]:
        """Return the entries of a batch; ``commits`` are the numbers of its rows' commits."""
        kind = batch.schema.name
        rows = to_dicts(batch, table)
        keys = [_key(batch.schema, row) for row in rows]
        if self._kinds[kind] is Shape.PRODUCT:
            values = self._prices(batch, rows, table)
        else:
            values = [_encode(row) for row in rows]
        return [Entry(kind, key, value, int(n)) for key, value, n in zip(keys, values, commits, strict=True)]

    def _prices(self, batch: Batch, rows: list[dict[str, Any]], table: InstrumentTable) -> list[bytes]:
        codes, times = batch["instrument"].tolist(), batch["event_time"].tolist()
        return [
            _price(table[code].venue_symbol, self._apart(code, time), row)
            for code, time, row in zip(codes, times, rows, strict=True)
        ]

    def _apart(self, code: int, time: int) -> int:
        """Return ``time``, later by as many ns as that moment has been told of the instrument already."""
        moment, uses = self._last.get(code, (time, 0))
        uses = uses + 1 if moment == time else 1
        self._last[code] = (time, uses)
        return time + uses - 1


def _key(schema: Schema, row: dict[str, Any]) -> bytes:
    """Return the instrument's id, or what comes first in the kind's key where it has no instrument."""
    return str(row.get("instrument") or row[schema.key[0]]).encode()


def _price(product: str, time: int, row: dict[str, Any]) -> bytes:
    seconds, fraction = divmod(time, SECOND_NS)
    return _encode(
        {
            "product": product,
            "w_time": msgspec.Raw(b"%d.%09d" % (seconds, fraction)),
            "price": row["price"],
            "w_time_ns": time,
            "instrument": row["instrument"],
            "trade_id": row["trade_id"],
        }
    )
