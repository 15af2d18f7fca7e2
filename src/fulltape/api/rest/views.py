"""Views with a row for each instrument, or for each instrument and day, as series."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from fulltape.api.formats import FormatText
from fulltape.api.paging import parse_time
from fulltape.api.rest.answers import TimeText
from fulltape.api.rest.pages import AnyRequest, InstrumentOrAll
from fulltape.api.rest.ranges import DAY_NS, EndText, range_of
from fulltape.api.rest.series import Series, send_series, series_answers
from fulltape.api.services import Services
from fulltape.stores.base import Reader


class Rolling(msgspec.Struct, frozen=True):
    """The last hour and the last 24 hours of an instrument, in whole minutes up to now."""

    instrument: str
    transaction_count_1h: int
    total_trade_volume_1h: float
    open_24h: float | None
    high_24h: float | None
    low_24h: float | None
    close_24h: float | None
    volume_24h: float | None
    quote_volume_24h: float | None
    trades_24h: int | None


class Overview(msgspec.Struct, frozen=True):
    """Where an instrument or a coin stands, with its changes in percent."""

    instrument: str
    name: str
    price: float | None
    change_1t: float | None
    all_time_high: float | None
    volume_24h: float | None
    cap: float | None
    total_supply: float | None
    change_1d: float | None
    change_7d: float | None
    event_time: TimeText | None


class Ranked(msgspec.Struct, frozen=True):
    """An instrument's or a coin's change of a day with its places among all."""

    instrument: str
    price: float
    change_1d: float
    winner: int
    loser: int


class Quality(msgspec.Struct, frozen=True):
    """How good the trades of an instrument's UTC day are."""

    instrument: str
    day: TimeText
    followed_s: float
    down_s: float
    gap_s: float
    completeness: float
    missing: int
    trades: int
    refilled: int
    duplicates: int
    duplicate_rate: float | None
    out_of_order: float | None
    revisions: int
    clock_skew_s: float | None
    delay_p50_s: float | None
    delay_p99_s: float | None
    stale_s: float
    crossed_s: float


@get("/rolling", responses=series_answers("rolling", Rolling), summary="Last hour and 24 hours", tags=["statistics"])
async def rolling(
    request: AnyRequest,
    services: NamedDependency[Services],
    instrument: InstrumentOrAll = None,
    form: FormatText = None,
) -> Response[bytes]:
    """Return counts, volumes and prices of the last hour and 24 hours, of one instrument or of each that traded."""
    return await _send_view(request, services, form, "rolling", instrument)


@get("/overview", responses=series_answers("overview", Overview), summary="All at a glance", tags=["statistics"])
async def overview(
    request: AnyRequest,
    services: NamedDependency[Services],
    instrument: InstrumentOrAll = None,
    form: FormatText = None,
) -> Response[bytes]:
    """Return price, changes, high, volume and what is told of a coin, of one instrument or of each."""
    return await _send_view(request, services, form, "overview", instrument)


@get(
    "/winners_losers",
    responses=series_answers("winners_losers", Ranked),
    summary="All by their change of a day",
    tags=["statistics"],
)
async def winners_losers(
    request: AnyRequest, services: NamedDependency[Services], form: FormatText = None
) -> Response[bytes]:
    """Return everything that has a change over 24 hours, coins included, with its place from both ends."""
    return await _send_view(request, services, form, "winners_losers", None, "winner")


@get("/quality", responses=series_answers("quality", Quality), summary="How good the data is", tags=["statistics"])
async def quality(
    request: AnyRequest,
    services: NamedDependency[Services],
    instrument: InstrumentOrAll = None,
    days: Annotated[int, QueryParameter(ge=1, le=31, description="How many days.")] = 7,
    end: EndText = None,
    form: FormatText = None,
) -> Response[bytes]:
    """Return completeness, gaps, delays and disorder of the last UTC days, of one instrument or of each.

    A day counts only as far as its trades were wanted; the one that goes on, up to now.
    """
    if instrument is not None:
        services.catalogue.code_of(instrument)
    span = None, parse_time("end", end)

    def work(reader: Reader) -> Series:
        _, until = range_of(reader, span, DAY_NS)
        until = max(until, 0)
        first = max(0, (until - 1) // DAY_NS - days + 1) * DAY_NS
        query = "FROM quality WHERE day >= make_timestamp_ns(?) AND day < make_timestamp_ns(?)"
        parameters: list[Any] = [first, until]
        if instrument is not None:
            query, parameters = f"{query} AND instrument = ?", [*parameters, instrument]
        return Series("quality", reader.sql(f"{query} ORDER BY day, instrument", parameters=parameters))

    return await send_series(request, services, form, work)


async def _send_view(
    request: AnyRequest,
    services: Services,
    form: str | None,
    name: str,
    instrument: str | None,
    order: str = "instrument",
) -> Response[bytes]:
    """Return a view that has a row for each instrument, or the row of one."""
    if instrument is not None:
        services.catalogue.code_of(instrument)
    condition = "" if instrument is None else "WHERE instrument = ?"
    query = f"FROM {name} {condition} ORDER BY {order}"
    parameters = [] if instrument is None else [instrument]
    return await send_series(
        request, services, form, lambda reader: Series(name, reader.sql(query, parameters=parameters))
    )
