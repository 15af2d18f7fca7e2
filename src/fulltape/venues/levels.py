"""Book messages to book deltas: flags, empty snapshots and bad levels, the same for every venue."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from typing import Any, Final

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


@dataclass(frozen=True, slots=True)
class Levels:
    """The levels of several messages, one after another; ``counts`` says how many each message has."""

    counts: Array
    sides: Array
    prices: Array
    sizes: Array


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
    levels: Levels
    sequence: Array | None = None
    previous: Array | None = None
    checksum: Array | None = None


class BookMessage(msgspec.Struct, frozen=True, gc=False):
    """One message of one instrument: ``event_time`` in ns, the levels as they came, the rest as in `BookMessages`."""

    venue_symbol: str
    is_snapshot: bool
    event_time: int
    bids: Sequence[Any]
    asks: Sequence[Any]
    sequence: int | None = None
    previous: int | None = None
    checksum: int | None = None


Figures = tuple[Callable[[Any], float], Callable[[Any], float]]
"""Take the price and the size out of a level as it came."""
FIRST_TWO: Final[Figures] = (itemgetter(0), itemgetter(1))


def levels_of(messages: Sequence[Sequence[Level]]) -> Levels:
    """Return the levels of messages that name the side of each."""
    flat = list(chain.from_iterable(messages))
    return Levels(
        counts=np.array(list(map(len, messages)), np.int64),
        sides=np.array([level[0] for level in flat], np.uint8),
        prices=np.array([level[1] for level in flat], np.float64),
        sizes=np.array([level[2] for level in flat], np.float64),
    )


def levels_of_sides(
    bids: Sequence[Sequence[Any]],
    asks: Sequence[Sequence[Any]],
    figures: Figures = FIRST_TWO,
) -> Levels:
    """Return the levels of messages that have two lists each: of every message bids come first."""
    lists = list(chain.from_iterable(zip(bids, asks, strict=True)))
    counts = np.array(list(map(len, lists)), np.int64)
    price, size = figures
    flat = list(chain.from_iterable(lists))
    return Levels(
        counts=counts.reshape(-1, 2).sum(axis=1),
        sides=np.repeat(np.tile(np.array([BID, ASK], np.uint8), len(bids)), counts),
        prices=np.fromiter(map(price, flat), np.float64, len(flat)),
        sizes=np.fromiter(map(size, flat), np.float64, len(flat)),
    )


def followed_codes(venue_symbols: Sequence[str], codes: Codes, frames: Array, parsed: Parsed) -> tuple[Array, Array]:
    """Return the places of messages of followed instruments, and their codes; each other message is rejected."""
    known = codes.column(venue_symbols)
    kept = np.flatnonzero(known != UNKNOWN_CODE)
    if len(kept) < len(known):
        for place in np.flatnonzero(known == UNKNOWN_CODE).tolist():
            parsed.rejects.append(Reject(int(frames[place]), "unknown_instrument", excerpt(venue_symbols[place])))
    return kept, known[kept]


def add_book_messages(
    messages: Sequence[BookMessage],
    codes: Codes,
    frames: Array,
    received: Array,
    parsed: Parsed,
    figures: Figures = FIRST_TWO,
) -> None:
    """Put messages into ``parsed`` as book deltas, those of unknown instruments as rejects.

    A message is never given up for its time, its levels are true all the same: an impossible one becomes ours.
    """
    kept, known = followed_codes([message.venue_symbol for message in messages], codes, frames, parsed)
    if not len(kept):
        return
    received = received[kept]
    followed = messages if len(kept) == len(messages) else [messages[place] for place in kept.tolist()]
    times = np.array([message.event_time for message in followed], np.int64)
    columns = BookMessages(
        frames=frames[kept],
        codes=known,
        event_times=np.where(is_plausible(times, received), times, received),
        received=received,
        is_snapshot=np.array([message.is_snapshot for message in followed], np.bool_),
        levels=levels_of_sides([message.bids for message in followed], [m.asks for m in followed], figures),
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
    levels, is_snapshot = messages.levels, messages.is_snapshot
    owners = np.repeat(np.arange(len(levels.counts)), levels.counts)
    is_good = (levels.prices > 0) & (levels.prices < np.inf) & (levels.sizes >= 0) & (levels.sizes < np.inf)
    sides, prices, sizes = levels.sides, levels.prices, levels.sizes
    if not is_good.all():
        _reject_levels(messages, owners[~is_good], parsed)
        owners, sides, prices, sizes = owners[is_good], sides[is_good], prices[is_good], sizes[is_good]
    flags = np.zeros(len(owners), np.int64)

    empty = np.flatnonzero(is_snapshot & (np.bincount(owners, minlength=len(is_snapshot)) == 0))
    if len(empty):
        places = np.searchsorted(owners, empty)
        owners, sides = np.insert(owners, places, empty), np.insert(sides, places, BID)
        prices, sizes = np.insert(prices, places, 0.0), np.insert(sizes, places, 0.0)
        flags = np.insert(flags, places, CLEAR)
    if not len(owners):
        return
    flags[(np.diff(owners, prepend=-1) != 0) & is_snapshot[owners]] |= SNAPSHOT
    flags[np.diff(owners, append=-1) != 0] |= LAST
    columns = {
        "instrument": messages.codes[owners],
        "side": sides,
        "price": prices,
        "size": sizes,
        "flags": flags,
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


def _reject_levels(messages: BookMessages, owners: Array, parsed: Parsed) -> None:
    """Reject the messages that own a bad level; ``owners`` has an entry for each."""
    for owner, count in zip(*(column.tolist() for column in np.unique(owners, return_counts=True)), strict=True):
        detail = f"{count} of {messages.levels.counts[owner]} levels"
        parsed.rejects.append(Reject(int(messages.frames[owner]), "bad_level", detail))
