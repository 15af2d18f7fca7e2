"""Series: tables that are worked out when they are asked for, whole, in any form."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa
from litestar import Response
from litestar.openapi.datastructures import ResponseSpec

from fulltape.api.answers import Basis
from fulltape.api.formats import Form, json_table, table_response, wanted_form
from fulltape.api.problems import problem_answers
from fulltape.api.rest.pages import AnyRequest, keep
from fulltape.api.services import Services, json_response
from fulltape.api.wire import encode
from fulltape.records import Array, Schema
from fulltape.stores.base import Reader


class Series(NamedTuple):
    """A table, its name, and what is said of all of it beside it, which only JSON has room for."""

    name: str
    table: pa.Table
    about: Mapping[str, Any] = types.MappingProxyType({})


class Made(NamedTuple):
    """What a series of the past was made of: rows of a kind and instrument with a time before ``end`` (ns)."""

    schema: Schema
    code: int
    end: int | None


def series_answers(name: str, row: type[msgspec.Struct], **about: Any) -> dict[int, ResponseSpec]:
    """Return a handler's ``responses``: ``about`` are the types of what is told beside the rows."""
    rows: Any = types.GenericAlias(list, row)
    fields: list[tuple[str, Any]] = [("simulated", bool), *about.items(), (name, rows)]
    answer = msgspec.defstruct(f"{row.__name__}Series", fields, frozen=True)
    text = (row.__doc__ or "").partition(";")[0]
    spec = ResponseSpec(answer, generate_examples=False, description=text)
    return {200: spec, **problem_answers(400, 404, 406, 503)}


async def send_series(
    request: AnyRequest,
    services: Services,
    form_name: str | None,
    work: Callable[[Reader], Series],
    made: Made | None = None,
) -> Response[bytes]:
    """Return what ``work`` makes of one state of the store, in the form that the client wants.

    If it is made of the past of one instrument, and its end was named, it is kept until that changes.
    """
    form = wanted_form(request, form_name)

    def read(reader: Reader) -> tuple[Response[bytes], int]:
        with reader.pinned():
            series = work(reader)
            commit, _ = reader.last_commit()
        return _response(services, series, form), commit

    response, commit = await services.read(read)
    if made is None or made.end is None:
        return response
    return keep(request, services, response, Basis(made.schema.name, made.code, made.end, commit))


def times(column: Array) -> pa.Array:
    """Return a column of times (ns)."""
    return pa.array(column, pa.int64()).cast(pa.timestamp("ns", "UTC"))


def figures(column: Array) -> pa.Array:
    """Return a column of figures, null where nothing is known."""
    return pa.array(column, from_pandas=True)


def rows_of(table: pa.Table) -> list[dict[str, Any]]:
    """Return the rows as JSON has them."""
    content = json_table(table)
    return [dict(zip(content["columns"], row, strict=True)) for row in content["rows"]]


def _response(services: Services, series: Series, form: Form) -> Response[bytes]:
    if form is not Form.JSON:
        return table_response(series.table, form, simulated=services.simulated)
    answer = {"simulated": services.simulated, **series.about, series.name: rows_of(series.table)}
    return json_response(encode(answer))
