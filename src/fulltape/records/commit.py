"""Commit: everything that one flush of the engine changes, written in one store transaction.

Only what is committed is published, and operators' snapshots are part of it: a crash loses at most the last
flush, and a client that resumes from a commit number gets exactly what it missed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fulltape.records.batch import Batch
from fulltape.records.instrument import Instrument


@dataclass(frozen=True, slots=True)
class Commit:
    """One flush. ``number`` counts from 1 without holes; ``clock`` is the engine's ingest-time clock (ns).

    ``batches`` holds at most one batch per kind, by the kind's name. ``snapshots`` holds, per operator, the state of
    each instrument that changed; an operator's state that belongs to no instrument has code -1.
    """

    number: int
    clock: int
    batches: Mapping[str, Batch]
    snapshots: Mapping[str, Mapping[int, bytes]] = field(default_factory=dict)
    instruments: Mapping[int, Instrument] = field(default_factory=dict)
