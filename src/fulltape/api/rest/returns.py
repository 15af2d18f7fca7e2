"""What the returns of an instrument say: drawdown, Sharpe and Sortino ratio, how it moves with another.

The figures are defined in `fulltape.operators.returns`, over closes of consecutive windows.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import numpy as np
import pyarrow as pa
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from fulltape.api.formats import FormatText
from fulltape.api.paging import parse_time
from fulltape.api.rest.answers import TimeText
from fulltape.api.rest.pages import AnyRequest, InstrumentText, IntervalText, interval_of
from fulltape.api.rest.ranges import EndText, Grid, closes
from fulltape.api.rest.series import Made, Series, figures, send_series, series_answers, times
from fulltape.api.services import Services
from fulltape.operators.correlation import log_returns
from fulltape.operators.returns import drawdown, rolling_together, sharpe, sortino
from fulltape.records import CANDLES, Array
from fulltape.stores.base import Reader

PeriodsText = Annotated[int, QueryParameter(ge=2, le=5_000, description="How many windows.")]
LengthText = Annotated[int, QueryParameter(ge=2, le=1_000, description="Over how many windows.")]
SomeIdsText = Annotated[
    str,
    QueryParameter(description="1 to 20 ids, with commas between.", pattern=r"^[^,]+(,[^,]+){0,19}$", max_length=2_000),
]


class Fall(msgspec.Struct, frozen=True):
    """By how much a close is below the highest one of the range up to it, in percent; null without a close."""

    start: TimeText
    close: float | None
    drawdown: float | None


class Ratios(msgspec.Struct, frozen=True):
    """What the returns of a range say of one instrument; null where there are too few. Annualised, of 365 days."""

    instrument: str
    returns: int
    sharpe: float | None
    sortino: float | None
    max_drawdown: float | None


class Moving(msgspec.Struct, frozen=True):
    """What the last ``n`` returns up to a window say; null where fewer than two are in both."""

    start: TimeText
    correlation: float | None
    beta: float | None


_ONE = {"instrument": str, "interval": str, "periods": int}


@get("/drawdown", responses=series_answers("drawdown", Fall, **_ONE), summary="Drawdown", tags=["analysis"])
async def drawdowns(
    request: AnyRequest,
    services: NamedDependency[Services],
    instrument: InstrumentText,
    interval: IntervalText = "1d",
    periods: PeriodsText = 90,
    end: EndText = None,
    form: FormatText = None,
) -> Response[bytes]:
    """Return how far each close is below the highest close of the range up to it."""
    interval_s, code = interval_of(interval), services.catalogue.code_of(instrument)
    until = parse_time("end", end)

    def work(reader: Reader) -> Series:
        grid = Grid(reader, code, interval_s, until, periods)
        close = grid.column("close")
        columns = {"start": times(grid.start), "close": figures(close), "drawdown": figures(drawdown(close))}
        about = {"instrument": instrument, "interval": interval, "periods": periods}
        return Series("drawdown", pa.table(columns), about)

    return await send_series(request, services, form, work, Made(CANDLES, code, until))


@get(
    "/ratios",
    responses=series_answers("ratios", Ratios, interval=str, periods=int),
    summary="Sharpe and Sortino ratio",
    tags=["analysis"],
)
async def ratios(
    request: AnyRequest,
    services: NamedDependency[Services],
    instruments: SomeIdsText,
    interval: IntervalText = "1d",
    periods: PeriodsText = 90,
    end: EndText = None,
    form: FormatText = None,
) -> Response[bytes]:
    """Return the ratios of log returns, and the largest drawdown, of each instrument over the same windows."""
    names = instruments.split(",")
    codes = [services.catalogue.code_of(name) for name in names]
    interval_s, until = interval_of(interval), parse_time("end", end)

    def work(reader: Reader) -> Series:
        prices = closes(reader, codes, interval_s, until, periods + 1)
        rows = [_ratios(name, prices[:, place], interval_s) for place, name in enumerate(names)]
        columns: dict[str, Any] = {
            name: figures(np.array([row[name] for row in rows], float)) for name in ("sharpe", "sortino")
        }
        columns["max_drawdown"] = figures(np.array([row["max_drawdown"] for row in rows], float))
        counts = pa.array([row["returns"] for row in rows], pa.int64())
        about = {"interval": interval, "periods": periods}
        return Series("ratios", pa.table({"instrument": names, "returns": counts, **columns}), about)

    return await send_series(request, services, form, work)


@get(
    "/correlation/rolling",
    responses=series_answers("correlation", Moving, **_ONE, other=str, n=int),
    summary="How two instruments move together over time",
    tags=["analysis"],
)
async def rolling_correlation(  # noqa: PLR0913, PLR0917 - one query parameter each
    request: AnyRequest,
    services: NamedDependency[Services],
    instrument: InstrumentText,
    other: Annotated[str, QueryParameter(description="Compared with which.", max_length=100)],
    interval: IntervalText = "1h",
    n: LengthText = 24,
    periods: PeriodsText = 168,
    end: EndText = None,
    form: FormatText = None,
) -> Response[bytes]:
    """Return correlation of the log returns, and beta of the first to the other, over the last n at each window."""
    codes = [services.catalogue.code_of(name) for name in (instrument, other)]
    interval_s, until = interval_of(interval), parse_time("end", end)

    def work(reader: Reader) -> Series:
        start = Grid(reader, codes[0], interval_s, until, periods).start
        returns = log_returns(closes(reader, codes, interval_s, until, periods + n))
        found = rolling_together(returns[:, 0], returns[:, 1], n)
        columns = {"correlation": figures(found.correlation[-periods:]), "beta": figures(found.beta[-periods:])}
        about = {"instrument": instrument, "other": other, "interval": interval, "n": n, "periods": periods}
        return Series("correlation", pa.table({"start": times(start), **columns}), about)

    return await send_series(request, services, form, work)


def _ratios(name: str, close: Array, interval_s: int) -> dict[str, Any]:
    returns = log_returns(close)
    falls = drawdown(close)
    known = falls[~np.isnan(falls)]
    return {
        "instrument": name,
        "returns": int((~np.isnan(returns)).sum()),
        "sharpe": sharpe(returns, interval_s),
        "sortino": sortino(returns, interval_s),
        "max_drawdown": float(known.min()) if len(known) else np.nan,
    }
