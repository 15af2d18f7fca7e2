"""What the calls that give pages share: parameters, answers, and how a page is read and sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from litestar import Request, Response
from litestar.exceptions import NotFoundException
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import QueryParameter

from fulltape.api.answers import Answer, Basis, key_of
from fulltape.api.formats import Form, table_response, wanted_form
from fulltape.api.paging import TEXT, PageQuery, encode_cursor, read_page
from fulltape.api.problems import problem_answers
from fulltape.api.services import Services, json_response
from fulltape.api.wire import PAGES, encode_page
from fulltape.records import COVERAGE, Batch, Schema
from fulltape.records.codec import encode as encode_rows
from fulltape.records.interval import parse_interval
from fulltape.records.readable import to_table
from fulltape.stores.base import Cursor, Reader, Selection

AnyRequest = Request[Any, Any, Any]
PageReader = Callable[[Reader], tuple[Batch, Cursor | None]]

InstrumentText = Annotated[str, QueryParameter(description="Such as `BTC-USD.COINBASE`.", max_length=100)]
InstrumentOrAll = Annotated[
    str | None, QueryParameter(description="All instruments if left out.", max_length=100, schema_extra=TEXT)
]
IntervalText = Annotated[
    str,
    QueryParameter(
        description="A whole number of s, m, h, d or w, such as `1s`, `5m`, `4h`, `1d`.",
        pattern=r"^[1-9][0-9]{0,5}[smhdw]$",
    ),
]


def page_answers(schema: Schema) -> dict[int, ResponseSpec]:
    """Return a handler's ``responses`` for pages of a kind."""
    description = f"A page of {schema.name}, in order of time."
    page = ResponseSpec(PAGES[schema.name], generate_examples=False, description=description)
    return {200: page, **problem_answers(400, 404, 406, 503)}


def interval_of(text: str) -> int:
    """Return an interval's length in seconds; a 404 for a text that is none."""
    try:
        return parse_interval(text)
    except ValueError as error:
        raise NotFoundException(str(error)) from None


async def send_page(request: AnyRequest, services: Services, page: PageQuery, selection: Selection) -> Response[bytes]:
    """Return a page of what is stored, in the form that the client wants."""
    code = selection.instruments[0] if len(selection.instruments) == 1 and selection.schema is not COVERAGE else None
    return await send(
        request, services, page, selection.schema, lambda reader: read_page(reader, selection, page), code=code
    )


async def send(
    request: AnyRequest,
    services: Services,
    page: PageQuery,
    schema: Schema,
    read_rows: PageReader,
    *,
    code: int | None = None,
    reach: int = 0,
) -> Response[bytes]:
    """Return the page that ``read_rows`` reads, in the form that the client wants.

    With a ``code`` a page whose range has an end is kept: it shows only rows of that instrument, of times before that
    end and ``reach`` (ns) more.
    """
    form = wanted_form(request, page.form)

    def read(reader: Reader) -> tuple[Response[bytes], int]:
        with reader.pinned():
            batch, after = read_rows(reader)
            commit, _ = reader.last_commit()
        return write(batch, after), commit

    def write(batch: Batch, after: Cursor | None) -> Response[bytes]:
        cursor = None if after is None else encode_cursor(after)
        if form is not Form.JSON:
            table = to_table(batch, services.catalogue.table())
            return table_response(table, form, simulated=services.simulated, following=cursor)
        rows = encode_rows(batch, services.catalogue.table())
        return json_response(encode_page(services.simulated, schema.name, rows, cursor))

    response, commit = await services.read(read)
    if page.end is None or code is None:
        return response
    return keep(request, services, response, Basis(schema.name, code, page.end + reach, commit))


def keep(request: AnyRequest, services: Services, response: Response[bytes], basis: Basis) -> Response[bytes]:
    """Return an answer about the past with the tag of its content, kept to be sent again; 304 if the client has it."""
    answer = Answer.of(response)
    services.answers.keep(key_of(request.scope), basis, answer)
    if answer.matches(request.headers.get("if-none-match")):
        return Response(b"", status_code=304, headers={"ETag": answer.tag, "Cache-Control": "no-cache"})
    return Response(answer.body, headers=answer.headers, media_type=response.media_type)
