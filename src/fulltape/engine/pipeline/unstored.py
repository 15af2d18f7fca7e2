"""What of records that come a second way, from a venue's history or from people, is not stored yet.

Memory does not reach as far back as these do, so the store is asked: it knows every record, whatever its ids promise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

import numpy as np

from fulltape.clock import SECOND_NS
from fulltape.records import Batch, Schema

SLACK_NS: Final = 60 * SECOND_NS
"""How far the time of a record that comes again may be from the one that is stored: some are cut to seconds."""

Read = Callable[[Schema, int, int, int], Batch]
"""Returns the committed records of a kind and instrument (code) with start <= time < end (ns)."""


def unstored(batch: Batch, gathered: Iterable[Batch], read: Read) -> Batch:
    """Return the records that are neither committed nor among those ``gathered`` nor a repetition, by their key.

    Of a kind that keeps the latest row of a key all are new.
    """
    schema = batch.schema
    if schema.latest or "instrument" not in batch.columns or not len(batch):
        return batch
    instruments, places = np.unique(batch["instrument"], return_inverse=True)
    kept = np.zeros(len(batch), np.bool_)
    known = {key for part in gathered for key in _keys(part)}
    for place, code in enumerate(instruments.tolist()):
        mine = np.flatnonzero(places == place)
        times = batch[schema.time][mine]
        known.update(_keys(read(schema, code, int(times.min()) - SLACK_NS, int(times.max()) + SLACK_NS)))
        for row, key in zip(mine.tolist(), _keys(batch.take(mine)), strict=True):
            kept[row] = key not in known
            known.add(key)
    return batch if kept.all() else batch.take(kept)


def _keys(batch: Batch) -> Iterator[tuple[int, ...]]:
    names = [name for key in batch.schema.key for name in batch.schema.column(key).names]
    return zip(*(batch[name].tolist() for name in names), strict=True)
