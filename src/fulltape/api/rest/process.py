"""What the process says of itself."""

from __future__ import annotations

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec

from fulltape.api.problems import problem_answers
from fulltape.api.services import Services, json_response
from fulltape.api.wire import StatusAnswer, encode_status

_STATUS = {
    200: ResponseSpec(StatusAnswer, generate_examples=False, description="Feeds and engine now."),
    **problem_answers(400),
}


@get("/status", responses=_STATUS, sync_to_thread=False, summary="Feeds and engine", tags=["process"])
def status(services: NamedDependency[Services]) -> Response[bytes]:
    """Return the state of every feed and the counters of the engine."""
    return json_response(encode_status(services.backend.status()))
