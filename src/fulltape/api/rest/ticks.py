"""Means and spreads of ticks with other lengths than those that are kept, over stored trades.

The figures are those of `fulltape.operators.ticks`; here the trades come in the order of the store, so a late one has
its place among the others.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
import numpy as np
import pyarrow as pa
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from fulltape.api.formats import FormatText
from fulltape.api.rest.answers import TimeText
from fulltape.api.rest.pages import AnyRequest, InstrumentText
from fulltape.api.rest.ranges import MINUTE_NS, EndText, StartText, range_of, span_of, trades_in
from fulltape.api.rest.series import Made, Series, figures, send_series, series_answers, times
from fulltape.api.services import Services
from fulltape.clock import SECOND_NS
from fulltape.operators.base import Step
from fulltape.operators.indicators.base import ema_history
from fulltape.operators.ticks import Ticks
from fulltape.records import TICK_STATS, TRADES, Batch
from fulltape.records.readable import to_table
from fulltape.stores.base import Reader, Selection

_QUARTER_NS: Final = 15 * MINUTE_NS
_NAMES: Final = {
    "price": "price", "ewma_10t": "ewma", "ewma_10t_std": "ewma_std", "ewma_10t_variance": "ewma_variance",
    "rolling_mean_5t": "rolling_mean", "rolling_std_5t": "rolling_std", "rolling_variance_5t": "rolling_variance",
    "change_1t": "change_1t",
}  # fmt: skip


class TickFigures(msgspec.Struct, frozen=True):
    """Where an instrument stood after the last trade of a second; null where the market is too young."""

    event_time: TimeText
    trade_id: str
    price: float
    ewma: float
    ewma_std: float | None
    ewma_variance: float | None
    rolling_mean: float
    rolling_std: float | None
    rolling_variance: float | None
    change_1t: float | None


@get(
    "/ticks",
    responses=series_answers("ticks", TickFigures, instrument=str, span=int, length=int),
    summary="Means of ticks of any length",
    tags=["statistics"],
)
async def ticks(  # noqa: PLR0913, PLR0917 - one query parameter each
    request: AnyRequest,
    services: NamedDependency[Services],
    instrument: InstrumentText,
    span: Annotated[int, QueryParameter(ge=1, le=1_000, description="Of the exponential mean.")] = 10,
    length: Annotated[int, QueryParameter(ge=2, le=1_000, description="Of the rolling mean.")] = 5,
    start: StartText = None,
    end: EndText = None,
    form: FormatText = None,
) -> Response[bytes]:
    """Return exponential and rolling mean, deviation and variance, of up to 1,000,000 trades in order of time.

    The range is the last 15 minutes if no start is named. A value does not depend on where it begins.
    """
    code, bounds = services.catalogue.code_of(instrument), span_of(start, end)

    def work(reader: Reader) -> Series:
        first, until = range_of(reader, bounds, _QUARTER_NS)
        trades = trades_in(reader, code, first, until)
        history = max(ema_history(span), length)
        before = reader.read(Selection(TRADES, (code,), end=first, newest_first=True, limit=history))
        rows = _rows(Batch.concat([before.take(slice(None, None, -1)), trades]), span, length)
        rows = rows.take(rows["event_time"] >= first)
        columns = {name: figures(rows[kept]) for kept, name in _NAMES.items()}
        ids = to_table(rows, services.catalogue.table())["trade_id"]
        about = {"instrument": instrument, "span": span, "length": length}
        return Series("ticks", pa.table({"event_time": times(rows["event_time"]), "trade_id": ids, **columns}), about)

    return await send_series(request, services, form, work, Made(TRADES, code, bounds[1]))


def _rows(trades: Batch, span: int, length: int) -> Batch:
    """Return the state after the last trade of each second."""
    traded = trades.take((trades["size"] > 0.0) & (trades["price"] > 0.0))
    if not len(traded):
        return TICK_STATS.empty()
    # The time of a trade is its clock here: when it was received says nothing of the past.
    columns = {**traded.columns, "ingest_time": traded["event_time"], "instrument": np.zeros(len(traded), np.int32)}
    step = Step({TRADES.name: Batch(TRADES, columns)}, int(traded["event_time"][-1]) + 2 * SECOND_NS)
    return Batch.concat([TICK_STATS.empty(), *Ticks(span, length).apply(step)])
