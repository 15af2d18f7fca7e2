"""The contract of an operator: a pure state machine over batches.

An operator does no I/O, reads no clock and draws no random number. Event times come with the records, ingest time
comes as each record's ``ingest_time`` and as the step's clock. Hence a replay at any speed and any split of the same
records into steps gives the same output, and the same code serves live data, replay and derivation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from fulltape.records import Batch
from fulltape.records.events import Event

GLOBAL = -1
"""The code under which an operator snapshots state that belongs to no instrument."""


@dataclass(frozen=True, slots=True)
class Step:
    """What an operator sees at once.

    ``batches`` are sequenced: no duplicates, rows in order of arrival. ``events`` are in order too; what happened when
    is told by their ingest times. ``clock`` is the ingest time (ns) that the engine has reached.
    """

    batches: Mapping[str, Batch]
    clock: int
    events: Sequence[Event] = ()


class Stateful(Protocol):
    """State that goes into every commit, split by instrument."""

    name: str

    def snapshot(self) -> dict[int, bytes]:
        """Return the state of each instrument that changed since the last call, independent of codes."""
        ...

    def restore(self, states: Mapping[int, bytes]) -> None:
        """Take up where those states ended. Raises ConfigError for a state of another configuration."""
        ...


class Operator(Stateful, Protocol):
    """A streaming computation whose state splits and joins by instrument."""

    def apply(self, step: Step) -> list[Batch]:
        """Take one step and return the derived records, at most one batch per kind and in order.

        A row of a ``latest`` kind replaces the row with the same key.
        """
        ...

    def forget(self, instruments: Iterable[int]) -> None:
        """Drop the state of instruments that are no longer followed."""
        ...
