"""Alerts: a named rule begins to hold of an instrument, or ceases to."""

from __future__ import annotations

import msgspec

from fulltape.records.batch import Schema
from fulltape.records.columns import InstrumentId, TimeNs
from fulltape.records.enums import AlertKind, AlertState, Origin


class Alert(msgspec.Struct, frozen=True):
    """One change of one rule and instrument: RAISED and CLEARED alternate, and a pair shares its ``number``.

    ``value`` is the figure's newest, null when an alert ends because nothing more is heard of it. ``event_time`` is
    that of the figure, ``ingest_time`` when the rule was decided. ``origin`` is LIVE unless a recording was replayed.
    """

    instrument: InstrumentId
    rule: str
    number: int
    kind: AlertKind
    state: AlertState
    figure: str
    value: float | None
    threshold: float
    detail: str
    origin: Origin
    event_time: TimeNs
    ingest_time: TimeNs


ALERTS = Schema.of(Alert, "alerts", key=("instrument", "rule", "number", "state"), time="ingest_time")
