"""The contract of a simulated venue: what it says on a connection, what it makes of the market, what REST answers.

Every part is pure. `fulltape.sim.venue_server` puts a venue on sockets, `fulltape.sim.registry` names all of them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass
from typing import Protocol

import msgspec

from fulltape.sim.events import Event

Topic = tuple[str, str]
"""What a frame is about: channel and symbol; the symbol is ``""`` where a channel has none."""

Framed = tuple[Topic, bytes]


class Opening(msgspec.Struct, frozen=True):
    """How a client opens a connection: path, query and headers (names in lower case) of the handshake, and when."""

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    now_ns: int


class Request(msgspec.Struct, frozen=True):
    """A REST request; names of headers are in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str] = {}
    body: bytes = b""


class Reply(msgspec.Struct, frozen=True):
    """An answer: status, JSON body, and headers beyond the usual."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


class Session(ABC):
    """What one connection is subscribed to: its ``topics``. ``is_binary`` says how its frames are sent."""

    is_binary = False

    def __init__(self) -> None:
        self.topics: set[Topic] = set()

    def greet(self) -> list[bytes]:
        """Return what a new connection is sent unasked."""
        return []

    @abstractmethod
    def answer(self, payload: bytes) -> list[bytes]:
        """Return the frames that answer a client's message; whatever it is, this does not fail."""

    def is_overdue(self, now_ns: int) -> bool:
        """Return whether the venue ends the connection, for want of something that the client owes."""
        return False

    def farewell(self) -> list[bytes]:
        """Return what a client is told that is overdue, before its connection ends."""
        return []

    def too_slow(self) -> list[bytes]:
        """Return what a client that does not read is told before it is cut off."""
        return []

    def ended(self) -> None:
        """Note that the connection is over."""
        return


class Feed(Protocol):
    """Turns a market's events into frames, each built once for however many clients."""

    def frames(self, events: Iterable[Event], wanted: Set[Topic]) -> list[Framed]:
        """Return the frames that somebody wants, in order. Called for every step of time, also if nobody does."""
        ...


class Rest(ABC):
    """Answers REST requests."""

    def answer(self, request: Request) -> Reply:
        """Answer one request; whatever is asked, this returns an answer."""
        if request.method != "GET":
            return Reply(405, b'{"message":"method not allowed"}')
        return self.get(request.path, request.query)

    @abstractmethod
    def get(self, path: str, query: Mapping[str, str]) -> Reply:
        """Answer a GET request."""


@dataclass(frozen=True, slots=True)
class SimVenue:
    """One venue on a market. ``ws_path`` is where its clients connect.

    ``open`` returns the session of a new connection, or None where the venue has no such address.
    """

    feed: Feed
    rest: Rest
    open: Callable[[Opening], Session | None]
    ws_path: str = ""
