"""Coverage: the ledger of who listened when, and what is missing."""

from __future__ import annotations

import msgspec

from fulltape.records.batch import Schema
from fulltape.records.columns import InstrumentId, TimeNs
from fulltape.records.enums import CoverageState


class Coverage(msgspec.Struct, frozen=True):
    """One stretch of time of one instrument and channel. ``end`` is null while it goes on.

    A GAP overlays the stretch it lies in and counts the ``missing`` trades with their first and last id.
    """

    instrument: InstrumentId
    channel: str
    start: TimeNs
    end: TimeNs | None
    state: CoverageState
    evidence: str
    missing: int
    first_missing: str
    last_missing: str


COVERAGE = Schema.of(
    Coverage, "coverage", key=("instrument", "channel", "start", "first_missing"), time="start", latest=True
)
