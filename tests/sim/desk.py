"""One client of one simulated venue, without sockets: what it says, and what it hears while time passes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fulltape.clock import SECOND_NS
from fulltape.sim.base import Opening, Request, Session, SimVenue
from fulltape.sim.instruments import choose
from fulltape.sim.market import STEP_NS, Market
from fulltape.sim.registry import VENUES

START_NS = (29_833_333 * 60 + 20) * SECOND_NS
SYMBOLS = ("BTC-USD", "DOGE-USD")
BTC, DOGE = 0, 1


class Desk:
    """A venue on a small market, and the connections to it."""

    def __init__(self, name: str, *, trades_per_s: float = 60.0, past_days: float = 0.1) -> None:
        self.market = Market(1, START_NS, choose(SYMBOLS), trades_per_s=trades_per_s, past_days=past_days)
        self.market.advance(START_NS)
        self.venue: SimVenue = VENUES[name](self.market)
        self._path = self.venue.ws_path
        self._sessions: list[Session] = []

    def open(self, path: str | None = None, headers: Mapping[str, str] | None = None) -> Session:
        """Open a connection that hears what happens in `run`."""
        session = self.venue.open(Opening(path or self._path, {}, headers or {}, self.market.now_ns))
        assert session is not None
        self._sessions.append(session)
        return session

    def run_raw(self, seconds: float) -> dict[Session, list[bytes]]:
        """Let time pass in the server's own small steps and return what each connection hears."""
        heard: dict[Session, list[bytes]] = {session: [] for session in self._sessions}
        end = self.market.now_ns + int(seconds * SECOND_NS)
        while self.market.now_ns < end:
            events = self.market.advance(self.market.now_ns + STEP_NS)
            wanted = set().union(*(session.topics for session in self._sessions))
            for topic, frame in self.venue.feed.frames(events, wanted):
                assert topic in wanted
                for session in self._sessions:
                    if topic in session.topics:
                        heard[session].append(frame)
        return heard

    def run(self, seconds: float, session: Session | None = None) -> list[Any]:
        """Let time pass and return what one connection hears, the first one unless told."""
        return decoded(self.run_raw(seconds)[session or self._sessions[0]])

    def get(self, path: str, **query: object) -> Any:
        """Return the JSON of a REST answer."""
        return json.loads(self.reply(path, **query)[1])

    def reply(self, path: str, **query: object) -> tuple[int, bytes]:
        """Return status and body of a REST answer."""
        reply = self.venue.rest.answer(Request("GET", path, {name: str(value) for name, value in query.items()}))
        return reply.status, reply.body


def decoded(frames: list[bytes]) -> list[Any]:
    """Return frames as JSON, numbers as the text that they came in."""
    return [json.loads(frame, parse_float=str) for frame in frames]


def say(session: Session, message: object) -> list[Any]:
    """Return what answers a message."""
    return decoded(session.answer(json.dumps(message).encode()))


def texts(
    market: Market, product: int, depth: int | None = None
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return the market's own bids and asks as text."""
    listing, book = market.listings[product], market.book(product)
    bids, asks = (
        [(listing.price_text(price), listing.size_text(size)) for price, size in side[:depth]]
        for side in (book.bids, book.asks)
    )
    return bids, asks
