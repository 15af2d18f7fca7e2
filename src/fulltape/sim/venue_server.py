"""One simulated venue on real sockets: a WebSocket port and a REST port."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from random import Random
from typing import Final, Protocol
from urllib.parse import parse_qsl

import msgspec
from picows import WSUpgradeRequest, WSUpgradeResponse, WSUpgradeResponseWithListener, ws_create_server

from fulltape.clock import Clock
from fulltape.sim.base import Opening, SimVenue, Topic
from fulltape.sim.connection import ClientConnection
from fulltape.sim.events import Event
from fulltape.sim.faults import Faults, FaultStream
from fulltape.sim.web import SIMULATED, Faulty, WebServer

HOST: Final = "127.0.0.1"
_MOST_FROM_CLIENT: Final = 64 * 1024


class Owner(Faulty, Protocol):
    """What a venue's sockets ask of the market that they show."""

    def chance(self) -> Random:
        """Return the chance of a new connection's faults."""
        ...


class VenueServer:
    """A venue's two ports. ``ws_url`` and ``rest_url`` are valid after `start`."""

    def __init__(self, venue: SimVenue, owner: Owner, clock: Clock, write_limit: int) -> None:
        self.ws_url = self.rest_url = ""
        self.connections: dict[ClientConnection, None] = {}  # in order of arrival
        self._venue = venue
        self._owner = owner
        self._clock = clock
        self._write_limit = write_limit

    async def start(self, port: int, stack: contextlib.AsyncExitStack) -> None:
        """Bind ``port`` and the next one, or two free ones for 0, and leave what ends them to ``stack``.

        Raises OSError if one is taken.
        """
        sockets = await ws_create_server(
            self._accept, HOST, port, max_frame_size=_MOST_FROM_CLIENT, enable_auto_pong=False
        )
        stack.callback(self.disconnect)
        stack.callback(sockets.close)
        web = WebServer(self._venue.rest, self._owner)
        rest_port = await web.start(HOST, port and port + 1)
        stack.push_async_callback(web.stop)
        self.ws_url = f"ws://{HOST}:{sockets.sockets[0].getsockname()[1]}{self._venue.ws_path}"
        self.rest_url = f"http://{HOST}:{rest_port}"

    def tell(self, events: Sequence[Event], now_ns: int) -> None:
        """Send every client what happened, as far as it wants to know."""
        wanted: set[Topic] = set().union(*(connection.session.topics for connection in self.connections))
        framed = self._venue.feed.frames(events, wanted)
        for connection in tuple(self.connections):
            connection.deliver(framed, now_ns)

    def set_faults(self, faults: Faults, *, begins: bool) -> None:
        """Change the faults of the open connections; ``begins`` says that a hang begins now and hits all of them."""
        for connection in tuple(self.connections):
            hang = faults.hang and (begins or connection.stream.is_hung)
            connection.stream.configure(msgspec.structs.replace(faults, hang=hang), self._clock.now_ns())

    def disconnect(self) -> None:
        """Cut every client off, once."""
        for connection in tuple(self.connections):
            connection.cut()

    def _accept(self, request: WSUpgradeRequest) -> WSUpgradeResponseWithListener:
        faults = self._owner.faults
        if faults.refuse:
            return _refused(503)
        path, _, query = request.path.decode("latin-1").partition("?")
        headers = {name.lower(): value for name, value in request.headers.items()}
        now_ns = self._clock.now_ns()
        session = self._venue.open(Opening(path, dict(parse_qsl(query)), headers, now_ns))
        if session is None:
            return _refused(404)
        stream = FaultStream(msgspec.structs.replace(faults, hang=False), self._owner.chance(), now_ns)
        connection = ClientConnection(session, stream, self._write_limit, self._take_in, self._let_go)
        return WSUpgradeResponseWithListener(WSUpgradeResponse.create_101_response(SIMULATED), connection)

    def _take_in(self, connection: ClientConnection) -> None:
        self.connections[connection] = None

    def _let_go(self, connection: ClientConnection) -> None:
        self.connections.pop(connection, None)


def _refused(status: int) -> WSUpgradeResponseWithListener:
    return WSUpgradeResponseWithListener(WSUpgradeResponse.create_error_response(status, b"", SIMULATED), None)
