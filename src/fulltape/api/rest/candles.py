"""Candles of any interval."""

from __future__ import annotations

from typing import Annotated, Literal

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from fulltape.api.paging import PageQuery
from fulltape.api.rest.pages import AnyRequest, InstrumentText, IntervalText, interval_of, page_answers, send
from fulltape.api.rolled import carry_forward, read_candles
from fulltape.api.services import Services
from fulltape.clock import SECOND_NS
from fulltape.records import CANDLES, Batch
from fulltape.stores.base import Cursor, Reader


@get("/candles", responses=page_answers(CANDLES), summary="Candles of an instrument", tags=["records"])
async def candles(
    request: AnyRequest,
    services: NamedDependency[Services],
    page: NamedDependency[PageQuery],
    instrument: InstrumentText,
    interval: IntervalText,
    fill: Annotated[
        Literal["none", "last"], QueryParameter(description="What prices of windows without trades are.")
    ] = "none",
) -> Response[bytes]:
    """Return windows labelled by their start; the newest one is not final yet. Empty windows say why they are.

    An interval that is not stored is rolled up from a finer one, exactly. With ``fill=last`` empty windows show the
    close before them; they keep ``trades`` 0 and their reason.
    """
    interval_s = interval_of(interval)
    code = services.catalogue.code_of(instrument)

    def read(reader: Reader) -> tuple[Batch, Cursor | None]:
        with reader.pinned():
            batch, after = read_candles(reader, code, interval_s, page)
            return (carry_forward(reader, code, interval_s, batch) if fill == "last" else batch), after

    return await send(request, services, page, CANDLES, read, code=code, reach=interval_s * SECOND_NS)
