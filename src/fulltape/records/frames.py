"""Frames: what a venue sent, as it came, and what happened to the connection that brought it.

Everything that makes fulltape's output enters here, live or from a recording: feed the same chunks and the same
bytes come out.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Protocol

from fulltape.records.delivery import Delivery
from fulltape.records.instrument import Instrument
from fulltape.records.page import Page, Unfillable


class EventKind(enum.Enum):
    """What happened to a connection."""

    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    ENDED = "ended"  # the recording is over: what the connection did after that, nobody knows


@dataclass(frozen=True, slots=True)
class Connection:
    """One socket to a venue. ``name`` is unique in the process, such as ``COINBASE-1``."""

    name: str
    venue: str
    simulated: bool = False
    replay: bool = False


@dataclass(frozen=True, slots=True)
class SessionEvent:
    """A connection came up or went down."""

    connection: Connection
    kind: EventKind
    ingest_time: int
    detail: str = ""


@dataclass(slots=True)
class Chunk:
    """Frames of one connection in order of arrival, with the time each was received (ns UTC)."""

    connection: Connection
    payloads: list[bytes] = field(default_factory=list)
    ingest_times: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.payloads)


@dataclass(frozen=True, slots=True)
class Listing:
    """What a venue's list of instruments said when it came (ns), in order with the frames around it."""

    instruments: tuple[Instrument, ...]
    ingest_time: int


Awaited = Page | Unfillable | Delivery
"""What somebody waits for until it is committed."""

Item = Chunk | SessionEvent | Listing | Awaited
"""What the engine takes, in order of receipt."""


class FrameSink(Protocol):
    """Where sessions and the replayer put what they receive. Called on the event loop, never blocks.

    It is bounded: when `is_full` turns true the caller stops reading its socket and awaits `drained`, so a slow
    engine makes the venue's TCP window close instead of memory grow.
    """

    def frame(self, connection: Connection, payload: bytes, ingest_time: int) -> None:
        """Take one frame."""
        ...

    def event(self, event: SessionEvent) -> None:
        """Take one connection event, in order with the frames around it."""
        ...

    @property
    def is_full(self) -> bool:
        """Whether the caller must stop reading."""
        ...

    async def drained(self) -> None:
        """Return when there is room again."""
        ...
