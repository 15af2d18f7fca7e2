"""What the engine learns besides records: subscriptions that stand, holes in the ids, proofs that there is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fulltape.records.frames import SessionEvent
from fulltape.records.page import Unfillable


@dataclass(frozen=True, slots=True)
class Subscribed:
    """What a connection's whole subscription is, instrument codes by channel, and how we know."""

    connection: str
    ingest_time: int
    channels: Mapping[str, frozenset[int]]
    evidence: str = "subscription confirmed"


@dataclass(frozen=True, slots=True)
class Hole:
    """Trades ``first_id`` to ``last_id`` did not come; ``missing`` of them still have not.

    The hole lies between trades at ``start`` and ``end`` (event time, ns). It is told again when trades turn up after
    all: with ``missing`` = 0 it is closed. ``reason`` says why they cannot be had.
    """

    instrument: int
    ingest_time: int
    first_id: int
    last_id: int
    missing: int
    start: int
    end: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Refilled:
    """Every trade of the instrument with start <= event time < end (ns) is stored; some came from the history."""

    instrument: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Unbroken:
    """After a disconnection the ids went on without a jump: nothing was missed between the two trades."""

    instrument: int
    ingest_time: int
    last_id: int
    next_id: int


@dataclass(frozen=True, slots=True)
class BooksLost:
    """The connection that brought these instruments' books is gone: their books miss what comes now."""

    ingest_time: int
    instruments: frozenset[int]


@dataclass(frozen=True, slots=True)
class NotFollowed:
    """From now on nobody wants these instruments: what happens to them is not missed."""

    ingest_time: int
    instruments: frozenset[int]


@dataclass(frozen=True, slots=True)
class Unanswered:
    """The trades of these instruments are asked for, and nobody receives them yet. Told live only."""

    ingest_time: int
    instruments: frozenset[int]


Event = SessionEvent | Subscribed | Hole | Refilled | Unfillable | Unbroken | BooksLost | NotFollowed | Unanswered
"""What `Step.events` carries."""
