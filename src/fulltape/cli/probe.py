"""Whether a venue can be reached at all: one subscription, through the same session that live capture uses."""

from __future__ import annotations

import asyncio
import contextlib
from random import Random

from fulltape.clock import Clock
from fulltape.engine.config import VenueConfig
from fulltape.records.frames import Connection, SessionEvent
from fulltape.venues.base import Subscription, Venue
from fulltape.venues.session import Session, SessionConfig


class _FirstFrame:
    """A frame sink that only notices that something came."""

    is_full = False

    def __init__(self) -> None:
        self.came = asyncio.Event()

    def frame(self, connection: Connection, payload: bytes, ingest_time: int) -> None:
        self.came.set()

    def event(self, event: SessionEvent) -> None:
        pass

    async def drained(self) -> None:
        pass


async def answers(venue: Venue, followed: VenueConfig, *, clock: Clock, random: Random, timeout_s: float) -> bool:
    """Return whether the venue sends anything within ``timeout_s`` after subscribing to one instrument."""
    spec = venue.spec
    symbols = [symbol for symbol in followed.instruments if _is_symbol(venue, symbol)] or spec.default_symbols
    channels = (followed.channels or spec.default_channels)[:1]
    config = SessionConfig(
        name=f"{spec.name}-probe",
        url=followed.url or spec.ws_url,
        subscription=Subscription(channels, (symbols[0],)),
        connect_timeout_s=timeout_s,
    )
    sink = _FirstFrame()
    trying = asyncio.create_task(Session(venue, config, sink, clock, random).run())
    try:
        await asyncio.wait_for(sink.came.wait(), timeout_s)
    except TimeoutError:
        return False
    finally:
        trying.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await trying
    return True


def _is_symbol(venue: Venue, text: str) -> bool:
    try:
        return venue.instrument(text).venue_symbol == text
    except ValueError:
        return False
