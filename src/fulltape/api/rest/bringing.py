"""Adding records: what people bring, checked row by row, all of it or nothing."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Final

import msgspec
from litestar import Request, Response, post
from litestar.di import NamedDependency, Provide
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import OpenAPIMediaType, Operation, RequestBody
from litestar.openapi.spec import Schema as Document
from litestar.params import QueryParameter

from fulltape.api.access import SECURED, requires
from fulltape.api.problems import MEDIA_TYPE, bad_request, problem_answers, problem_response
from fulltape.api.services import Services, json_response
from fulltape.api.tokens import Scope
from fulltape.errors import ConfigError
from fulltape.imports.bringing import Bringing, Survey
from fulltape.imports.files import MEDIA_TYPES, open_body
from fulltape.imports.form import KINDS, Form, pairs
from fulltape.imports.kinds import Kind

MAX_BODY_BYTES: Final = 16 << 20
"""The longest body. More belongs into several requests, or into `fulltape import`."""


class BadRow(msgspec.Struct, frozen=True):
    """What is wrong with one row; ``row`` counts from 1, a heading not included."""

    row: int
    field: str
    reason: str
    value: str


class BadRows(msgspec.Struct, frozen=True):
    """The problem document for rows that cannot be used: how many, and the first of them. Nothing was written."""

    title: str
    status: int
    detail: str
    bad: int
    errors: tuple[BadRow, ...]
    type: str = "about:blank"


class Brought(msgspec.Struct, frozen=True):
    """What became of the rows: new ones, those that were there already, bad ones that were left out."""

    stored: int
    duplicates: int
    bad: int


_ANSWERS: Final = {
    201: ResponseSpec(Brought, generate_examples=False, description="The records are committed."),
    422: ResponseSpec(
        BadRows, generate_examples=False, media_type=MEDIA_TYPE, description="Some rows are bad; nothing was written."
    ),
    **problem_answers(400, 413, 415, 503),
}


def form_query(
    services: NamedDependency[Services],
    kind: Annotated[Kind, QueryParameter(description="What the rows are.")] = Kind.TRADES,
    instrument: Annotated[
        str | None, QueryParameter(description="What all rows are of, if they do not say.", max_length=100)
    ] = None,
    columns: Annotated[
        list[str] | None, QueryParameter(name="map", description="A column by another name: `event_time=w_time`.")
    ] = None,
    constants: Annotated[
        list[str] | None, QueryParameter(name="set", description="The same for all rows: `size=1`.")
    ] = None,
    ignored: Annotated[list[str] | None, QueryParameter(name="ignore", description="A column of no interest.")] = None,
) -> Form:
    """Return the form that a request's rows have. Raises the 400 for one that cannot be."""
    try:
        fixed = pairs(constants or ()) | ({} if instrument is None else {"instrument": instrument})
        return Form(KINDS[kind], services.backend.now_ns(), pairs(columns or ()), fixed, frozenset(ignored or ()))
    except ConfigError as error:
        raise bad_request(str(error)) from None


@dataclass
class _Rows(Operation):
    """The operation with its body, which Litestar cannot know: the handler reads it as it is."""

    def __post_init__(self) -> None:
        content = {media_type: OpenAPIMediaType(Document()) for media_type in MEDIA_TYPES}
        self.request_body = RequestBody(content, description="Records in the form of docs/importing.md.", required=True)


@post(
    "/records",
    guards=[requires(Scope.WRITE)],
    security=SECURED,
    responses=_ANSWERS,
    request_max_body_size=MAX_BODY_BYTES,
    operation_class=_Rows,
    dependencies={"form": Provide(form_query, sync_to_thread=False)},
    summary="Add records",
    tags=["records"],
)
async def add_records(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    form: NamedDependency[Form],
    skip_bad: Annotated[bool, QueryParameter(description="Write the good rows although some are bad.")] = False,
) -> Response[bytes]:
    """Check every row and commit all of them at once. Needs a token of scope write."""
    media_type = request.content_type[0]
    if media_type not in MEDIA_TYPES or request.headers.get("content-encoding"):
        return problem_response(415, f"send {', '.join(MEDIA_TYPES)}, not compressed")
    async with services.bringing:
        source = Bringing(form, partial(open_body, await request.body(), media_type))
        try:
            survey = await asyncio.to_thread(source.check)
            if survey.is_simulated and not services.simulated:
                raise bad_request("these prices are simulated, and must not mix with the live ones of this database")
            if survey.bad and not skip_bad:
                return _refused(survey)
            delivery = await asyncio.to_thread(source.whole)
        except ConfigError as error:
            raise bad_request(str(error)) from None
        receipt = await services.backend.deliver(delivery)
    return json_response(msgspec.json.encode(Brought(receipt.stored, receipt.duplicates, survey.bad)), 201)


def _refused(survey: Survey) -> Response[bytes]:
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    detail = (
        f"{survey.bad} of {survey.bad + survey.good} rows are bad, nothing was written: mend them, or skip_bad=true"
    )
    errors = tuple(BadRow(error.row, error.field, error.reason, error.value) for error in survey.errors)
    body = BadRows(status.phrase, status.value, detail, survey.bad, errors)
    return Response(msgspec.json.encode(body), status_code=status.value, media_type=MEDIA_TYPE)
