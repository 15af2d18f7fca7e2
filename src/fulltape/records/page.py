"""Pages: what a venue's history gave, on its way through the pipeline like anything that was received live."""

from __future__ import annotations

from dataclasses import dataclass

from fulltape.records.batch import Batch


@dataclass(frozen=True, slots=True, eq=False)
class Page:
    """All trades, or all bars of ``interval_s``, that a venue has of one instrument with start <= time < end (ns).

    Of a polled venue it is the coin at the one moment between the two of which there is history.
    There may be others beside these. ``interval_s`` is 0 for trades. ``edge`` is the bound, ``start`` or ``end``, at
    which another page will join: stale candles whose windows lie across it wait for that page. None for the last one.
    """

    instrument: int
    batch: Batch
    interval_s: int
    start: int
    end: int
    ingest_time: int
    edge: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Unfillable:
    """What is missing of an instrument's trades in [start, end) (ns) cannot be had from the venue's history."""

    instrument: int
    start: int
    end: int
    ingest_time: int
    reason: str
