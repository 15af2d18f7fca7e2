"""Deliveries: records that somebody brings, by a file or a request, on their way through the pipeline."""

from __future__ import annotations

from dataclasses import dataclass

from fulltape.records.batch import Batch
from fulltape.records.instrument import Instrument


@dataclass(frozen=True, slots=True, eq=False)
class Delivery:
    """Batches of any kinds that become one commit.

    Instruments in them are positions in ``instruments``; the engine knows which codes these have. Nothing is claimed
    of what is not in them: a delivery proves no stretch of time complete.
    """

    batches: tuple[Batch, ...]
    instruments: tuple[Instrument, ...]
    ingest_time: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a delivery: records that are new, and those that were there already."""

    stored: int
    duplicates: int
