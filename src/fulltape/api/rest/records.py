"""Trades, quotes, candles, coins, coverage and last values, read from the store."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import QueryParameter

from fulltape.api.formats import Form, table_response, wanted_form
from fulltape.api.paging import TEXT, PageQuery, encode_cursor, read_page
from fulltape.api.problems import problem_answers
from fulltape.api.services import Services, json_response
from fulltape.api.wire import PAGES, LastList, encode, encode_page
from fulltape.records import CANDLES, COINS, COVERAGE, LAST_VALUES, QUOTES, TRADES, Schema
from fulltape.records.codec import encode as encode_rows
from fulltape.records.interval import parse_interval
from fulltape.records.readable import to_table
from fulltape.stores.base import Reader, Selection

AnyRequest = Request[Any, Any, Any]

InstrumentText = Annotated[str, QueryParameter(description="Such as `BTC-USD.COINBASE`.", max_length=100)]
InstrumentOrAll = Annotated[
    str | None, QueryParameter(description="All instruments if left out.", max_length=100, schema_extra=TEXT)
]
IntervalText = Annotated[
    str, QueryParameter(description="Such as `1s`, `5m`, `4h`, `1d`.", pattern=r"^[1-9][0-9]{0,5}[smhdw]$")
]


def _answers(schema: Schema) -> dict[int, ResponseSpec]:
    description = f"A page of {schema.name}, in order of time."
    page = ResponseSpec(PAGES[schema.name], generate_examples=False, description=description)
    return {200: page, **problem_answers(400, 404, 406, 503)}


@get("/trades", responses=_answers(TRADES), summary="Trades of an instrument", tags=["records"])
async def trades(
    request: AnyRequest,
    services: NamedDependency[Services],
    page: NamedDependency[PageQuery],
    instrument: InstrumentText,
) -> Response[bytes]:
    """Return public matches in the order (event_time, trade_id)."""
    return await _page(request, services, page, Selection(TRADES, (services.catalogue.code_of(instrument),)))


@get("/quotes", responses=_answers(QUOTES), summary="Best bid and ask of an instrument", tags=["records"])
async def quotes(
    request: AnyRequest,
    services: NamedDependency[Services],
    page: NamedDependency[PageQuery],
    instrument: InstrumentText,
) -> Response[bytes]:
    """Return changes of the best bid or ask."""
    return await _page(request, services, page, Selection(QUOTES, (services.catalogue.code_of(instrument),)))


@get("/candles", responses=_answers(CANDLES), summary="Candles of an instrument", tags=["records"])
async def candles(
    request: AnyRequest,
    services: NamedDependency[Services],
    page: NamedDependency[PageQuery],
    instrument: InstrumentText,
    interval: IntervalText,
) -> Response[bytes]:
    """Return windows labelled by their start; the newest one is not final yet. Empty windows say why they are."""
    try:
        interval_s = parse_interval(interval)
    except ValueError as error:
        raise NotFoundException(str(error)) from None
    code = services.catalogue.code_of(instrument)
    return await _page(request, services, page, Selection(CANDLES, (code,), interval_s=interval_s))


@get("/coins", responses=_answers(COINS), summary="What an aggregator says of a coin", tags=["records"])
async def coins(
    request: AnyRequest,
    services: NamedDependency[Services],
    page: NamedDependency[PageQuery],
    instrument: InstrumentText,
) -> Response[bytes]:
    """Return polls and points of the history in order of time."""
    return await _page(request, services, page, Selection(COINS, (services.catalogue.code_of(instrument),)))


@get("/coverage", responses=_answers(COVERAGE), summary="What is complete and what is missing", tags=["records"])
async def coverage(
    request: AnyRequest,
    services: NamedDependency[Services],
    page: NamedDependency[PageQuery],
    instrument: InstrumentOrAll = None,
) -> Response[bytes]:
    """Return stretches of the ledger that overlap the range, of one instrument or of all."""
    codes = () if instrument is None else (services.catalogue.code_of(instrument),)
    return await _page(request, services, page, Selection(COVERAGE, codes))


_LAST = {
    200: ResponseSpec(LastList, generate_examples=False, description="One entry an instrument."),
    **problem_answers(400, 404, 503),
}


@get("/last", responses=_LAST, summary="Where instruments stand now", tags=["records"])
async def last(services: NamedDependency[Services], instrument: InstrumentOrAll = None) -> Response[bytes]:
    """Return the last trade, quote and 24 h figures of one instrument or of all."""
    codes = () if instrument is None else (services.catalogue.code_of(instrument),)

    def read(reader: Reader) -> bytes:
        return encode_rows(reader.read(Selection(LAST_VALUES, codes)), services.catalogue.table())

    rows = await services.read(read)
    return json_response(b'{"simulated":%b,"last":%b}' % (encode(services.simulated), rows))


async def _page(request: AnyRequest, services: Services, page: PageQuery, selection: Selection) -> Response[bytes]:
    form = wanted_form(request, page.form)

    def read(reader: Reader) -> Response[bytes]:
        batch, after = read_page(reader, selection, page)
        cursor = None if after is None else encode_cursor(after)
        if form is not Form.JSON:
            table = to_table(batch, services.catalogue.table())
            return table_response(table, form, simulated=services.simulated, following=cursor)
        rows = encode_rows(batch, services.catalogue.table())
        return json_response(encode_page(services.simulated, selection.schema.name, rows, cursor))

    return await services.read(read)
