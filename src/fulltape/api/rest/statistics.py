"""Statistics: figures after ticks, of minutes, by activity, of hours and days. docs/statistics.md defines each."""

from __future__ import annotations

import types
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec

from fulltape.api.formats import Form, table_response, wanted_form
from fulltape.api.paging import PageQuery, encode_cursor
from fulltape.api.problems import problem_answers
from fulltape.api.rest.answers import TimeText
from fulltape.api.rest.pages import AnyRequest, InstrumentOrAll, InstrumentText, page_answers, send_page
from fulltape.api.rest.series import rows_of
from fulltape.api.services import Services, json_response
from fulltape.api.wire import PAGES, encode, encode_page
from fulltape.clock import SECOND_NS
from fulltape.operators.newest import AHEAD_NS
from fulltape.records import ACTIVITY_BARS, DEPTHS, QUOTE_STATS, STATS, WINDOWS, Batch
from fulltape.records.codec import encode as encode_rows
from fulltape.stores.base import Cursor, Reader, Selection

_MOMENT_NS: Final = 120 * SECOND_NS
_MISTAKES: Final = 16
"""Among so many rows that are newest by the venue's time one has a true time."""


class Hour(msgspec.Struct, frozen=True):
    """What was traded in a completed clock hour; ``total_trade_volume`` in quote currency."""

    instrument: str
    hour_start: TimeText
    transaction_count: int | None
    total_trade_volume: float | None


class Day(msgspec.Struct, frozen=True):
    """A UTC day with the means of the last 10 and 30 closes."""

    instrument: str
    day: TimeText
    open: float | None
    high: float | None
    low: float | None
    close: float | None
    volume: float | None
    quote_volume: float | None
    vwap: float | None
    trades: int | None
    is_final: bool
    sma_10d: float | None
    sma_30d: float | None


class _View(msgspec.Struct, frozen=True):
    """A view that is served in pages: its name, its time, its rows."""

    name: str
    time: str
    row: type[msgspec.Struct]

    @property
    def page(self) -> type[msgspec.Struct]:
        """The answer type."""
        rows: Any = types.GenericAlias(list, self.row)
        fields: list[tuple[str, Any]] = [("simulated", bool), (self.name, rows), ("next", str | None)]
        return msgspec.defstruct(f"{self.row.__name__}Page", fields, frozen=True)

    @property
    def answers(self) -> dict[int, ResponseSpec]:
        """A handler's ``responses``."""
        page = ResponseSpec(self.page, generate_examples=False, description=f"A page of {self.name}.")
        return {200: page, **problem_answers(400, 404, 406, 503)}

    def read(self, reader: Reader, instrument: str, page: PageQuery) -> tuple[pa.Table, Cursor | None]:
        """Return a page of one instrument's rows and where the next one begins, None after the last row."""
        conditions: dict[str, Any] = {"instrument = ?": instrument}
        behind = "<" if page.newest_first else ">"
        for condition, time in (
            (f"{self.time} >= make_timestamp_ns(?)", page.start),
            (f"{self.time} < make_timestamp_ns(?)", page.end),
            (f"{self.time} {behind} make_timestamp_ns(?)", page.after.time if page.after is not None else None),
        ):
            if time is not None:
                conditions[condition] = time
        direction = "DESC" if page.newest_first else "ASC"
        query = (
            f"SELECT * FROM {self.name} WHERE {' AND '.join(conditions)} "
            f"ORDER BY {self.time} {direction} LIMIT {page.limit + 1:d}"
        )
        table = reader.sql(query, parameters=list(conditions.values()))
        if table.num_rows <= page.limit:
            return table, None
        table = table.slice(0, page.limit)
        last = table[self.time].cast(pa.timestamp("ns")).cast(pa.int64())[-1].as_py()
        return table, Cursor(last, 1)


_HOURLY: Final = _View("hourly", "hour_start", Hour)
_DAILY: Final = _View("daily", "day", Day)


@get("/stats", responses=page_answers(STATS), summary="Statistics after ticks", tags=["statistics"])
async def stats(
    request: AnyRequest,
    services: NamedDependency[Services],
    page: NamedDependency[PageQuery],
    instrument: InstrumentText,
) -> Response[bytes]:
    """Return where an instrument stood after ticks, at most once a second, in order of time."""
    return await send_page(request, services, page, Selection(STATS, (services.catalogue.code_of(instrument),)))


_LATEST: Final = {
    200: ResponseSpec(PAGES[STATS.name], generate_examples=False, description="One entry an instrument."),
    **problem_answers(400, 404, 503),
}


