"""Book levels as they arrive. Books live in memory; these rows are not stored, the raw capture is."""

from __future__ import annotations

from typing import Final

import msgspec

from fulltape.records.batch import Schema
from fulltape.records.columns import InstrumentId, Price, Size, TimeNs
from fulltape.records.enums import BookSide

SNAPSHOT: Final = 1
"""Flag of the first row of a snapshot: forget the book before applying it."""
LAST: Final = 2
"""Flag of the last row of a message: only after it is the book consistent."""
CLEAR: Final = 4
"""Flag of a row that carries no level, for a snapshot of an empty book: apply the other flags only."""


class BookDelta(msgspec.Struct, frozen=True):
    """The new total size at one price; size 0 removes the level. ``flags`` adds SNAPSHOT, LAST and CLEAR.

    What a venue gives to prove that its messages are whole is the same on every row of a message, null if it gives
    none: ``sequence`` is the book's number after the message, ``previous`` the number it must have reached before (a
    message applies when previous <= reached < sequence, is old when sequence <= reached, and else leaves a hole),
    ``checksum`` is the venue's over the book after the message.
    """

    instrument: InstrumentId
    side: BookSide
    price: Price
    size: Size
    flags: int
    sequence: int | None
    previous: int | None
    checksum: int | None
    event_time: TimeNs
    ingest_time: TimeNs


BOOK_DELTAS = Schema.of(
    BookDelta, "book_deltas", key=("instrument", "side", "price", "ingest_time"), time="ingest_time"
)
