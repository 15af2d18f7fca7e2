"""What is said of whole markets: sentiment, and one product at all venues."""

from __future__ import annotations

import difflib
from typing import Annotated, Final

import msgspec
import numpy as np
import pyarrow as pa
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.params import QueryParameter

from fulltape.api.formats import FormatText
from fulltape.api.paging import parse_time
from fulltape.api.problems import bad_request
from fulltape.api.rest.answers import TimeText
from fulltape.api.rest.pages import AnyRequest, InstrumentText
from fulltape.api.rest.ranges import HOUR_NS, EndText, Grid
from fulltape.api.rest.series import Series, figures, send_series, series_answers, times
from fulltape.api.services import Services
from fulltape.clock import SECOND_NS, format_rfc3339
from fulltape.operators.across import across
from fulltape.operators.sentiment import HISTORY, Sentiment, sentiment
from fulltape.operators.spread import mid
from fulltape.records import CANDLES, LAST_VALUES, Array, Batch, InstrumentTable
from fulltape.stores.base import Reader, Selection

_HOUR_S: Final = 3_600
_MOST_CLOSES: Final = 1_000_000
"""Of how many hourly candles of all instruments breadth may be made."""


class SentimentPoint(msgspec.Struct, frozen=True):
    """Sentiment at the end of the hour that begins at ``start``, and what it is the mean of, all 0 to 100."""

    start: TimeText
    sentiment: float | None
    momentum: float | None
    calm: float | None
    relative_volume: float | None
    taker_buy_ratio: float | None
    breadth: float | None


class VenueQuote(msgspec.Struct, frozen=True):
    """A venue's newest quote of a product; ``premium_bp`` is its mid against the median price.

    It ``counts`` if it has both sides and is not too old; else it has no figures.
    """

    instrument: str
    venue: str
    bid: float | None
    ask: float | None
    mid: float | None
    age_s: float | None
    counts: bool
    premium_bp: float | None
    is_outlier: bool


@get(
    "/sentiment",
    responses=series_answers("sentiment", SentimentPoint, instrument=str, hours=int),
    summary="Sentiment with its components",
    tags=["analysis"],
)
async def sentiments(
    request: AnyRequest,
    services: NamedDependency[Services],
    instrument: InstrumentText,
    hours: Annotated[int, QueryParameter(ge=1, le=168, description="How many hours.")] = 24,
    end: EndText = None,
    form: FormatText = None,
) -> Response[bytes]:
    """Return how each of the last completed hours compares with the 30 days before it, 0 (fear) to 100 (greed)."""
    code, until = services.catalogue.code_of(instrument), parse_time("end", end)

    def work(reader: Reader) -> Series:
        if _HOUR_S not in reader.intervals():
            raise bad_request("sentiment is made of candles of 1h: add 1h to [candles] intervals")
        grid = Grid(reader, code, _HOUR_S, until, HISTORY + hours - 1)
        closes = _all_closes(reader, grid.start)
        close, volume, bought = grid.column("close"), grid.volume(), grid.column("taker_buy_volume")
        found = [
            sentiment(*(one[max(hour, grid.first) : hour + HISTORY] for one in (close, volume, bought, closes)))
            for hour in range(hours)
        ]
        rows = np.array([msgspec.structs.astuple(row) for row in found])
        columns = dict(zip(Sentiment.__struct_fields__, map(figures, rows.T), strict=True))
        about = {"instrument": instrument, "hours": hours}
        return Series("sentiment", pa.table({"start": times(grid.start[-hours:]), **columns}), about)

    return await send_series(request, services, form, work)


