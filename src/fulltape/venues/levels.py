"""Book messages to book deltas: flags, empty snapshots and bad levels, the same for every venue."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np

from fulltape.records import BOOK_DELTAS, Array, Batch, BookSide
from fulltape.records.book import CLEAR, LAST, SNAPSHOT
from fulltape.records.columns import NULL_INT
from fulltape.venues.base import Parsed, Reject
from fulltape.venues.rows import UNKNOWN_CODE, Codes, excerpt, is_plausible

BID: Final = int(BookSide.BID)
ASK: Final = int(BookSide.ASK)

Level = tuple[int, float, float]
"""Side, price, and the new size at that price: 0 removes."""

_NO_LEVEL: Final[Level] = (BID, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class BookMessages:
    """Messages of known instruments in order of arrival: one entry of each column per message.

    ``sequence``, ``previous`` and ``checksum`` are None where the venue gives none; see `fulltape.records.book`.
    """

    frames: Array
    codes: Array
    event_times: Array
    received: Array
    is_snapshot: Array
    levels: Sequence[list[Level]]
    sequence: Array | None = None
    previous: Array | None = None
    checksum: Array | None = None


def both_sides(bids: Sequence[tuple[float, float]], asks: Sequence[tuple[float, float]]) -> list[Level]:
    """Return the levels of two lists of price and size, bids first."""
    return [(BID, *level) for level in bids] + [(ASK, *level) for level in asks]


class BookMessage(NamedTuple):
    """One message of one instrument: ``event_time`` in ns, the rest as in `BookMessages`."""

    venue_symbol: str
    is_snapshot: bool
    event_time: int
    levels: list[Level]
    sequence: int | None = None
    previous: int | None = None
    checksum: int | None = None


def add_book_messages(
    messages: Sequence[BookMessage], codes: Codes, frames: Array, received: Array, parsed: Parsed
) -> None:
    """Put messages into ``parsed`` as book deltas, those of unknown instruments as rejects.

    A message is never given up for its time, its levels are true all the same: an impossible one becomes ours.
    """
    known = codes.column([message.venue_symbol for message in messages])
    for row in np.flatnonzero(known == UNKNOWN_CODE).tolist():
        parsed.rejects.append(Reject(int(frames[row]), "unknown_instrument", excerpt(messages[row].venue_symbol)))
    kept = np.flatnonzero(known != UNKNOWN_CODE)
    if not len(kept):
        return
    frames, received, followed = frames[kept], received[kept], [messages[row] for row in kept.tolist()]
    times = np.array([message.event_time for message in followed], np.int64)
    columns = BookMessages(
        frames=frames,
        codes=known[kept],
        event_times=np.where(is_plausible(times, received), times, received),
        received=received,
        is_snapshot=np.array([message.is_snapshot for message in followed], np.bool_),
        levels=[message.levels for message in followed],
        sequence=_nullable([message.sequence for message in followed]),
        previous=_nullable([message.previous for message in followed]),
        checksum=_nullable([message.checksum for message in followed]),
    )
    add_book(columns, parsed)


def price_and_size(level: Any) -> tuple[float, float]:
    """Return the first two figures of a level as it came, NaN for what is no number."""
    try:
        price, size = level[:2]
        return msgspec.convert((price, size), tuple[float, float], strict=False)
    except (msgspec.ValidationError, TypeError, ValueError):
        return (math.nan, math.nan)


def add_book(messages: BookMessages, parsed: Parsed) -> None:
    """Put the levels into ``parsed`` as book deltas; a level that is no level is left out and its frame rejected.

    Of a frame with several bad levels there is one `Reject`. A snapshot without a good level becomes a CLEAR row.
    """
    # A snapshot starts with a row that stands for "no levels" and goes as soon as there is one.
    levels = [
        [_NO_LEVEL, *own] if snapshot else own
        for own, snapshot in zip(messages.levels, messages.is_snapshot.tolist(), strict=True)
    ]
    counts = [len(own) for own in levels]
    owners = np.repeat(np.arange(len(levels)), counts)
    flat = list(chain.from_iterable(levels))
    sides = np.array([level[0] for level in flat], np.uint8)
    prices = np.array([level[1] for level in flat], np.float64)
    sizes = np.array([level[2] for level in flat], np.float64)

    is_first = np.diff(owners, prepend=-1) != 0
    stands_for_none = is_first & messages.is_snapshot[owners]
    kept = (prices > 0) & (prices < np.inf) & (sizes >= 0) & (sizes < np.inf)
    _reject_levels(messages, owners, ~kept & ~stands_for_none, parsed)
    kept |= stands_for_none & (np.bincount(owners[kept], minlength=len(levels)) == 0)[owners]
    if not kept.any():
        return

    owners = owners[kept]
    flags = np.where(stands_for_none[kept], CLEAR, 0)
    flags |= np.where((np.diff(owners, prepend=-1) != 0) & messages.is_snapshot[owners], SNAPSHOT, 0)
    flags |= np.where(np.diff(owners, append=-1) != 0, LAST, 0)
    columns = {
        "instrument": messages.codes[owners],
        "side": sides[kept],
        "price": prices[kept],
        "size": sizes[kept],
        "flags": flags.astype(np.int64),
        **{name: _proof(getattr(messages, name), owners) for name in ("sequence", "previous", "checksum")},
        "event_time": messages.event_times[owners],
        "ingest_time": messages.received[owners],
    }
    parsed.batches[BOOK_DELTAS.name] = Batch(BOOK_DELTAS, columns)
    parsed.frames[BOOK_DELTAS.name] = messages.frames[owners]


def _nullable(values: Sequence[int | None]) -> Array:
    return np.array([NULL_INT if value is None else value for value in values], np.int64)


def _proof(values: Array | None, owners: Array) -> Array:
    return np.full(len(owners), NULL_INT, np.int64) if values is None else values[owners]


def _reject_levels(messages: BookMessages, owners: Array, is_bad: Array, parsed: Parsed) -> None:
    if not is_bad.any():
        return
    counts = np.bincount(owners[is_bad], minlength=len(messages.levels))
    for owner in np.flatnonzero(counts).tolist():
        detail = f"{counts[owner]} of {len(messages.levels[owner])} levels"
        parsed.rejects.append(Reject(int(messages.frames[owner]), "bad_level", detail))
