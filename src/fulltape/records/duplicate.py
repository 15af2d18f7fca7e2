"""Duplicates: how many trades venues sent again. They are not stored, so they are counted."""

from __future__ import annotations

import msgspec

from fulltape.records.batch import Schema
from fulltape.records.columns import InstrumentId, TimeNs


class Duplicate(msgspec.Struct, frozen=True):
    """How many trades of an instrument connections brought on a UTC day, by our clock, that were there already."""

    instrument: InstrumentId
    day: TimeNs
    duplicates: int


DUPLICATES = Schema.of(Duplicate, "duplicates", key=("instrument", "day"), time="day", latest=True)
