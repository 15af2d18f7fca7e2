"""Server-sent events: the stream's messages for whoever has HTTP only, with the same resuming and the same bounds."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final, cast

import msgspec
from litestar import Request, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import HeaderParameter, QueryParameter
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from fulltape.api.client import Client
from fulltape.api.paging import TEXT
from fulltape.api.problems import bad_request, problem_answers
from fulltape.api.services import Services
from fulltape.api.stream import subscribe
from fulltape.api.subscription import INDICATORS, SCHEMAS, Subscribe, refusal_of, resolve
from fulltape.errors import TransientError

MEDIA_TYPE: Final = "text/event-stream"
_HEADERS: Final = [(b"content-type", MEDIA_TYPE.encode()), (b"cache-control", b"no-store")]
_HEAD: Final = re.compile(r'\{"type":"(\w+)"(?:,"commit":(\d+))?')
_BUSY_S: Final = 5.0
_ANSWERS: Final = {
    200: ResponseSpec(str, generate_examples=False, media_type=MEDIA_TYPE, description="Events until the client goes."),
    **problem_answers(400, 404, 503),
}


@get("/events", responses=_ANSWERS, summary="The stream as server-sent events", tags=["stream"])
async def events(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    instruments: Annotated[str, QueryParameter(description="Ids with commas between, or `*`.", max_length=8_000)],
    kinds: Annotated[str, QueryParameter(description=f"Some of {', '.join((*SCHEMAS, INDICATORS))}.", max_length=200)],
    intervals: Annotated[
        str | None, QueryParameter(description="Which candles, as `1m,1h`.", schema_extra=TEXT)
    ] = None,
    indicators: Annotated[
        str | None,
        QueryParameter(
            description="Which indicators, as `RSI(period=14)@5m;MACD@1h`.", max_length=4_000, schema_extra=TEXT
        ),
    ] = None,
    last_event_id: Annotated[
        str | None,
        HeaderParameter(name="Last-Event-ID", description="The last commit handled: go on there.", schema_extra=TEXT),
    ] = None,
) -> ASGIApp:
    """Send a snapshot, then every commit and, once a second, the status: what `WS /api/v1/stream` sends.

    The id of an event is the number of its commit, so a browser's EventSource goes on by itself without a hole.
    """
    asked = {
        "op": "subscribe",
        "instruments": instruments.split(","),
        "kinds": kinds.split(","),
        "intervals": intervals.split(",") if intervals else [],
        "indicators": indicators.split(";") if indicators else [],
        "since": int(last_event_id) if last_event_id and last_event_id.isdecimal() else None,
    }
    try:
        wanted = msgspec.convert(asked, Subscribe)
    except msgspec.ValidationError as error:
        raise bad_request(refusal_of(error)) from None
    resolve(wanted, services.catalogue)
    if services.hub.turns_away(request.auth.who):
        raise TransientError("too many clients: try again later", retry_after_s=_BUSY_S)
    return _EventStream(services, wanted)


@dataclass(frozen=True, slots=True)
class _EventStream:
    """The answer: events until the client goes or falls behind."""

    services: Services
    request: Subscribe

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        loop, hub, config = asyncio.get_running_loop(), self.services.hub, self.services.config

        async def put(body: bytes, *, more: bool = True) -> None:
            await send(cast("Message", {"type": "http.response.body", "body": body, "more_body": more}))

        # A socket that takes nothing would never let the sender come to its end.
        client = Client(
            config.client_backlog,
            on_slow=lambda: _later(loop, config.close_grace_s, sender),
            grant=scope["auth"],
        )
        hub.clients.add(client)  # before anything is awaited: whoever comes meanwhile must find the place taken
        sender = asyncio.create_task(self._send(client, send, put))
        leaving = asyncio.create_task(_departure(receive))
        try:
            await asyncio.wait({sender, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if sender.done() and not sender.cancelled():
                sender.result()  # a mistake of ours is logged, not swallowed
        finally:
            hub.clients.discard(client)
            for task in (sender, leaving):
                task.cancel()
            await asyncio.gather(sender, leaving, return_exceptions=True)

    async def _send(self, client: Client, send: Send, put: Callable[..., Awaitable[None]]) -> None:
        hub = self.services.hub
        await send(cast("Message", {"type": "http.response.start", "status": 200, "headers": _HEADERS}))
        await subscribe(client, self.services, self.request, resolve(self.request, self.services.catalogue))
        while (text := await client.next_text()) is not None:
            await put(event_of(text))
            hub.note_sent(text)
        hub.dropped += not client.is_revoked
        await put(b"", more=False)


def event_of(text: str) -> bytes:
    """Return a stream message as an event; its id is the commit that it brings the client up to, if it brings one."""
    head = _HEAD.match(text)
    assert head is not None
    number = f"id: {head[2]}\n" if head[2] else ""
    return f"{number}event: {head[1]}\ndata: {text}\n\n".encode()


def _later(loop: asyncio.AbstractEventLoop, delay_s: float, sender: asyncio.Task[None]) -> None:
    loop.call_later(delay_s, sender.cancel)


async def _departure(receive: Receive) -> None:
    """Wait until the client has closed its connection."""
    while (await receive())["type"] != "http.disconnect":
        pass
