"""What a step gathers, and what it makes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fulltape.engine.pipeline.dead_letters import DeadLetters
from fulltape.records import Array, Batch, Instrument
from fulltape.records.delivery import Receipt
from fulltape.records.events import Event
from fulltape.records.frames import Awaited
from fulltape.records.page import Page
from fulltape.venues.base import Control


@dataclass(frozen=True, slots=True)
class BookWanted:
    """A book that misses messages and can go on from a new snapshot only."""

    connection: str
    venue_symbol: str
    trouble: str


@dataclass(slots=True)
class Outcome:
    """What one step produced: the content of a commit, and what sessions must hear."""

    batches: dict[str, Batch]
    snapshots: Mapping[str, Mapping[int, bytes]]
    instruments: dict[int, Instrument]
    controls: list[tuple[str, Control]]
    seen: dict[str, dict[str, int]]
    books_wanted: list[BookWanted]
    listed: list[Instrument]
    """What the feeds' status channels said of instruments, followed or not."""
    receipts: Mapping[Awaited, Receipt]
    """What became of each delivery."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to commit."""
        return not (self.batches or self.instruments or any(self.snapshots.values()))


@dataclass(slots=True)
class Work:
    """What one step has gathered so far. ``unsettled``: of these the ledger does not know yet who listens."""

    place: int = 0
    unsettled: set[int] = field(default_factory=set)
    parts: dict[str, list[Batch]] = field(default_factory=dict)
    unsequenced: dict[str, list[tuple[Batch, Array]]] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    dead: DeadLetters = field(default_factory=DeadLetters)
    controls: list[tuple[str, Control]] = field(default_factory=list)
    seen: dict[str, dict[str, int]] = field(default_factory=dict)
    listed: list[Instrument] = field(default_factory=list)
    pages: list[Page] = field(default_factory=list)
    receipts: dict[Awaited, Receipt] = field(default_factory=dict)

    def add(self, batch: Batch) -> None:
        """Gather a batch of a kind that needs no sequencing."""
        self.parts.setdefault(batch.schema.name, []).append(batch)
