"""What a delivery adds to what is stored: records by their codes, without doubles, and what the ledger says of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from fulltape.engine.pipeline.spans import Spans
from fulltape.engine.pipeline.trade_ids import TradeIds
from fulltape.engine.pipeline.unstored import Read, unstored
from fulltape.operators.coverage import TRADES_CHANNEL
from fulltape.records import (
    COVERAGE,
    DEAD_LETTERS,
    TRADES,
    Array,
    Batch,
    CoverageState,
    Instrument,
    InstrumentTable,
)
from fulltape.records.columns import NULL_INT
from fulltape.records.delivery import Delivery, Receipt
from fulltape.records.events import Event

EVIDENCE: Final = "records were imported: nobody listened"


@dataclass(frozen=True, slots=True)
class Taken:
    """What a delivery adds: records by their codes, what fills holes, and what is told to whoever brought it."""

    batches: list[Batch]
    events: list[Event]
    receipt: Receipt


class Deliveries:
    """Takes what people bring. Its ids fill holes and are known as duplicates, but never move the sequencer."""

    def __init__(self, table: InstrumentTable, trade_ids: TradeIds) -> None:
        self._table = table
        self._trade_ids = trade_ids

    def take(self, delivery: Delivery, gathered: Mapping[str, Sequence[Batch]], read: Read) -> Taken:
        """Return what is neither committed nor ``gathered`` in this step; instruments that are new join the table."""
        codes = codes_of(delivery.instruments, self._table)
        stretches = {int(codes[place]): stretch for place, stretch in delivery.stretches.items()}
        taken, stored, duplicates = [not_listened(stretches, read)], 0, 0
        events: list[Event] = []
        for batch in delivery.batches:
            fresh = unstored(recoded(batch, codes), gathered.get(batch.schema.name, ()), read)
            taken.append(fresh)
            if fresh.schema is TRADES:
                events += self._trade_ids.refill(fresh, delivery.ingest_time, is_brought=True)
            if fresh.schema is not DEAD_LETTERS:
                stored, duplicates = stored + len(fresh), duplicates + len(batch) - len(fresh)
        return Taken(taken, events, Receipt(stored, duplicates))


def codes_of(instruments: Iterable[Instrument], table: InstrumentTable) -> Array:
    """Return the codes of instruments; those that the table lacks join it."""
    known = set(table.ids())
    return np.array([table.code_of(one.id) if one.id in known else table.add(one) for one in instruments], np.int32)


def recoded(batch: Batch, codes: Array) -> Batch:
    """Return the batch with codes in place of positions."""
    if "instrument" not in batch.columns:
        return batch
    return Batch(batch.schema, {**batch.columns, "instrument": codes[batch["instrument"]]})


def not_listened(stretches: Mapping[int, tuple[int, int]], read: Read) -> Batch:
    """Return ledger rows that say of times of which the ledger says nothing yet that nobody listened."""
    rows = [
        (code, start, end)
        for code, stretch in sorted(stretches.items())
        for start, end in _unknown(read(COVERAGE, code, *stretch), *stretch)
    ]
    count = len(rows)
    columns: dict[str, list[Any]] = {
        "instrument": [row[0] for row in rows],
        "channel": [TRADES_CHANNEL] * count,
        "start": [row[1] for row in rows],
        "end": [row[2] for row in rows],
        "state": [CoverageState.NOT_FOLLOWED] * count,
        "evidence": [EVIDENCE] * count,
        "missing": [0] * count,
        "first_missing": [""] * count,
        "last_missing": [""] * count,
    }
    return COVERAGE.from_columns(columns)


def _unknown(coverage: Batch, start: int, end: int) -> list[tuple[int, int]]:
    told = Spans([])
    for channel, first, last in zip(*(coverage[name].tolist() for name in ("channel", "start", "end")), strict=True):
        if channel == TRADES_CHANNEL:
            told.add(first, end if last == NULL_INT else last)
    return told.gaps(start, end)
