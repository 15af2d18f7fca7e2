"""Indicators on candles."""

from __future__ import annotations

import math
from typing import Annotated, Final

import msgspec
import pyarrow as pa
from litestar import Response, get
from litestar.di import NamedDependency, Provide
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import QueryParameter

from fulltape.api.formats import Form, table_response, wanted_form
from fulltape.api.paging import PageQuery, encode_cursor
from fulltape.api.problems import bad_request, problem_answers
from fulltape.api.rest.pages import AnyRequest, InstrumentText, IntervalText, interval_of
from fulltape.api.services import Services, json_response
from fulltape.api.warm import read_indicator
from fulltape.api.wire import encode
from fulltape.errors import ConfigError
from fulltape.operators.indicators.about import Unit, about
from fulltape.operators.indicators.base import Columns, Indicator, Values
from fulltape.operators.indicators.registry import INDICATORS, find_indicator
from fulltape.records import Batch
from fulltape.records.codec import format_times
from fulltape.stores.base import Reader

_Number = Annotated[
    float | None, QueryParameter(description="The default if left out.", schema_extra={"type": "number", "oneOf": None})
]
_Row = dict[str, str | float | bool | None]


class IndicatorPage(msgspec.Struct, frozen=True):
    """An indicator at each candle, by its columns; null in windows without trades and where the market is too young.

    ``parameters`` are all that it takes, ``outputs`` the names of its columns; ``history`` is how many candles before
    the first one were taken into account, if there were so many.
    """

    simulated: bool
    instrument: str
    interval: str
    name: str
    parameters: dict[str, float]
    outputs: tuple[str, ...]
    history: int
    indicators: list[_Row]
    next: str | None


class ParameterInfo(msgspec.Struct, frozen=True):
    """A number that an indicator takes: its default and its range, ends included."""

    name: str
    default: float
    least: float
    most: float
    is_whole: bool


class OutputInfo(msgspec.Struct, frozen=True):
    """A column of an indicator; ``is_bar`` is one that is drawn as bars from zero."""

    name: str
    unit: Unit
    is_bar: bool


class IndicatorInfo(msgspec.Struct, frozen=True):
    """What an indicator is called, takes and tells; ``levels`` are those that its readers look for."""

    name: str
    title: str
    parameters: list[ParameterInfo]
    outputs: list[OutputInfo]
    levels: tuple[float, ...]


class IndicatorList(msgspec.Struct, frozen=True):
    """Every indicator that can be asked for."""

    simulated: bool
    indicators: list[IndicatorInfo]


def settings(  # noqa: PLR0913, PLR0917 - one query parameter each
    period: _Number = None,
    fast: _Number = None,
    slow: _Number = None,
    signal: _Number = None,
    fast_k: _Number = None,
    fast_d: _Number = None,
    slow_k: _Number = None,
    slow_d: _Number = None,
    deviations: _Number = None,
    acceleration: _Number = None,
    maximum: _Number = None,
    multiplier: _Number = None,
    atr_period: _Number = None,
    conversion: _Number = None,
    base: _Number = None,
    span: _Number = None,
    displacement: _Number = None,
) -> Values:
    """Return the parameters of an indicator that a request names."""
    return {name: value for name, value in locals().items() if value is not None}


_ANSWERS: Final = {
    200: ResponseSpec(IndicatorPage, generate_examples=False, description="A page, in order of time."),
    **problem_answers(400, 404, 406, 503),
}


@get(
    "/indicators",
    responses=_ANSWERS,
    summary="An indicator on candles",
    tags=["analysis"],
    dependencies={"settings": Provide(settings, sync_to_thread=False)},
)
async def indicators(
    request: AnyRequest,
    services: NamedDependency[Services],
    page: NamedDependency[PageQuery],
    settings: NamedDependency[Values],
    instrument: InstrumentText,
    interval: IntervalText,
    name: Annotated[str, QueryParameter(description="Which indicator.", schema_extra={"enum": list(INDICATORS)})],
) -> Response[bytes]:
    """Return an indicator at each candle of a page, warm from the candles before it.

    A value does not depend on where the range begins. The newest candle, and its indicator, are not final yet.
    """
    form = wanted_form(request, page.form)
    try:
        indicator = find_indicator(name)
        values = indicator.values(settings)
    except ConfigError as error:
        raise bad_request(str(error)) from None
    interval_s, code = interval_of(interval), services.catalogue.code_of(instrument)

    def read(reader: Reader) -> Response[bytes]:
        candles, columns, after = read_indicator(reader, code, interval_s, page, indicator, values)
        cursor = None if after is None else encode_cursor(after)
        if form is not Form.JSON:
            table = _table(candles, columns)
            return table_response(table, form, simulated=services.simulated, following=cursor)
        history = indicator.history(values, interval_s)
        told = {name: int(value) if indicator.parameters[name].is_whole else value for name, value in values.items()}
        about = (services.simulated, instrument, interval, indicator.name, told, indicator.outputs, history)
        return json_response(encode(IndicatorPage(*about, _rows(candles, columns), cursor)))

    return await services.read(read)


@get(
    "/indicators/available",
    responses={200: ResponseSpec(IndicatorList, generate_examples=False, description="All of them.")},
    summary="Which indicators there are",
    tags=["analysis"],
    sync_to_thread=False,
)
def available_indicators(services: NamedDependency[Services]) -> Response[bytes]:
    """Return every indicator with its parameters and columns."""
    return json_response(encode(IndicatorList(services.simulated, [_info(one) for one in INDICATORS.values()])))


def _info(indicator: Indicator) -> IndicatorInfo:
    words = about(indicator)
    parameters = [
        ParameterInfo(name, one.default, one.least, one.most, one.is_whole)
        for name, one in indicator.parameters.items()
    ]
    outputs = [OutputInfo(name, words.unit_of(name), name in words.bars) for name in indicator.outputs]
    return IndicatorInfo(indicator.name, words.title, parameters, outputs, words.levels)


def _rows(candles: Batch, columns: Columns) -> list[_Row]:
    """Return the rows as JSON has them."""
    figures = [[value if math.isfinite(value) else None for value in array.tolist()] for array in columns.values()]
    rows = zip(format_times(candles["start"]), candles["is_final"].tolist(), *figures, strict=True)
    names = ("start", "is_final", *columns)
    return [dict(zip(names, row, strict=True)) for row in rows]


def _table(candles: Batch, columns: Columns) -> pa.Table:
    """Return the rows as the other forms have them."""
    start = pa.array(candles["start"], pa.int64()).cast(pa.timestamp("ns", "UTC"))
    figures = {name: pa.array(array, from_pandas=True) for name, array in columns.items()}
    return pa.table({"start": start, "is_final": candles["is_final"], **figures})
