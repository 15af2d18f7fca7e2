"""Is it well, and can it serve: for people, load balancers and supervisors."""

from __future__ import annotations

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec

from fulltape.api.access import OPEN_TO_ALL
from fulltape.api.problems import problem_answers, problem_response
from fulltape.api.services import Services, json_response
from fulltape.api.wire import BadFeed, Health, encode
from fulltape.errors import FulltapeError
from fulltape.records.status import FeedState, Status
from fulltape.stores.base import Reader

_BAD = frozenset({FeedState.STALE, FeedState.DOWN, FeedState.REFUSED})

_HEALTH = {
    200: ResponseSpec(Health, generate_examples=False, description="All feeds and the engine work."),
    503: ResponseSpec(Health, generate_examples=False, description="Something does not; `bad` names it."),
    **problem_answers(400),
}
_READY = {
    200: ResponseSpec(Health, generate_examples=False, description="It can serve."),
    **problem_answers(400, 503),
}


@get(
    "/health",
    opt=OPEN_TO_ALL,
    responses=_HEALTH,
    sync_to_thread=False,
    summary="Is everything well",
    tags=["operation"],
)
def health(services: NamedDependency[Services]) -> Response[bytes]:
    """200 while engine and stream run and no feed is stale, down or refused; else 503 with their names."""
    bad = bad_parts(services.backend.status(), services.hub.error)
    return json_response(encode(Health("bad", bad) if bad else Health("ok")), 503 if bad else 200)


@get("/ready", opt=OPEN_TO_ALL, responses=_READY, summary="Can it serve", tags=["operation"])
async def ready(services: NamedDependency[Services]) -> Response[bytes]:
    """200 once the store can be read and the engine can commit; else 503."""
    stopped = services.backend.status().engine.error
    if stopped:
        return problem_response(503, f"the engine has stopped: {stopped}")
    try:
        await services.read(Reader.last_commit)
    except FulltapeError as error:
        return problem_response(503, f"the store cannot be read: {error}")
    return json_response(encode(Health("ok")))


def bad_parts(status: Status, stream_error: str) -> tuple[BadFeed, ...]:
    """Return what does not do its work: ``engine`` and ``stream`` under these names, and feeds."""
    stopped = (("engine", status.engine.error), ("stream", stream_error))
    parts = [BadFeed(name, "stopped", error) for name, error in stopped if error]
    feeds = [BadFeed(feed.name, feed.state, feed.detail) for feed in status.feeds if feed.state in _BAD]
    return (*parts, *feeds)
