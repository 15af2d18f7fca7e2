"""The contract of an operator: a pure state machine over batches.

An operator does no I/O, reads no clock and draws no random number. Event times come with the records, ingest time
comes as each record's ``ingest_time`` and as the step's clock. Hence a replay at any speed and any split of the same
records into steps gives the same output, and the same code serves live data, replay, derivation and Spark.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from fulltape.records import Array, Batch
from fulltape.records.frames import SessionEvent

GLOBAL = -1
"""The code under which an operator snapshots state that belongs to no instrument."""


@dataclass(frozen=True, slots=True)
class Step:
    """What an operator sees at once.

    ``batches`` are sequenced: no duplicates, rows in order of arrival. ``frames`` gives each row's place in the step,
    comparable across kinds. ``events`` are (place, event). ``clock`` is the ingest time (ns) that the engine has
    reached: no record of a later step is older in ingest time.
    """

    batches: Mapping[str, Batch]
    clock: int
    frames: Mapping[str, Array] = field(default_factory=dict)
    events: Sequence[tuple[int, SessionEvent]] = ()


class Operator(Protocol):
    """A streaming computation whose state splits and joins by instrument."""

    name: str

    def apply(self, step: Step) -> list[Batch]:
        """Take one step and return the derived records, at most one batch per kind and in order.

        A row of a ``latest`` kind replaces the row with the same key.
        """
        ...

    def snapshot(self) -> dict[int, bytes]:
        """Return the state of each instrument that changed since the last call, independent of codes."""
        ...

    def restore(self, states: Mapping[int, bytes]) -> None:
        """Take up where those states ended. Raises ConfigError for a state of another configuration."""
        ...

    def forget(self, instruments: Iterable[int]) -> None:
        """Drop the state of instruments that are no longer followed."""
        ...
