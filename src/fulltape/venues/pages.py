"""What every venue does with pages of its history: decode them, refuse them whole, cut a range into bars."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TypeVar

import msgspec
import numpy as np

from fulltape.clock import SECOND_NS
from fulltape.errors import ConfigError, MalformedFrame
from fulltape.records import Batch, Schema
from fulltape.venues.base import Parsed, columns_of
from fulltape.venues.rows import Rows

T = TypeVar("T")


def decode_page(body: bytes, kind: type[T]) -> T:
    """Decode a REST answer; numeric text becomes numbers where ``kind`` says so. Raises MalformedFrame."""
    try:
        return msgspec.json.decode(body, type=kind, strict=False)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise MalformedFrame("malformed_body", f"{error}; it begins {body[:80]!r}") from None


def page_rows(schema: Schema, count: int, code: int, ingest_time: int) -> Rows:
    """Return the beginning of ``count`` rows of one instrument, all received at ``ingest_time``."""
    rows = Rows(schema, np.arange(count), np.full(count, ingest_time, np.int64))
    rows.put("instrument", [code] * count)
    return rows


def refuse_others(symbols: Iterable[str]) -> None:
    """Raise MalformedFrame for a page with rows of several instruments: it was asked for those of one."""
    if len(found := sorted(set(symbols))) > 1:
        raise MalformedFrame("unknown_instrument", f"{len(found)} symbols instead of 1: {', '.join(found)[:100]}")


def finish_page(rows: Rows) -> Batch:
    """Return all rows. A page with a bad row is refused whole (MalformedFrame): no hole may go unnoticed."""
    parsed = Parsed()
    rows.finish(parsed)
    _refuse_rejects(parsed)
    return columns_of(rows.schema, parsed)


def bar_range(venue: str, interval_s: int, start_ns: int, end_ns: int, limits: tuple[Collection[int], int]) -> range:
    """Return the starts (s) of the bars with start <= bar < end.

    ``limits`` are the intervals (s) that the venue has and how many bars it gives at once. Raises ConfigError.
    """
    intervals, most = limits
    if interval_s not in intervals:
        raise ConfigError(f"{venue} has no bars of {interval_s} s, only of {', '.join(map(str, intervals))} s")
    first = -(-start_ns // (interval_s * SECOND_NS)) * interval_s
    starts = range(first, -(-end_ns // SECOND_NS), interval_s)
    if not 1 <= len(starts) <= most:
        raise ConfigError(f"{venue} gives 1 to {most} bars at once; {start_ns} to {end_ns} ns has another number")
    return starts


def _refuse_rejects(parsed: Parsed) -> None:
    if parsed.rejects:
        first = parsed.rejects[0]
        raise MalformedFrame(first.reason, f"row {first.frame}: {first.detail}")
