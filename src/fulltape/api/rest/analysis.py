"""What is worked out of a range when it is asked for: movers, correlation, order flow, large trades, distribution.

The figures are defined in `fulltape.operators`; here ranges are bounded and answers written.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Final, Literal

import msgspec
import numpy as np
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from fulltape.api.paging import PageQuery, parse_time, read_page
from fulltape.api.rest.answers import (
    CorrelationAnswer,
    DistributionAnswer,
    FlowAnswer,
    FlowWindow,
    Mover,
    MoversAnswer,
    answers_of,
)
from fulltape.api.rest.pages import AnyRequest, InstrumentText, IntervalText, interval_of, page_answers, send
from fulltape.api.rest.ranges import (
    DAY_NS,
    EndText,
    IdsText,
    MinutesText,
    StartText,
    closes,
    range_of,
    span_of,
    trades_in,
    windows_in,
)
from fulltape.api.rest.statistics import newest_stats
from fulltape.api.services import Services, json_response
from fulltape.api.wire import encode
from fulltape.clock import SECOND_NS, format_rfc3339
from fulltape.operators.correlation import correlate, log_returns
from fulltape.operators.distribution import distribution
from fulltape.operators.flow import order_flow
from fulltape.records import TRADES, Array, Batch
from fulltape.records.codec import to_dicts
from fulltape.records.interval import format_interval
from fulltape.stores.base import Cursor, Reader, Selection

_SCANNED: Final = 200_000
"""Through how many trades one request for large ones looks; the rest is for the next page."""

Period = Literal["1m", "5m", "15m", "1h", "4h", "1d", "7d", "30d"]
"""The periods that changes are kept of: those of `fulltape.operators.changes`."""


@get("/movers", responses=answers_of(MoversAnswer), summary="What has risen and fallen most", tags=["analysis"])
async def movers(
    services: NamedDependency[Services],
    period: Annotated[Period, QueryParameter(description="Since when.")] = "1d",
    top: Annotated[int, QueryParameter(ge=1, le=100, description="How many of each.")] = 10,
) -> Response[bytes]:
    """Return the instruments that are followed by their change over a period, as of the newest tick of each."""
    column = f"change_{period}"
    table = services.catalogue.table()
    codes = tuple(sorted(map(table.code_of, services.backend.following.followed() & set(table.ids()))))
    rows = await services.read(lambda reader: newest_stats(reader, codes))
    known_rows = rows.take(~np.isnan(rows[column]))
    order = np.argsort(-known_rows[column], kind="stable")
    found = [
        Mover(row["instrument"], row["price"], row[column], row["event_time"])
        for row in to_dicts(known_rows.take(order), table)
    ]
    winners = tuple(row for row in found if row.change > 0)[:top]
    losers = tuple(row for row in found[::-1] if row.change < 0)[:top]
    return json_response(encode(MoversAnswer(services.simulated, period, winners, losers)))


@get(
    "/correlation", responses=answers_of(CorrelationAnswer), summary="How instruments move together", tags=["analysis"]
)
async def correlation(
    services: NamedDependency[Services],
    instruments: IdsText,
    interval: IntervalText = "1h",
    periods: Annotated[int, QueryParameter(ge=2, le=5_000, description="How many windows.")] = 168,
    end: EndText = None,
) -> Response[bytes]:
    """Return correlation and beta of the log returns between the last closes of windows, pair by pair."""
    names = tuple(instruments.split(","))
    codes = [services.catalogue.code_of(name) for name in names]
    interval_s = interval_of(interval)
    before = parse_time("end", end)

    def read(reader: Reader) -> CorrelationAnswer:
        found = correlate(log_returns(closes(reader, codes, interval_s, before, periods + 1)))
        return CorrelationAnswer(
            services.simulated, names, interval, periods,
            _nullable(found.correlation), _nullable(found.beta), found.returns.tolist(),
        )  # fmt: skip

    return json_response(encode(await services.read(read)))


@get("/flow", responses=answers_of(FlowAnswer), summary="Order flow of windows", tags=["analysis"])
async def flow(
    services: NamedDependency[Services],
    instrument: InstrumentText,
    interval: MinutesText = "5m",
    start: StartText = None,
    end: EndText = None,
) -> Response[bytes]:
    """Return delta, its sum from the range's start on, and imbalance by windows of whole minutes.

    The range is the last 24 hours if no start is named.
    """
    interval_s = interval_of(interval)
    code = services.catalogue.code_of(instrument)
    span = span_of(start, end)

    def read(reader: Reader) -> FlowAnswer:
        with reader.pinned():
            first, until = range_of(reader, span, DAY_NS)
            rows = windows_in(reader, code, first, until)
        return FlowAnswer(services.simulated, instrument, interval, _flow_windows(rows, interval_s))

    return json_response(encode(await services.read(read)))


@get("/trades/large", responses=page_answers(TRADES), summary="Large trades of an instrument", tags=["analysis"])
async def large_trades(
    request: AnyRequest,
    services: NamedDependency[Services],
    page: NamedDependency[PageQuery],
    instrument: InstrumentText,
    min_value: Annotated[float, QueryParameter(ge=0, description="Least price x size, in quote currency.")],
) -> Response[bytes]:
    """Return trades of at least a value. A page may hold fewer than ``limit``, or none, and still have a ``next``."""
    selection = Selection(TRADES, (services.catalogue.code_of(instrument),))

    def read(reader: Reader) -> tuple[Batch, Cursor | None]:
        batch, after = read_page(reader, selection, replace(page, limit=_SCANNED))
        large = batch.take(batch["price"] * batch["size"] >= min_value)
        if len(large) <= page.limit:
            return large, after
        large = large.take(slice(0, page.limit))
        last = (int(large[name][-1]) for name in ("event_time", "trade_id", "trade_id_high"))
        return large, Cursor(*last)

    return await send(request, services, page, TRADES, read)


@get("/distribution", responses=answers_of(DistributionAnswer), summary="How trades are distributed", tags=["analysis"])
async def trade_distribution(
    services: NamedDependency[Services],
    instrument: InstrumentText,
    start: StartText = None,
    end: EndText = None,
    period: Annotated[IntervalText, QueryParameter(description="The range's length, if no start is named.")] = "1h",
    bins: Annotated[int, QueryParameter(ge=1, le=1_000, description="Bins of the histograms.")] = 50,
) -> Response[bytes]:
    """Return histograms of sizes and pauses, box plot, volume by minute, rolling means, Lorenz curve, largest trades.

    The range is the last hour unless told otherwise.
    """
    code = services.catalogue.code_of(instrument)
    span = span_of(start, end)
    length = interval_of(period) * SECOND_NS

    def read(reader: Reader) -> bytes:
        with reader.pinned():
            first, until = range_of(reader, span, length)
            trades = trades_in(reader, code, first, until)
        times = {"start": format_rfc3339(first), "end": format_rfc3339(until)}
        figures = _figures(services, trades, bins)
        return encode({"simulated": services.simulated, "instrument": instrument, **times, "distribution": figures})

    return json_response(await services.read(read))


def _flow_windows(rows: Batch, interval_s: int) -> tuple[FlowWindow, ...]:
    found = order_flow(rows, interval_s)
    columns = msgspec.structs.asdict(found)
    columns["start"] = np.array([format_rfc3339(time) for time in found.start.tolist()], object)
    lists = [_nullable(columns[name]) for name in FlowWindow.__struct_fields__]
    return tuple(FlowWindow(*row) for row in zip(*lists, strict=True))


def _figures(services: Services, trades: Batch, bins: int) -> dict[str, Any] | None:
    try:
        found = distribution(trades, bins)
    except ValueError:
        return None
    figures: dict[str, Any] = msgspec.to_builtins(found, enc_hook=_nullable)
    figures["largest"] = to_dicts(trades.take(found.largest), services.catalogue.table())
    volumes, rolling = figures["volumes"], figures["rolling"]
    volumes["interval"] = format_interval(volumes.pop("interval_s"))
    volumes["starts"] = [format_rfc3339(time) for time in volumes["starts"]]
    rolling["times"] = [format_rfc3339(time) for time in rolling["times"]]
    return figures


def _nullable(values: Array) -> list[Any]:
    """Return an array as lists, what is not known as null."""
    if values.ndim > 1:
        return [_nullable(row) for row in values]
    if values.dtype.kind != "f":
        return list(values.tolist())
    return [None if np.isnan(value) else value for value in values.tolist()]
