"""Trades, quotes, coins, coverage and last values, read from the store."""

from __future__ import annotations

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec

from fulltape.api.paging import PageQuery
from fulltape.api.problems import problem_answers
from fulltape.api.rest.pages import AnyRequest, InstrumentOrAll, InstrumentText, page_answers, send_page
from fulltape.api.services import Services, json_response
from fulltape.api.wire import LastList, encode
from fulltape.records import COINS, COVERAGE, LAST_VALUES, QUOTES, TRADES
from fulltape.records.codec import encode as encode_rows
from fulltape.stores.base import Reader, Selection


@get("/trades", responses=page_answers(TRADES), summary="Trades of an instrument", tags=["records"])
async def trades(
    request: AnyRequest,
    services: NamedDependency[Services],
    page: NamedDependency[PageQuery],
    instrument: InstrumentText,
) -> Response[bytes]:
    """Return public matches in the order (event_time, trade_id)."""
    return await send_page(request, services, page, Selection(TRADES, (services.catalogue.code_of(instrument),)))


@get("/quotes", responses=page_answers(QUOTES), summary="Best bid and ask of an instrument", tags=["records"])
async def quotes(
    request: AnyRequest,
    services: NamedDependency[Services],
    page: NamedDependency[PageQuery],
    instrument: InstrumentText,
) -> Response[bytes]:
    """Return changes of the best bid or ask."""
    return await send_page(request, services, page, Selection(QUOTES, (services.catalogue.code_of(instrument),)))


@get("/coins", responses=page_answers(COINS), summary="What an aggregator says of a coin", tags=["records"])
async def coins(
    request: AnyRequest,
    services: NamedDependency[Services],
    page: NamedDependency[PageQuery],
    instrument: InstrumentText,
) -> Response[bytes]:
    """Return polls and points of the history in order of time."""
    return await send_page(request, services, page, Selection(COINS, (services.catalogue.code_of(instrument),)))


@get("/coverage", responses=page_answers(COVERAGE), summary="What is complete and what is missing", tags=["records"])
async def coverage(
    request: AnyRequest,
    services: NamedDependency[Services],
    page: NamedDependency[PageQuery],
    instrument: InstrumentOrAll = None,
) -> Response[bytes]:
    """Return stretches of the ledger that overlap the range, of one instrument or of all."""
    codes = () if instrument is None else (services.catalogue.code_of(instrument),)
    return await send_page(request, services, page, Selection(COVERAGE, codes))


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
