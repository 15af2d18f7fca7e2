"""Volume against its past and by price, and the VWAP of a range with its bands.

The figures are defined in `fulltape.operators.volume` and `fulltape.operators.vwap`.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
import numpy as np
import pyarrow as pa
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from fulltape.api.formats import FormatText
from fulltape.api.paging import TIME, parse_time
from fulltape.api.rest.answers import TimeText
from fulltape.api.rest.pages import AnyRequest, InstrumentText, interval_of
from fulltape.api.rest.ranges import (
    DAY_NS,
    HOUR_NS,
    MINUTE_NS,
    EndText,
    Grid,
    MinutesText,
    StartText,
    range_of,
    span_of,
    trades_in,
    windows_in,
)
from fulltape.api.rest.returns import LengthText, PeriodsText
from fulltape.api.rest.series import Made, Series, figures, send_series, series_answers, times
from fulltape.api.services import Services
from fulltape.clock import format_rfc3339
from fulltape.operators.volume import relative_volume, step_for, volume_profile, volume_z
from fulltape.operators.vwap import Vwap, anchored_vwap, rolling_vwap
from fulltape.records import CANDLES, TRADES, WINDOWS, Batch
from fulltape.stores.base import Reader


class Traded(msgspec.Struct, frozen=True):
    """A window's volume (base currency) against the n before it; null where that of one is not known."""

    start: TimeText
    volume: float | None
    relative_volume: float | None
    volume_z: float | None


class VwapPoint(msgspec.Struct, frozen=True):
    """VWAP at the end of the minute that begins at ``start``; the bands are k standard deviations away."""

    start: TimeText
    vwap: float
    std: float
    lower: float
    upper: float


class PriceStep(msgspec.Struct, frozen=True):
    """The volume (base currency) of a step of prices; ``price`` is its lower edge."""

    price: float
    volume: float


@get(
    "/relative_volume",
    responses=series_answers("relative_volume", Traded, instrument=str, interval=str, n=int, periods=int),
    summary="Volume against its past",
    tags=["analysis"],
)
async def volumes(  # noqa: PLR0913, PLR0917 - one query parameter each
    request: AnyRequest,
    services: NamedDependency[Services],
    instrument: InstrumentText,
    interval: MinutesText = "1h",
    n: LengthText = 24,
    periods: PeriodsText = 168,
    end: EndText = None,
    form: FormatText = None,
) -> Response[bytes]:
    """Return the volume of each window against mean and standard deviation of the n windows before it."""
    interval_s, code = interval_of(interval), services.catalogue.code_of(instrument)
    until = parse_time("end", end)

    def work(reader: Reader) -> Series:
        grid = Grid(reader, code, interval_s, until, periods + n)
        volume = grid.volume()
        columns = {"volume": volume, "relative_volume": relative_volume(volume, n), "volume_z": volume_z(volume, n)}
        shown = {name: figures(column[n:]) for name, column in columns.items()}
        about = {"instrument": instrument, "interval": interval, "n": n, "periods": periods}
        return Series("relative_volume", pa.table({"start": times(grid.start[n:]), **shown}), about)

    return await send_series(request, services, form, work, Made(CANDLES, code, until))


_BANDS = Annotated[float, QueryParameter(ge=0, le=100, description="How far the bands are, in deviations.")]


@get(
    "/vwap/rolling",
    responses=series_answers("vwap", VwapPoint, instrument=str, minutes=int, k=float),
    summary="Rolling VWAP with bands",
    tags=["analysis"],
)
async def vwap_rolling(  # noqa: PLR0913, PLR0917 - one query parameter each
    request: AnyRequest,
    services: NamedDependency[Services],
    instrument: InstrumentText,
    minutes: Annotated[int, QueryParameter(ge=1, le=1_440, description="Of the last how many minutes.")] = 60,
    k: _BANDS = 2.0,
    start: StartText = None,
    end: EndText = None,
    form: FormatText = None,
) -> Response[bytes]:
    """Return the VWAP of the last minutes at the end of each minute that was traded in.

    The range is the last 24 hours if no start is named.
    """
    code, span = services.catalogue.code_of(instrument), span_of(start, end)

    def work(reader: Reader) -> Series:
        first, until = range_of(reader, span, DAY_NS)
        found = rolling_vwap(windows_in(reader, code, first - (minutes - 1) * MINUTE_NS, until), minutes)
        return Series("vwap", _bands(found, first, k), {"instrument": instrument, "minutes": minutes, "k": k})

    return await send_series(request, services, form, work, Made(WINDOWS, code, span[1]))


