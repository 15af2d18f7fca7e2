"""One simulated venue on real sockets: its market, a WebSocket port and a REST port."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from random import Random
from typing import Final
from urllib.parse import parse_qsl

import msgspec
from picows import WSUpgradeRequest, WSUpgradeResponse, WSUpgradeResponseWithListener, ws_create_server

from fulltape.clock import SECOND_NS, Clock
from fulltape.sim.base import Opening, SimVenue, Topic
from fulltape.sim.connection import ClientConnection
from fulltape.sim.events import Event
from fulltape.sim.faults import Faults, FaultStream
from fulltape.sim.market import Market
from fulltape.sim.web import SIMULATED, WebServer

HOST: Final = "127.0.0.1"
_MOST_FROM_CLIENT: Final = 64 * 1024
_MOST_AT_ONCE_NS: Final = SECOND_NS // 4
_MOST_BEHIND_NS: Final = 10 * SECOND_NS


@dataclass(frozen=True, slots=True)
class Terms:
    """How a venue serves: ``token`` guards its faults, ``seed`` chooses those of its connections.

    A client with more than ``write_limit`` unread bytes is cut off.
    """

    token: str
    seed: int
    faults: Faults
    write_limit: int


class VenueServer:
    """A venue's two ports. ``ws_url`` and ``rest_url`` are valid after `start`."""

    def __init__(self, venue: SimVenue, market: Market, terms: Terms, clock: Clock) -> None:
        self.ws_url = self.rest_url = ""
        self.connections: dict[ClientConnection, None] = {}  # in order of arrival
        self.market = market
        self.token = terms.token
        self._venue = venue
        self._terms = terms
        self._clock = clock
        self._faults = terms.faults
        self._accepted = 0

    @property
    def faults(self) -> Faults:
        """The faults in force."""
        return self._faults

    async def start(self, port: int, stack: contextlib.AsyncExitStack) -> None:
        """Bind ``port`` and the next one, or two free ones for 0, and leave what ends them to ``stack``.

        Raises OSError if one is taken.
        """
        sockets = await ws_create_server(
            self._accept, HOST, port, max_frame_size=_MOST_FROM_CLIENT, enable_auto_pong=False
        )
        stack.callback(self.disconnect)
        stack.callback(sockets.close)
        web = WebServer(self._venue.rest, self)
        rest_port = await web.start(HOST, port and port + 1)
        stack.push_async_callback(web.stop)
        self.ws_url = f"ws://{HOST}:{sockets.sockets[0].getsockname()[1]}{self._venue.ws_path}"
        self.rest_url = f"http://{HOST}:{rest_port}"

    def tick(self, now_ns: int) -> None:
        """Let the market go on towards a time, and send every client what happened, as far as it wants to know.

        After a pause of more than ten seconds, as of a laptop asleep, whole minutes that nobody saw are left out.
        """
        if now_ns - self.market.now_ns > _MOST_BEHIND_NS:
            self.market.skip(now_ns)
        wanted: set[Topic] = set().union(*(connection.session.topics for connection in self.connections))
        framed = self._venue.feed.frames(self._advance(), wanted)
        for connection in tuple(self.connections):
            connection.deliver(framed, now_ns)

    def set_faults(self, faults: Faults) -> None:
        """Change the faults of the open connections, and of those to come."""
        # a hang hits those who are connected when it begins: who reconnects meanwhile is served
        begins = faults.hang and not self._faults.hang
        self._faults = faults
        for connection in tuple(self.connections):
            hang = faults.hang and (begins or connection.stream.is_hung)
            connection.stream.configure(msgspec.structs.replace(faults, hang=hang), self._clock.now_ns())

    def disconnect(self) -> None:
        """Cut every client off, once."""
        for connection in tuple(self.connections):
            connection.cut()

    def _accept(self, request: WSUpgradeRequest) -> WSUpgradeResponseWithListener:
        faults = self._faults
        if faults.refuse:
            return _refused(503)
        path, _, query = request.path.decode("latin-1").partition("?")
        headers = {name.lower(): value for name, value in request.headers.items()}
        now_ns = self._clock.now_ns()
        session = self._venue.open(Opening(path, dict(parse_qsl(query)), headers, now_ns))
        if session is None:
            return _refused(404)
        self._accepted += 1
        chance = Random(f"{self._terms.seed}/connection/{self._accepted}")
        stream = FaultStream(msgspec.structs.replace(faults, hang=False), chance, now_ns)
        connection = ClientConnection(session, stream, self._terms.write_limit, self._take_in, self._let_go)
        return WSUpgradeResponseWithListener(WSUpgradeResponse.create_101_response(SIMULATED), connection)

    def _advance(self) -> list[Event]:
        """Advance towards the clock's time, at most so far that clients and REST need not wait."""
        return self.market.advance(min(self._clock.now_ns(), self.market.now_ns + _MOST_AT_ONCE_NS))

    def _take_in(self, connection: ClientConnection) -> None:
        self.connections[connection] = None

    def _let_go(self, connection: ClientConnection) -> None:
        self.connections.pop(connection, None)


def _refused(status: int) -> WSUpgradeResponseWithListener:
    return WSUpgradeResponseWithListener(WSUpgradeResponse.create_error_response(status, b"", SIMULATED), None)
