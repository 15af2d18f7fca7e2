"""UUID texts to halves of 64 bits, a column at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from fulltape.records import Array

_LENGTH: Final = 36
_DASHES: Final = (8, 13, 18, 23)
_DIGITS: Final = tuple(place for place in range(_LENGTH) if place not in _DASHES)
_DASH: Final = ord("-")


def split_uuids(texts: Sequence[str]) -> tuple[Array, Array] | None:
    """Return the low and the high halves (int64) of UUIDs, None if one of the texts is none.

    Ten times as fast as `fulltape.records.batch.split_id`, with the same result.
    """
    if any(len(text) != _LENGTH for text in texts):
        return None
    # Replacing keeps one byte per character; "?" is never part of a UUID.
    characters = np.frombuffer("".join(texts).encode("ascii", "replace"), np.uint8).reshape(-1, _LENGTH)
    if not (characters[:, _DASHES] == _DASH).all():
        return None
    try:
        raw = bytes.fromhex(characters[:, _DIGITS].tobytes().decode("ascii"))
    except ValueError:
        return None
    if len(raw) != 16 * len(texts):  # spaces between digits are skipped
        return None
    halves = np.frombuffer(raw, ">i8").reshape(-1, 2).astype(np.int64)
    return halves[:, 1].copy(), halves[:, 0].copy()
