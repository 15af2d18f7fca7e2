"""Coverage: the ledger that says, for every instrument and channel, when it was listened to and what is missing.

A stretch is COMPLETE while the subscription stands and DOWN while it does not. A hole in the trade ids lies over it
as a GAP row until it is filled (REFILLED). A DOWN stretch after which the ids went on without a jump missed nothing:
it is rewritten to COMPLETE, with the ids as evidence. NOT_FOLLOWED is nobody's failure: the instrument was not wanted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from fulltape.operators.base import Step
from fulltape.records import COVERAGE, Batch, CoverageState
from fulltape.records.columns import NULL_INT
from fulltape.records.events import Hole, NotFollowed, Refilled, Subscribed, Unbroken
from fulltape.records.frames import EventKind, SessionEvent
from fulltape.records.page import Unfillable

TRADES_CHANNEL = "trades"
_KEPT = 64


class _Stretch(msgspec.Struct):
    """The newest stretch of one instrument and channel; the one before it when that was DOWN and may be disproved.

    ``missed`` are the last DOWN stretches (start, end, evidence), which the venue's history may fill.
    """

    start: int
    state: CoverageState
    evidence: str
    connection: str
    down_start: int = NULL_INT
    down_evidence: str = ""
    proof: str = ""
    missed: list[tuple[int, int, str]] = []


class _Row(msgspec.Struct):
    instrument: int
    channel: str
    start: int
    end: int
    state: CoverageState
    evidence: str
    missing: int = 0
    first_missing: str = ""
    last_missing: str = ""


class Ledger:
    """Turns connection events and holes into coverage rows."""

    name = "coverage"

    def __init__(self) -> None:
        self._open: dict[int, dict[str, _Stretch]] = {}
        self._changed: set[int] = set()
        self._rows: list[_Row] = []

    def apply(self, step: Step) -> list[Batch]:
        """Take the step's events in order; return the ledger rows they began, ended or changed."""
        for event in step.events:
            match event:
                case Subscribed():
                    self._subscribed(event)
                case SessionEvent(kind=EventKind.DISCONNECTED | EventKind.ENDED):
                    self._lost(event.connection.name, event.ingest_time, event.detail)
                case Hole():
                    self._hole(event)
                case Unbroken():
                    self._unbroken(event)
                case Refilled():
                    self._refilled(event)
                case Unfillable():
                    self._unfillable(event)
                case NotFollowed():
                    self._not_followed(event)
        rows, self._rows = self._rows, []
        return [_batch(rows)] if rows else []

    def snapshot(self) -> dict[int, bytes]:
        """Return the stretches of each instrument that changed since the last call."""
        changed, self._changed = self._changed, set()
        return {code: msgspec.msgpack.encode(self._open[code]) for code in changed}

    def restore(self, states: Mapping[int, bytes]) -> None:
        """Take up where those states ended."""
        for code, data in states.items():
            self._open[code] = msgspec.msgpack.decode(data, type=dict[str, _Stretch])

    def forget(self, instruments: Iterable[int]) -> None:
        """Drop the stretches of instruments."""
        for code in instruments:
            self._open.pop(code, None)
            self._changed.discard(code)

    def interrupted(self, time: int, evidence: str) -> None:
        """End every stretch that goes on at ``time``: fulltape itself was not there. The next step tells the rows."""
        connections = {s.connection for channels in self._open.values() for s in channels.values()}
        for connection in sorted(connections):
            self._lost(connection, time, evidence)

    def _subscribed(self, event: Subscribed) -> None:
        for channel, codes in event.channels.items():
            for code in sorted(codes):
                old = self._open.setdefault(code, {}).get(channel)
                if old is not None and old.state is CoverageState.COMPLETE:
                    continue
                new = _Stretch(event.ingest_time, CoverageState.COMPLETE, event.evidence, event.connection)
                if old is not None and old.proof:
                    self._disprove(code, channel, old, event.ingest_time)
                elif old is not None:
                    self._tell(code, channel, old, event.ingest_time)
                    if old.state is CoverageState.DOWN:
                        new.down_start, new.down_evidence = old.start, old.evidence
                        old.missed = [*old.missed[1 - _KEPT :], (old.start, event.ingest_time, old.evidence)]
                self._begin(code, channel, new)

    def _lost(self, connection: str, time: int, detail: str) -> None:
        for code in sorted(self._open):
            for channel, old in self._open[code].items():
                if old.connection == connection and old.state is CoverageState.COMPLETE:
                    self._tell(code, channel, old, time)
                    self._begin(code, channel, _Stretch(time, CoverageState.DOWN, detail, connection))

    def _not_followed(self, event: NotFollowed) -> None:
        for code in sorted(event.instruments & self._open.keys()):
            for channel, old in self._open[code].items():
                if old.state is not CoverageState.NOT_FOLLOWED:
                    self._tell(code, channel, old, event.ingest_time)
                    new = _Stretch(event.ingest_time, CoverageState.NOT_FOLLOWED, "not followed", "")
                    self._begin(code, channel, new)

    def _unbroken(self, event: Unbroken) -> None:
        """Rewrite the DOWN stretch: the ids prove that nothing was missed in it.

        The proving trade may arrive before or after the subscription is confirmed.
        """
        stretch = self._open.get(event.instrument, {}).get(TRADES_CHANNEL)
        if stretch is None:
            return
        proof = f"nothing missed: trade {event.next_id} follows {event.last_id}"
        if event.next_id == event.last_id:
            proof = f"nothing missed: trade {event.last_id} was still the last"
        self._changed.add(event.instrument)
        if stretch.state is CoverageState.DOWN:
            stretch.proof = proof
        elif stretch.down_start != NULL_INT:
            down = _Stretch(stretch.down_start, CoverageState.DOWN, stretch.down_evidence, "", proof=proof)
            self._disprove(event.instrument, TRADES_CHANNEL, down, stretch.start)
            stretch.missed = [missed for missed in stretch.missed if missed[0] != down.start]
            stretch.down_start = NULL_INT

    def _disprove(self, code: int, channel: str, down: _Stretch, end: int) -> None:
        evidence = f"{down.evidence}; {down.proof}"
        self._tell(code, channel, _Stretch(down.start, CoverageState.COMPLETE, evidence, down.connection), end)

    def _hole(self, event: Hole) -> None:
        total = event.last_id - event.first_id + 1
        ids = f"trade ids {event.first_id} to {event.last_id}"
        if event.missing:
            state, evidence = CoverageState.GAP, f"{ids}: {event.missing} of {total} did not come"
            if event.reason:
                evidence += f"; not refilled: {event.reason}"
        else:
            state, evidence = CoverageState.REFILLED, f"{ids}: all {total} came late"
        ends = (str(event.first_id), str(event.last_id))
        row = _Row(event.instrument, TRADES_CHANNEL, event.start, event.end, state, evidence, event.missing, *ends)
        self._rows.append(row)

    def _refilled(self, event: Refilled) -> None:
        """Rewrite the DOWN stretches that the venue's history has filled."""
        for missed in self._take_missed(event.instrument, event.start, event.end):
            self._retell(event.instrument, missed, CoverageState.REFILLED, "refilled from the venue's history")

    def _unfillable(self, event: Unfillable) -> None:
        for missed in self._take_missed(event.instrument, event.start, event.end):
            self._retell(event.instrument, missed, CoverageState.DOWN, f"not refilled: {event.reason}")

    def _take_missed(self, code: int, start: int, end: int) -> list[tuple[int, int, str]]:
        """Return the DOWN stretches of the trades that lie in [start, end), and remember them no more."""
        stretch = self._open.get(code, {}).get(TRADES_CHANNEL)
        found = [missed for missed in stretch.missed if start <= missed[0] and missed[1] <= end] if stretch else []
        if stretch is not None and found:
            stretch.missed = [missed for missed in stretch.missed if missed not in found]
            self._changed.add(code)
        return found

    def _retell(self, code: int, missed: tuple[int, int, str], state: CoverageState, evidence: str) -> None:
        start, end, words = missed
        self._tell(code, TRADES_CHANNEL, _Stretch(start, state, f"{words}; {evidence}", ""), end)

    def _begin(self, code: int, channel: str, stretch: _Stretch) -> None:
        old = self._open[code].get(channel)
        stretch.missed = old.missed if old else []
        self._open[code][channel] = stretch
        self._tell(code, channel, stretch, NULL_INT)

    def _tell(self, code: int, channel: str, stretch: _Stretch, end: int) -> None:
        self._rows.append(_Row(code, channel, stretch.start, end, stretch.state, stretch.evidence))
        self._changed.add(code)


def _batch(rows: list[_Row]) -> Batch:
    columns = {c.name: [getattr(row, c.name) for row in rows] for c in COVERAGE.columns}
    return COVERAGE.from_columns(columns)
