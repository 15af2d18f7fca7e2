"""Pages of records: what a client may ask for, cursors, and the reads behind them."""

from __future__ import annotations

import base64
import binascii
import struct
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Annotated, Final, Literal

import numpy as np
from litestar.openapi import spec
from litestar.openapi.spec import OpenAPIFormat
from litestar.params import QueryParameter

from fulltape.api.formats import FormatText
from fulltape.api.problems import bad_request
from fulltape.clock import SECOND_NS, parse_when
from fulltape.records import COVERAGE, Array, Batch, Schema
from fulltape.records.columns import NULL_INT, Physical, high
from fulltape.stores.base import Cursor, Reader, Selection

DEFAULT_LIMIT: Final = 1_000
MAX_LIMIT: Final = 10_000

TEXT: Final = {"type": "string", "oneOf": None}
"""What a parameter that may be left out is in the OpenAPI document: a query has no way to say null."""

TIME: Final = {**TEXT, "anyOf": [spec.Schema(format=OpenAPIFormat.DATE_TIME), spec.Schema(format=OpenAPIFormat.DATE)]}
"""What one is that is a time, or a date for its midnight UTC."""
_CURSOR: Final = struct.Struct(">qqq")
_LAST_NS: Final = int(np.iinfo(np.int64).max) - 1
"""The far end of time: the next value stands for infinity in a store, the smallest for null in a batch."""
LATEST_NS: Final = _LAST_NS - 800 * 86_400 * SECOND_NS
"""The latest time that can be asked for, and as far before 1970 the earliest: two of the longest windows lie beyond."""


@dataclass(frozen=True, slots=True)
class PageQuery:
    """The part of a stretch of records that a client asks for. Times are ns UTC, the range is half-open."""

    start: int | None
    end: int | None
    limit: int
    after: Cursor | None
    newest_first: bool
    form: str | None = None


def page_query(
    start: Annotated[str | None, QueryParameter(description="First time, RFC 3339.", schema_extra=TIME)] = None,
    end: Annotated[str | None, QueryParameter(description="The time to end before.", schema_extra=TIME)] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=MAX_LIMIT, description="How many records.")] = DEFAULT_LIMIT,
    cursor: Annotated[
        str | None,
        QueryParameter(
            description="`next` of the page before; leave the other parameters as they were.", schema_extra=TEXT
        ),
    ] = None,
    order: Annotated[Literal["asc", "desc"], QueryParameter(description="Oldest or newest first.")] = "asc",
    form: FormatText = None,
) -> PageQuery:
    """Return the query parameters that all paged calls share; a 400 for what cannot be used."""
    return PageQuery(
        start=parse_time("start", start),
        end=parse_time("end", end),
        limit=limit,
        after=None if cursor is None else decode_cursor(cursor),
        newest_first=order == "desc",
        form=form,
    )


def parse_time(name: str, text: str | None) -> int | None:
    """Return the ns of an RFC 3339 text or a date; a 400 that names the parameter if it is neither.

    A time beyond those that can be asked for becomes the `nearest`: no handler overflows that adds a window or takes
    one off. A ``+`` that the client forgot to escape arrives as a space and is taken for what it was.
    """
    if text is None:
        return None
    try:
        time_ns = parse_when(text[:-6] + text[-6:].replace(" ", "+"))
    except ValueError:
        raise bad_request(f"{name}: not an RFC 3339 time such as 2026-11-20T00:00:00Z, nor a date: {text!r}") from None
    return nearest(time_ns)


def nearest(time_ns: int) -> int:
    """Return a time (ns), or the one nearest to it that can be asked for."""
    return max(-LATEST_NS, min(LATEST_NS, time_ns))


def encode_cursor(cursor: Cursor) -> str:
    """Return the opaque text of a cursor."""
    return base64.urlsafe_b64encode(_CURSOR.pack(cursor.time, cursor.low, cursor.high)).decode()


def decode_cursor(text: str) -> Cursor:
    """Return the cursor of a text that `encode_cursor` made; a 400 for any other."""
    cursor: Cursor | None = None
    with suppress(binascii.Error, struct.error, ValueError):
        cursor = Cursor(*_CURSOR.unpack(base64.b64decode(text.encode(), altchars=b"-_", validate=True)))
    if cursor is None or abs(cursor.time) >= _LAST_NS:
        raise bad_request("cursor: not one that this server gave; ask for the first page again")
    return cursor


def read_page(reader: Reader, selection: Selection, page: PageQuery) -> tuple[Batch, Cursor | None]:
    """Return a page of the selected kind and where the next one begins, None after the last row."""
    selection = replace(selection, start=page.start, end=page.end, newest_first=page.newest_first)
    if page.start is not None and page.end is not None and page.start >= page.end:
        return selection.schema.empty(), None
    id_column = _id_column(selection.schema)
    if id_column is not None:
        batch = reader.read(replace(selection, after=page.after, limit=page.limit + 1))
        if len(batch) <= page.limit:
            return batch, None
        batch = batch.take(slice(0, page.limit))
        return batch, Cursor(_time_at(batch, -1), int(batch[id_column][-1]), int(batch[high(id_column)][-1]))
    if selection.schema is COVERAGE:
        return _cut(overlapping(reader, selection), page)
    return _read_by_time(reader, selection, page)


def overlapping(reader: Reader, selection: Selection) -> Batch:
    """Return the coverage stretches that overlap the selection's range, however long before it they began."""
    batch = reader.read(replace(selection, start=None))
    if selection.start is None:
        return batch
    return batch.take((batch["end"] == NULL_INT) | (batch["end"] > selection.start))


def _id_column(schema: Schema) -> str | None:
    return next((c.name for c in schema.columns if c.physical is Physical.ID128 and c.name in schema.key), None)


def _time_at(batch: Batch, index: int) -> int:
    return int(batch[batch.schema.time][index])


def _read_by_time(reader: Reader, selection: Selection, page: PageQuery) -> tuple[Batch, Cursor | None]:
    """Read a page of a kind whose rows have no id: a cursor is a time and how many of its rows have been served."""
    if page.after is not None:
        selection = _from(selection, page.after)
    batch = reader.read(replace(selection, limit=page.limit + 1 + _served(page)))
    return _cut(batch, page)


def _from(selection: Selection, after: Cursor) -> Selection:
    if selection.newest_first:
        end = after.time + 1
        return replace(selection, end=end if selection.end is None else min(end, selection.end))
    return replace(selection, start=after.time if selection.start is None else max(after.time, selection.start))


def _served(page: PageQuery) -> int:
    if page.after is None:
        return 0
    if not 0 < page.after.low <= 10 * MAX_LIMIT or page.after.high:
        raise bad_request("cursor: it belongs to another call")
    return page.after.low


def _cut(batch: Batch, page: PageQuery) -> tuple[Batch, Cursor | None]:
    """Cut a page out of rows in order that begin at or before it."""
    first = 0
    served = _served(page)
    times = batch[batch.schema.time]
    if page.after is not None:
        first = _first_at(times, page.after.time, page.newest_first) + served
    last = first + page.limit
    if len(batch) <= last:
        return batch.take(slice(first, None)), None
    time = int(times[last - 1])
    return batch.take(slice(first, last)), Cursor(time, last - _first_at(times, time, page.newest_first))


def _first_at(times: Array, time: int, newest_first: bool) -> int:
    """Return the position of the first row at ``time``, or where it would be."""
    return int(np.searchsorted(-times, -time)) if newest_first else int(np.searchsorted(times, time))