@get(
    "/vwap/anchored",
    responses=series_answers("vwap", VwapPoint, instrument=str, anchor=TimeText, k=float),
    summary="Anchored VWAP with bands",
    tags=["analysis"],
)
async def vwap_anchored(
    request: AnyRequest,
    services: NamedDependency[Services],
    instrument: InstrumentText,
    anchor: Annotated[str, QueryParameter(description="Since which minute.", schema_extra=TIME)],
    k: _BANDS = 2.0,
    end: EndText = None,
    form: FormatText = None,
) -> Response[bytes]:
    """Return the VWAP since the anchor at the end of each minute that was traded in."""
    code, span = services.catalogue.code_of(instrument), span_of(anchor, end)

    def work(reader: Reader) -> Series:
        since, until = range_of(reader, span, DAY_NS)
        first = since // MINUTE_NS * MINUTE_NS
        found = anchored_vwap(windows_in(reader, code, first, until), since)
        about = {"instrument": instrument, "anchor": format_rfc3339(since), "k": k}
        return Series("vwap", _bands(found, first, k), about)

    return await send_series(request, services, form, work, Made(WINDOWS, code, span[1]))


@get(
    "/profile",
    responses=series_answers(
        "profile", PriceStep, instrument=str, trades=int, step=float | None, share=float,
        point_of_control=float | None, value_area_low=float | None, value_area_high=float | None,
    ),
    summary="Volume by price",
    tags=["analysis"],
)  # fmt: skip
async def profile(  # noqa: PLR0913, PLR0917 - one query parameter each
    request: AnyRequest,
    services: NamedDependency[Services],
    instrument: InstrumentText,
    start: StartText = None,
    end: EndText = None,
    steps: Annotated[int, QueryParameter(ge=1, le=1_000, description="Into how many at most.")] = 50,
    share: Annotated[float, QueryParameter(gt=0, le=1, description="What the value area holds.")] = 0.7,
    form: FormatText = None,
) -> Response[bytes]:
    """Return the volume by steps of price, the point of control and the value area.

    The range is the last hour if no start is named; the step is a round number.
    """
    code, span = services.catalogue.code_of(instrument), span_of(start, end)

    def work(reader: Reader) -> Series:
        first, until = range_of(reader, span, HOUR_NS)
        trades = trades_in(reader, code, first, until)
        return _profile(instrument, trades, steps, share)

    return await send_series(request, services, form, work, Made(TRADES, code, span[1]))


def _bands(found: Vwap, first: int, k: float) -> pa.Table:
    """Return the minutes from ``first`` (ns) on."""
    columns = {"vwap": found.vwap, "std": found.std, "lower": found.band(-k), "upper": found.band(k)}
    shown = found.start >= first
    told = {name: figures(column[shown]) for name, column in columns.items()}
    return pa.table({"start": times(found.start[shown]), **told})


def _profile(instrument: str, trades: Batch, steps: int, share: float) -> Series:
    traded = trades.take((trades["size"] > 0.0) & (trades["price"] > 0.0))
    about = {"instrument": instrument, "trades": len(traded), "share": share}
    names = ("step", "point_of_control", "value_area_low", "value_area_high")
    if not len(traded):
        nothing = figures(np.empty(0))
        return Series("profile", pa.table({"price": nothing, "volume": nothing}), {**about, **dict.fromkeys(names)})
    found = volume_profile(traded["price"], traded["size"], step_for(traded["price"], steps), share)
    table = pa.table({"price": found.prices, "volume": found.volumes})
    return Series("profile", table, {**about, **{name: getattr(found, name) for name in names}})