@get("/stats/latest", responses=_LATEST, summary="The newest statistics", tags=["statistics"])
async def latest_stats(services: NamedDependency[Services], instrument: InstrumentOrAll = None) -> Response[bytes]:
    """Return the newest row of one instrument or of each."""
    codes = None if instrument is None else (services.catalogue.code_of(instrument),)

    def read(reader: Reader) -> bytes:
        table = services.catalogue.table()
        return encode_rows(newest_stats(reader, codes or range(len(table))), table)

    return json_response(encode_page(services.simulated, STATS.name, await services.read(read), None))


def newest_stats(reader: Reader, codes: Sequence[int]) -> Batch:
    """Return the newest statistics of each instrument that has some, in the order of codes.

    Newest is what was received last: the time of the one before may have been a mistake (`fulltape.operators.newest`).
    Most of what is followed had a tick a moment ago: one read finds them all, and only the others are read one by one.
    """
    if not codes:
        return STATS.empty()
    with reader.pinned():
        _, clock = reader.last_commit()
        recent = reader.read(Selection(STATS, tuple(codes), start=clock - _MOMENT_NS))
        is_true = recent["event_time"] <= recent["ingest_time"] + AHEAD_NS
        others = sorted(set(codes) - set(recent["instrument"][is_true].tolist()))
        older = [reader.read(Selection(STATS, (code,), newest_first=True, limit=_MISTAKES)) for code in others]
    rows = Batch.concat([recent, *older])
    rows = rows.take(np.lexsort((rows["event_time"], rows["ingest_time"], rows["instrument"])))
    last = np.diff(rows["instrument"], append=-1) != 0
    return rows.take(last)


@get("/windows", responses=page_answers(WINDOWS), summary="Statistics of minutes", tags=["statistics"])
async def windows(
    request: AnyRequest,
    services: NamedDependency[Services],
    page: NamedDependency[PageQuery],
    instrument: InstrumentText,
) -> Response[bytes]:
    """Return windows of 60 s, one every 30 s: mean, volatility, order flow, VWAP."""
    return await send_page(request, services, page, Selection(WINDOWS, (services.catalogue.code_of(instrument),)))


@get("/activity_bars", responses=page_answers(ACTIVITY_BARS), summary="Bars by activity", tags=["statistics"])
async def activity_bars(
    request: AnyRequest,
    services: NamedDependency[Services],
    page: NamedDependency[PageQuery],
    instrument: InstrumentText,
) -> Response[bytes]:
    """Return tick, volume and value bars by their start."""
    code = services.catalogue.code_of(instrument)
    return await send_page(request, services, page, Selection(ACTIVITY_BARS, (code,)))


@get("/quote_stats", responses=page_answers(QUOTE_STATS), summary="Statistics of quotes", tags=["statistics"])
async def quote_stats(
    request: AnyRequest,
    services: NamedDependency[Services],
    page: NamedDependency[PageQuery],
    instrument: InstrumentText,
) -> Response[bytes]:
    """Return spread, mid and microprice, and what other venues quote, at the end of seconds, in order of time."""
    return await send_page(request, services, page, Selection(QUOTE_STATS, (services.catalogue.code_of(instrument),)))


@get("/depths", responses=page_answers(DEPTHS), summary="Depth of books", tags=["statistics"])
async def depths(
    request: AnyRequest,
    services: NamedDependency[Services],
    page: NamedDependency[PageQuery],
    instrument: InstrumentText,
) -> Response[bytes]:
    """Return sizes near the mid and the imbalance of the best levels at the end of seconds, in order of time."""
    return await send_page(request, services, page, Selection(DEPTHS, (services.catalogue.code_of(instrument),)))


@get("/hourly", responses=_HOURLY.answers, summary="Completed hours", tags=["statistics"])
async def hourly(
    request: AnyRequest,
    services: NamedDependency[Services],
    page: NamedDependency[PageQuery],
    instrument: InstrumentText,
) -> Response[bytes]:
    """Return the number of trades and the volume of each completed clock hour."""
    return await _send_view(request, services, page, _HOURLY, instrument)


@get("/daily", responses=_DAILY.answers, summary="Days", tags=["statistics"])
async def daily(
    request: AnyRequest,
    services: NamedDependency[Services],
    page: NamedDependency[PageQuery],
    instrument: InstrumentText,
) -> Response[bytes]:
    """Return UTC days with the means of the last 10 and 30 closes."""
    return await _send_view(request, services, page, _DAILY, instrument)


async def _send_view(
    request: AnyRequest, services: Services, page: PageQuery, view: _View, instrument: str
) -> Response[bytes]:
    services.catalogue.code_of(instrument)
    form = wanted_form(request, page.form)
    table, after = await services.read(lambda reader: view.read(reader, instrument, page))
    cursor = None if after is None else encode_cursor(after)
    if form is not Form.JSON:
        return table_response(table, form, simulated=services.simulated, following=cursor)
    return json_response(encode_page(services.simulated, view.name, encode(rows_of(table)), cursor))
