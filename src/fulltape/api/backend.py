"""What the API needs from the process it runs in. The engine's supervisor provides it; tests provide their own."""

from __future__ import annotations

from typing import Protocol

from fulltape.bus.base import Bus
from fulltape.records import Instrument
from fulltape.records.status import Status
from fulltape.stores.base import Reader


class Backend(Protocol):
    """The running process as the API sees it. Every method may be called from any thread."""

    @property
    def bus(self) -> Bus:
        """Where commits are published; it belongs to the event loop that the API runs on."""
        ...

    def reader(self) -> Reader:
        """Return a store reader for the calling thread; the API keeps one per worker thread."""
        ...

    def instruments(self) -> tuple[Instrument, ...]:
        """Return every instrument by code: position i is code i. Grows, never changes order."""
        ...

    def status(self) -> Status:
        """Return the state of feeds and engine now."""
        ...
