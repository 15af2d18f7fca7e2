"""Feeds: how a venue is followed. One feed has as many connections as its symbols need."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec

from fulltape.records import Instrument
from fulltape.records.frames import FrameSink
from fulltape.venues.base import RestRequest, Venue
from fulltape.venues.poller import Poller
from fulltape.venues.rest import RestClient
from fulltape.venues.session import Session, SessionConfig

Link = Session | Poller
"""What keeps one connection."""


@dataclass(frozen=True, slots=True)
class Feed:
    """How to follow a venue: its first connection, and how to ask its REST interface (None: do not ask).

    The symbols of ``session`` are wishes as in `fulltape.engine.wishes`. ``poller`` makes what asks a venue without a
    stream, given how and where the answers go; None for a venue that has one. ``history`` opens what asks for the
    venue's past; None leaves it alone.
    """

    venue: Venue
    session: SessionConfig
    fetch: Callable[[RestRequest], Awaitable[bytes]] | None = None
    poller: Callable[[SessionConfig, FrameSink], Poller] | None = None
    history: Callable[[], RestClient] | None = None

    @property
    def wishes(self) -> Sequence[str]:
        """What the configuration wants followed."""
        return self.session.subscription.symbols

    def connection(self, name: str, instruments: Mapping[str, str]) -> SessionConfig:
        """Return the configuration of a connection for the symbols of ``instruments``, which tells their ids."""
        subscription = replace(self.session.subscription, symbols=tuple(instruments))
        return msgspec.structs.replace(self.session, name=name, subscription=subscription, ids=dict(instruments))


def by_symbol(instruments: Sequence[Instrument]) -> dict[str, str]:
    """Return the ids of instruments by their venue's symbols."""
    return {row.venue_symbol: row.id for row in instruments}
