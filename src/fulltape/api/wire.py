"""The JSON answers: their types, from which the OpenAPI document follows, and how they are encoded."""

from __future__ import annotations

import types
from typing import Annotated, Any, Final

import msgspec

from fulltape.clock import format_rfc3339
from fulltape.records import (
    ACTIVITY_BARS,
    ALERTS,
    CANDLES,
    COINS,
    COVERAGE,
    DEPTHS,
    LAST_VALUES,
    QUOTE_STATS,
    QUOTES,
    STATS,
    TRADES,
    WINDOWS,
    Instrument,
    Schema,
)
from fulltape.records.codec import wire_type
from fulltape.records.status import EngineStatus, FeedStatus, Status

encode: Final = msgspec.json.Encoder().encode

TimeText = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]


class FollowedInstrument(Instrument, frozen=True):
    """An instrument, and whether it is followed now."""

    followed: bool = False


class InstrumentList(msgspec.Struct, frozen=True):
    """Instruments, and whether their prices are made up."""

    simulated: bool
    instruments: tuple[FollowedInstrument, ...]


class BadFeed(msgspec.Struct, frozen=True):
    """A feed, or the engine, that does not do its work."""

    feed: str
    state: str
    detail: str


class Health(msgspec.Struct, frozen=True, omit_defaults=True):
    """``ok``, or ``bad`` with the reasons."""

    status: str
    bad: tuple[BadFeed, ...] = ()


def _list_of(record: type[msgspec.Struct]) -> Any:
    return types.GenericAlias(list, record)


def _with_texts(record: type[msgspec.Struct], **replaced: Any) -> type[msgspec.Struct]:
    """Return the struct of ``record`` in JSON: as it is, but for the fields in ``replaced``."""
    fields = [(field.name, replaced.get(field.name, field.type)) for field in msgspec.structs.fields(record)]
    return msgspec.defstruct(record.__name__, fields, frozen=True, namespace={"__doc__": record.__doc__})


StatusAnswer: Final = _with_texts(
    Status,
    started=TimeText,
    feeds=_list_of(_with_texts(FeedStatus, since=TimeText)),
    engine=_with_texts(EngineStatus, clock=TimeText),
)
"""`Status` with times as text."""


def _page(schema: Schema) -> type[msgspec.Struct]:
    record = wire_type(schema)
    fields: list[tuple[str, Any]] = [("simulated", bool), (schema.name, _list_of(record)), ("next", str | None)]
    return msgspec.defstruct(f"{record.__name__}Page", fields, frozen=True)


_PAGED: Final = (TRADES, QUOTES, CANDLES, COINS, COVERAGE, STATS, WINDOWS, ACTIVITY_BARS, QUOTE_STATS, DEPTHS, ALERTS)
PAGES: Final = {schema.name: _page(schema) for schema in _PAGED}
"""The answer type of each paged kind."""

LastList: Final = msgspec.defstruct(
    "LastList",
    [("simulated", bool), (LAST_VALUES.name, _list_of(wire_type(LAST_VALUES)))],
    frozen=True,
)
"""Where instruments stand now."""


def encode_page(simulated: bool, name: str, rows: bytes, cursor: str | None) -> bytes:
    """Return a page's JSON from its rows' JSON."""
    return b'{"simulated":%b,"%b":%b,"next":%b}' % (encode(simulated), name.encode(), rows, encode(cursor))


def encode_status(status: Status) -> bytes:
    """Return the JSON of a status, its times as RFC 3339 text."""
    answer = msgspec.to_builtins(status)
    answer["started"] = format_rfc3339(status.started)
    answer["engine"]["clock"] = format_rfc3339(status.engine.clock)
    for feed, source in zip(answer["feeds"], status.feeds, strict=True):
        feed["since"] = format_rfc3339(source.since)
    return encode(answer)
