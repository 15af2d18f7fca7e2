"""Latest kinds: of the rows of a batch that share a key only the last counts."""

from __future__ import annotations

import numpy as np

from fulltape.records import Array, Batch


def last_of_each_key(batch: Batch) -> Batch:
    """Return the batch without rows that a later row of the same batch replaces, the rest in order."""
    if len(batch) < 2:
        return batch
    keys = [_sortable(array) for array in key_arrays(batch)]
    order = np.lexsort(keys)  # stable: of equal keys the last row comes last
    is_last = np.zeros(len(batch), np.bool_)
    is_last[-1] = True
    for key in keys:
        is_last[:-1] |= key[order][1:] != key[order][:-1]
    if is_last.all():
        return batch
    return batch.take(np.sort(order[is_last]))


def key_names(batch: Batch) -> list[str]:
    """Return the names of the arrays that make a batch's key: an id of 128 bits has two."""
    return [name for column in batch.schema.key for name in batch.schema.column(column).names]


def key_arrays(batch: Batch) -> list[Array]:
    """Return the arrays that make a batch's key."""
    return [batch[name] for name in key_names(batch)]


def _sortable(array: Array) -> Array:
    if array.dtype != object:
        return array
    ranks: Array = np.unique(array.astype(str), return_inverse=True)[1]
    return ranks
