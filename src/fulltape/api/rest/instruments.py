"""Instruments: what is followed, what venues offer, and changing the one by the other while fulltape runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import Annotated, Final

import msgspec
from litestar import Response, delete, get, post
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody, PathParameter, QueryParameter

from fulltape.api.access import SECURED, requires
from fulltape.api.problems import bad_request, problem_answers
from fulltape.api.services import Services, json_response
from fulltape.api.tokens import Scope
from fulltape.api.wire import FollowedInstrument, InstrumentList, encode
from fulltape.errors import ConfigError, UnknownInstrument
from fulltape.records import Instrument

_LIST: Final = ResponseSpec(InstrumentList, generate_examples=False, description="Instruments, followed or not.")
_ANSWERS: Final = {200: _LIST, **problem_answers(400)}
_OFFERED: Final = {200: _LIST, **problem_answers(400, 404, 503)}
_CHANGES: Final = {200: _LIST, **problem_answers(400, 401, 403, 404, 413, 503)}

PatternText = Annotated[
    str | None, QueryParameter(description="Only ids that match, such as `*-USD.COINBASE`.", max_length=100)
]
FollowedOnly = Annotated[
    str | None,
    QueryParameter(
        description="Only those that are followed now, or are not.", schema_extra={"type": "boolean", "oneOf": None}
    ),
]
VenueText = Annotated[str, PathParameter(description="Such as `coinbase`.", max_length=100)]
InstrumentPath = Annotated[str, PathParameter(description="An id or a pattern.", max_length=100)]
InstrumentName = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]


class FollowRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Ids and patterns to follow besides the others, such as `SOL-USD.COINBASE` and `*-EUR.COINBASE`."""

    instruments: Annotated[list[InstrumentName], msgspec.Meta(min_length=1, max_length=2_000)]


@get("/instruments", responses=_ANSWERS, sync_to_thread=False, summary="All instruments", tags=["instruments"])
def instruments(
    services: NamedDependency[Services], pattern: PatternText = None, followed: FollowedOnly = None
) -> Response[bytes]:
    """Return every instrument that this database has seen."""
    wanted = None if followed is None else _bool("followed", followed)
    rows = _marked(services, services.backend.instruments())
    chosen = [
        row
        for row in rows
        if (pattern is None or fnmatchcase(row.id, pattern)) and (wanted is None or row.followed == wanted)
    ]
    return _answer(services, chosen)


@get(
    "/venues/{venue:str}/instruments",
    responses=_OFFERED,
    sync_to_thread=False,
    summary="What a venue offers",
    tags=["instruments"],
)
def offered(services: NamedDependency[Services], venue: VenueText, pattern: PatternText = None) -> Response[bytes]:
    """Return the instruments in the venue's own list, as it was told last."""
    with _refusals_told():
        rows = _marked(services, services.backend.following.offered(venue))
    return _answer(services, [row for row in rows if pattern is None or fnmatchcase(row.id, pattern)])


@post(
    "/instruments",
    status_code=200,
    guards=[requires(Scope.WRITE)],
    security=SECURED,
    responses=_CHANGES,
    summary="Follow more instruments",
    tags=["instruments"],
)
async def follow(services: NamedDependency[Services], data: JSONBody[FollowRequest]) -> Response[bytes]:
    """Follow instruments from now on, after a restart too; return those that the request means."""
    with _refusals_told():
        rows = await services.backend.following.add(data.instruments)
    return _answer(services, _marked(services, rows))


@delete(
    "/instruments/{instrument:str}",
    status_code=200,
    guards=[requires(Scope.WRITE)],
    security=SECURED,
    responses=_CHANGES,
    summary="Follow an instrument no more",
    tags=["instruments"],
)
async def unfollow(services: NamedDependency[Services], instrument: InstrumentPath) -> Response[bytes]:
    """Give up an instrument, or all that match a pattern, after a restart too; what is stored of it stays."""
    with _refusals_told():
        rows = await services.backend.following.remove((instrument,))
    return _answer(services, _marked(services, rows))


def _bool(name: str, text: str) -> bool:
    """Return a boolean; a 400 for anything else, ``null`` too, which would be read as a parameter that is left out."""
    try:
        return msgspec.convert(text, bool, strict=False)
    except msgspec.ValidationError:
        raise bad_request(f"{name}: neither true nor false: {text!r}") from None


def _marked(services: Services, instruments: Iterable[Instrument]) -> list[FollowedInstrument]:
    followed = services.backend.following.followed()
    return [FollowedInstrument(**msgspec.structs.asdict(row), followed=row.id in followed) for row in instruments]


def _answer(services: Services, rows: Iterable[FollowedInstrument]) -> Response[bytes]:
    return json_response(encode(InstrumentList(services.simulated, tuple(rows))))


@contextmanager
def _refusals_told() -> Iterator[None]:
    """Answer 404 to names that are none, 400 to what else cannot be done."""
    try:
        yield
    except UnknownInstrument as error:
        raise NotFoundException(str(error)) from None
    except ConfigError as error:
        raise bad_request(str(error)) from None
