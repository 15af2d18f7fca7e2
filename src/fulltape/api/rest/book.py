"""The levels of a book, as it stands now."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.params import QueryParameter

from fulltape.api.rest.answers import TimeText, answers_of
from fulltape.api.rest.pages import InstrumentText
from fulltape.api.services import Services, json_response
from fulltape.api.wire import encode
from fulltape.books.levels import Level, Levels
from fulltape.clock import format_rfc3339
from fulltape.errors import TransientError

_MOST: Final = 200
_RETRY_S: Final = 1.0


class BookAnswer(msgspec.Struct, frozen=True):
    """Both sides of a book as [price, size], the best first; ``state`` says whether the best prices cross.

    All messages received until ``time`` are in it, and what ``commit`` stored was made from no later ones.
    """

    simulated: bool
    instrument: str
    commit: int
    time: TimeText
    state: Literal["live", "crossed"]
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


@get("/book", responses=answers_of(BookAnswer), summary="Levels of a book", tags=["records"])
async def book(
    services: NamedDependency[Services],
    instrument: InstrumentText,
    levels: Annotated[int, QueryParameter(ge=1, le=_MOST, description="How many of each side at most.")] = 20,
) -> Response[bytes]:
    """Return the best levels of an instrument's book; 404 if none is kept, 503 while it waits for a snapshot."""
    code = services.catalogue.code_of(instrument)
    seen = await services.backend.look(code, levels)
    found = seen.levels
    if found is None or found.trouble:
        raise _no_book(instrument, found, is_followed=instrument in services.backend.following.followed())
    state: Literal["live", "crossed"] = "crossed" if found.is_crossed else "live"
    sides = (found.bids[:levels], found.asks[:levels])
    time = format_rfc3339(seen.clock)
    return json_response(encode(BookAnswer(services.simulated, instrument, seen.commit, time, state, *sides)))


def _no_book(instrument: str, found: Levels | None, *, is_followed: bool) -> NotFoundException | TransientError:
    """Return why there is nothing to see: a 404 that says what to change, or a 503 for what passes by itself."""
    if not is_followed:
        return NotFoundException(f"{instrument} is not followed: no book of it is kept")
    if found is None:
        return NotFoundException(f"no book of {instrument} has come: it needs `book` among the `channels` of its venue")
    return TransientError(f"the book of {instrument} waits for a snapshot: {found.trouble}", retry_after_s=_RETRY_S)
