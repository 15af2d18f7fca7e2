"""What the API needs from the process it runs in. The engine's supervisor provides it; tests provide their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from fulltape.books.levels import Seen
from fulltape.bus.base import Bus
from fulltape.bus.topics import Topics
from fulltape.records import Instrument
from fulltape.records.delivery import Delivery, Receipt
from fulltape.records.status import Status
from fulltape.stores.base import Reader, Sandbox


class Following(Protocol):
    """Which instruments are followed, and how to change that. Belongs to the event loop that the API runs on."""

    def followed(self) -> frozenset[str]:
        """Return the ids of what is followed now. May be called from any thread."""
        ...

    def offered(self, name: str) -> tuple[Instrument, ...]:
        """Return what a venue offers. Raises UnknownInstrument for one that is not followed, or TransientError."""
        ...

    async def add(self, wishes: Sequence[str]) -> tuple[Instrument, ...]:
        """Follow ids and patterns as well; return what they mean once that is stored.

        Raises UnknownInstrument with the nearest names, ConfigError or TransientError.
        """
        ...

    async def remove(self, wishes: Sequence[str]) -> tuple[Instrument, ...]:
        """Give ids and patterns up; return what they meant once that is stored. Raises as `add` does."""
        ...


class Backend(Protocol):
    """The running process as the API sees it. Every method may be called from any thread."""

    @property
    def bus(self) -> Bus:
        """Where commits are published; it belongs to the event loop that the API runs on."""
        ...

    @property
    def following(self) -> Following:
        """Which instruments are followed."""
        ...

    @property
    def topics(self) -> Topics | None:
        """What is published outside, None while nothing is."""
        ...

    def reader(self) -> Reader:
        """Return a store reader for the calling thread; the API keeps one per worker thread."""
        ...

    def sandbox(self) -> Sandbox:
        """Return what runs SQL from strangers."""
        ...

    async def deliver(self, delivery: Delivery) -> Receipt:
        """Commit what somebody brings, and return what became of it. Called on the event loop."""
        ...

    async def look(self, code: int, count: int) -> Seen:
        """Return at least the best ``count`` levels a side of an instrument's book after the engine's next step.

        What that step stored is published before. Called on the event loop. Raises TransientError when the engine has
        stopped.
        """
        ...

    def now_ns(self) -> int:
        """Return the time of receipt, as the engine knows it (ns)."""
        ...

    def instruments(self) -> tuple[Instrument, ...]:
        """Return every instrument by code: position i is code i. Grows, never changes order."""
        ...

    def status(self) -> Status:
        """Return the state of feeds and engine now."""
        ...