@get(
    "/across",
    responses=series_answers(
        "across", VenueQuote, product=str, clock=TimeText, max_age_s=float, outlier_mads=float, venues=int,
        best_bid=float | None, best_ask=float | None, median_price=float | None,
    ),
    summary="One product at all venues",
    tags=["analysis"],
)  # fmt: skip
async def venues_of(
    request: AnyRequest,
    services: NamedDependency[Services],
    product: Annotated[
        str, QueryParameter(description="What stands before the dot of ids: `BTC-USD`.", max_length=100)
    ],
    max_age_s: Annotated[float, QueryParameter(gt=0, le=1e9, description="How old a quote may be.")] = 60.0,
    outlier_mads: Annotated[
        float, QueryParameter(gt=0, le=1e9, description="From how many median deviations on.")
    ] = 5.0,
    form: FormatText = None,
) -> Response[bytes]:
    """Return what venues quote for one product now, beside the best of all and the median of their mids."""
    table = services.catalogue.table()
    codes = _codes_of(product, table)

    def work(reader: Reader) -> Series:
        rows = reader.read(Selection(LAST_VALUES, codes))
        clock = reader.last_commit()[1]
        return _across(product, rows, table, (clock, max_age_s, outlier_mads))

    return await send_series(request, services, form, work)


def _all_closes(reader: Reader, hours: Array) -> Array:
    """Return the hourly closes of every instrument that has some, (hours, instruments)."""
    first, end = int(hours[0]), int(hours[-1]) + HOUR_NS
    rows = reader.read(Selection(CANDLES, (), _HOUR_S, first, end, limit=_MOST_CLOSES + 1))
    if len(rows) > _MOST_CLOSES:
        raise bad_request(f"hours: breadth would be made of more than {_MOST_CLOSES:,} candles: ask for fewer hours")
    codes, column = np.unique(rows["instrument"], return_inverse=True)
    closes = np.full((len(hours), len(codes)), np.nan)
    closes[(rows["start"] - first) // HOUR_NS, column] = rows["close"]
    return closes


def _codes_of(product: str, table: InstrumentTable) -> tuple[int, ...]:
    products = [table.product_of(code) for code in range(len(table))]
    codes = tuple(code for code, name in enumerate(products) if name == product)
    if not codes:
        near = difflib.get_close_matches(product.upper(), sorted(set(products)), n=3, cutoff=0.5)
        hint = f"; the nearest are {', '.join(near)}" if near else "; GET /api/v1/instruments lists all"
        raise NotFoundException(f"unknown product {product!r}{hint}")
    return codes


def _across(product: str, rows: Batch, table: InstrumentTable, limits: tuple[int, float, float]) -> Series:
    clock, max_age_s, mads = limits
    rows = rows.take(np.argsort(rows["instrument"]))
    bid, ask = rows["bid"], rows["ask"]
    # A row without a quote has a time below all others: its age is beyond any.
    age = (clock - np.minimum(rows["quote_time"].astype(float), clock)) / SECOND_NS
    counts = ~np.isnan(bid) & ~np.isnan(ask) & (age <= max_age_s)
    told = across(list(zip(bid[counts].tolist(), ask[counts].tolist(), strict=True)))
    mids = np.where(counts, mid(bid, ask), np.nan)
    premium = [told.premium_bp(price) if ok else np.nan for price, ok in zip(mids.tolist(), counts, strict=True)]
    instruments = [table[code] for code in rows["instrument"].tolist()]
    columns = {
        "instrument": pa.array([one.id for one in instruments], pa.string()),
        "venue": pa.array([one.venue for one in instruments], pa.string()),
        "bid": figures(bid),
        "ask": figures(ask),
        "mid": figures(mids),
        "age_s": figures(np.where(np.isnan(bid) & np.isnan(ask), np.nan, age)),
        "counts": pa.array(counts),
        "premium_bp": figures(np.array(premium, float)),
        "is_outlier": pa.array([told.is_outlier(price, mads) for price in mids.tolist()], pa.bool_()),
    }
    marks = {name: _known(getattr(told, name)) for name in ("best_bid", "best_ask", "median_price")}
    about = {"product": product, "clock": format_rfc3339(clock), "max_age_s": max_age_s, "outlier_mads": mads}
    return Series("across", pa.table(columns), {**about, "venues": told.venues, **marks})


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value
