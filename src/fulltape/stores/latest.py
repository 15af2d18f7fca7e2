"""Latest kinds: of the rows of a batch that share a key only the last counts."""

from __future__ import annotations

import numpy as np

from fulltape.records import Array, Batch


def last_of_each_key(batch: Batch) -> Batch:
    """Return the batch without rows that a later row of the same batch replaces, the rest in order."""
    if len(batch) < 2:
        return batch
    columns = [batch.schema.column(key) for key in batch.schema.key]
    keys = [_sortable(batch[name]) for column in columns for name in column.names]
    order = np.lexsort(keys)  # stable: of equal keys the last row comes last
    is_last = np.zeros(len(batch), np.bool_)
    is_last[-1] = True
    for key in keys:
        is_last[:-1] |= key[order][1:] != key[order][:-1]
    if is_last.all():
        return batch
    return batch.take(np.sort(order[is_last]))


def _sortable(array: Array) -> Array:
    if array.dtype != object:
        return array
    ranks: Array = np.unique(array.astype(str), return_inverse=True)[1]
    return ranks
