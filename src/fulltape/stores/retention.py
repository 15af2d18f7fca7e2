"""What has become older than its table keeps it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from fulltape.clock import SECOND_NS
from fulltape.errors import ConfigError, did_you_mean
from fulltape.records import COVERAGE, STORED, Schema
from fulltape.records.interval import parse_interval
from fulltape.stores.base import Retention
from fulltape.stores.schema import quoted, table, tables_of

_KINDS: Final = {schema.name: schema for schema in STORED}
_DAY_S: Final = 86_400

Deletion = tuple[str, str, list[int]]
"""A kind's name, a statement that deletes from it, and the statement's parameters."""


def expired(retention: Retention, now_ns: int) -> Iterator[Deletion]:
    """Yield the statements that delete what has expired.

    A limit for one interval (``candles.1s``) goes before the one for the whole table. Raises ConfigError.
    """
    named: dict[str, list[int]] = {}
    for name in retention.days:
        kind, dot, interval = name.partition(".")
        if dot:
            named.setdefault(kind, []).append(_interval_of(name, kind, interval))
    for name, days in retention.days.items():
        if not days > 0:
            raise ConfigError(f"retention of {name!r}: {days} is not a positive number of days")
        kind, dot, interval = name.partition(".")
        schema = _schema(name, kind)
        oldest = now_ns - int(days * _DAY_S * SECOND_NS)
        if dot:
            condition, parameters = "interval = ?", [parse_interval(interval)]
        else:
            others = named.get(kind, [])
            condition, parameters = " AND ".join(["interval != ?"] * len(others)) or "true", others
        # A stretch of coverage has expired when its end has: one that goes on has none and stays.
        time = "end" if schema is COVERAGE else schema.time
        for part in tables_of(schema):
            statement = f"DELETE FROM {table(part)} WHERE {quoted(time)} < make_timestamp_ns(?) AND {condition}"
            yield kind, statement, [oldest, *parameters]


def _schema(name: str, kind: str) -> Schema:
    if kind not in _KINDS:
        raise ConfigError(f"retention of {name!r}: there is no such table{did_you_mean(kind, _KINDS)}")
    return _KINDS[kind]


def _interval_of(name: str, kind: str, interval: str) -> int:
    schema = _schema(name, kind)
    if "interval" not in schema.key:
        raise ConfigError(f"retention of {name!r}: {kind} have no intervals")
    try:
        return parse_interval(interval)
    except ValueError as error:
        raise ConfigError(f"retention of {name!r}: {error}") from error
