"""A simulated venue's HTTP side: REST for everybody, faults for whoever holds the token."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import socket
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any, Protocol
from urllib.parse import parse_qsl

import msgspec
import uvicorn

from fulltape.sim.base import Reply, Request, Rest
from fulltape.sim.faults import Faults

SIMULATED = {"Fulltape-Simulated": "1"}

_MOST_BODY = 64 * 1024
_Message = MutableMapping[str, Any]


class Faulty(Protocol):
    """What faults can be asked of."""

    token: str

    @property
    def faults(self) -> Faults:
        """The faults in force."""
        ...

    def set_faults(self, faults: Faults) -> None:
        """Change the faults."""
        ...

    def disconnect(self) -> None:
        """Cut every client off, once."""
        ...


class WebServer:
    """Serves REST and ``POST /sim/faults`` in the running event loop."""

    def __init__(self, rest: Rest, faulty: Faulty) -> None:
        self._rest = rest
        self._faulty = faulty
        config = uvicorn.Config(
            self._app,
            interface="asgi3",
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=1,
            headers=list(SIMULATED.items()),
        )
        self._server = _Server(config)
        self._serving: asyncio.Task[None] | None = None

    async def start(self, host: str, port: int) -> int:
        """Bind and serve; return the port. Raises OSError if it is taken."""
        listener = socket.create_server((host, port))
        self._serving = asyncio.create_task(self._server.serve([listener]))
        await self._server.is_ready.wait()
        return int(listener.getsockname()[1])

    async def stop(self) -> None:
        """Finish and free the port."""
        if self._serving is not None:
            self._server.should_exit = True
            await self._serving

    async def _app(
        self,
        scope: _Message,
        receive: Callable[[], Awaitable[_Message]],
        send: Callable[[_Message], Awaitable[None]],
    ) -> None:
        """Answer one request; the ASGI interface."""
        body = await _body(receive)
        if scope["path"] == "/sim/faults":
            reply = self._change_faults(scope, body)
        elif body is None:
            reply = _refusal(413, f"more than {_MOST_BODY} bytes")
        else:
            query = dict(parse_qsl(scope["query_string"].decode("latin-1")))
            given = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
            reply = self._rest.answer(Request(scope["method"], scope["path"], query, given, body))
        headers = [("content-type", "application/json"), ("content-length", str(len(reply.body)))]
        encoded = [(name.lower().encode(), value.encode()) for name, value in (*headers, *reply.headers)]
        await send({"type": "http.response.start", "status": reply.status, "headers": encoded})
        await send({"type": "http.response.body", "body": reply.body})

    def _change_faults(self, scope: _Message, body: bytes | None) -> Reply:
        """Set the faults that are named, keep the others, and answer with all of them.

        ``{"disconnect": true}`` cuts every client off once and may stand beside them.
        """
        given = dict(scope["headers"]).get(b"authorization", b"")
        if not hmac.compare_digest(given, f"Bearer {self._faulty.token}".encode()):
            return _refusal(401, "send the token as 'Authorization: Bearer <token>'")
        if scope["method"] != "POST":
            return _refusal(405, "method not allowed")
        if body is None:
            return _refusal(413, f"more than {_MOST_BODY} bytes")
        try:
            asked = msgspec.json.decode(body, type=dict[str, float | bool])
            cut = asked.pop("disconnect", False)
            faults = msgspec.convert(msgspec.structs.asdict(self._faulty.faults) | asked, Faults)
        except msgspec.DecodeError as error:
            return _refusal(400, str(error))
        self._faulty.set_faults(faults)
        if cut:
            self._faulty.disconnect()
        return Reply(200, msgspec.json.encode(faults))


class _Server(uvicorn.Server):
    """A server that leaves signals to the program around it, and tells when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_ready = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_ready.set()


async def _body(receive: Callable[[], Awaitable[_Message]]) -> bytes | None:
    """Return a request's body, or None if it is longer than anybody needs."""
    body = b""
    while len(body) <= _MOST_BODY:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return body if len(body) <= _MOST_BODY else None
    return None


def _refusal(status: int, message: str) -> Reply:
    return Reply(status, msgspec.json.encode({"message": message}))
