"""SQL over the tape: one read-only SELECT."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from litestar import Request, Response, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody

from fulltape.api.formats import Form, FormatText, json_table, table_response, wanted_form
from fulltape.api.problems import bad_request, problem_answers
from fulltape.api.services import Services, json_response
from fulltape.api.wire import encode
from fulltape.errors import ConfigError
from fulltape.stores.base import MAX_QUERY, SqlRows


class SqlRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One SELECT over the public tables; docs/sql.md says what it may contain."""

    query: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_QUERY)]


class SqlAnswer(msgspec.Struct, frozen=True):
    """Rows in the order of ``columns``; ``is_cut`` when there were more of them."""

    simulated: bool
    columns: list[str]
    types: list[str]
    rows: list[list[Any]]
    is_cut: bool


_ANSWERS: Final = {
    200: ResponseSpec(SqlAnswer, generate_examples=False, description="The rows, at most as many as the limits let."),
    **problem_answers(400, 401, 403, 406, 413, 503),
}


@post("/sql", status_code=200, responses=_ANSWERS, summary="Ask the tape in SQL", tags=["sql"])
async def sql(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    data: JSONBody[SqlRequest],
    form: FormatText = None,
) -> Response[bytes]:
    """Run one SELECT, within limits of time, memory, rows and bytes; it ends when the client goes."""
    chosen = wanted_form(request, form)
    try:
        rows = await services.queries.run(request, data.query)
    except ConfigError as error:
        raise bad_request(str(error)) from None
    return _answer(rows, chosen, simulated=services.simulated)


def _answer(rows: SqlRows, form: Form, *, simulated: bool) -> Response[bytes]:
    if form is Form.JSON:
        return json_response(encode({"simulated": simulated, **json_table(rows.table), "is_cut": rows.is_cut}))
    return table_response(rows.table, form, simulated=simulated, is_cut=rows.is_cut)
