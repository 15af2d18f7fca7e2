"""Deliveries: records that somebody brings, by a file or a request, on their way through the pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fulltape.records.batch import Batch
from fulltape.records.instrument import Instrument


@dataclass(frozen=True, slots=True, eq=False)
class Delivery:
    """Batches of any kinds that become part of one commit.

    Instruments in them are positions in ``instruments``; the engine knows which codes these have. ``stretches`` tells
    between which times [start, end) (ns) an instrument's trades lie, those of later deliveries included: the ledger
    then says that nobody listened, for a delivery proves no time complete.
    """

    batches: tuple[Batch, ...]
    instruments: tuple[Instrument, ...]
    ingest_time: int
    stretches: Mapping[int, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a delivery: records that are new or replace others, and those that were there already."""

    stored: int = 0
    duplicates: int = 0

    def __add__(self, other: Receipt) -> Receipt:
        return Receipt(self.stored + other.stored, self.duplicates + other.duplicates)
