"""Alerts: all of them in pages, and those that go on."""

from __future__ import annotations

from typing import Final

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec

from fulltape.api.formats import json_table
from fulltape.api.paging import PageQuery
from fulltape.api.problems import problem_answers
from fulltape.api.rest.pages import AnyRequest, InstrumentOrAll, page_answers, send_page
from fulltape.api.services import Services, json_response
from fulltape.api.wire import PAGES, encode, encode_page
from fulltape.records import ALERTS
from fulltape.stores.base import Selection

_MOST: Final = 10_000
_ACTIVE: Final = {
    200: ResponseSpec(PAGES[ALERTS.name], generate_examples=False, description="The newest first."),
    **problem_answers(400, 503),
}


@get("/alerts", responses=page_answers(ALERTS), summary="Alerts that began and ended", tags=["records"])
async def alerts(
    request: AnyRequest,
    services: NamedDependency[Services],
    page: NamedDependency[PageQuery],
    instrument: InstrumentOrAll = None,
) -> Response[bytes]:
    """Return alerts of one instrument or of all by the time at which they were decided, ``ingest_time``."""
    codes = () if instrument is None else (services.catalogue.code_of(instrument),)
    return await send_page(request, services, page, Selection(ALERTS, codes))


@get("/alerts/active", responses=_ACTIVE, summary="Alerts that go on", tags=["records"])
async def active_alerts(services: NamedDependency[Services]) -> Response[bytes]:
    """Return the alerts that were raised and have not been cleared; at most 10,000."""
    query = f"SELECT * FROM active_alerts ORDER BY ingest_time DESC, instrument, rule LIMIT {_MOST}"
    content = json_table(await services.read(lambda reader: reader.sql(query)))
    rows = [dict(zip(content["columns"], row, strict=True)) for row in content["rows"]]
    return json_response(encode_page(services.simulated, ALERTS.name, encode(rows), None))
