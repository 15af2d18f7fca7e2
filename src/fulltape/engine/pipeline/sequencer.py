"""The sequencer: every trade once, and every hole in the ids noticed.

For venues whose trade ids are contiguous per instrument. A kernel passes trades whose id follows the last one; only
what does not follow (a jump, an old id, an instrument's first trade) is looked at one by one.

* An id at or below the last one is a duplicate unless it lies in a known hole, which it then helps to fill.
* A jump opens a hole at once and reports it when it is still open after a grace of ingest time: trades that merely
  overtook each other are no hole.
* A heartbeat that names a newer trade than the last one opens a hole at the end, under the same grace.
* Ids that start again below while times go on by more than a minute are a venue's reset, not duplicates.
* What comes again has the time that it had. So an old id with a time more than a second after the newest one is no
  duplicate: it is taken, and when the id after it comes so too, that is a reset as well.

When something is judged depends on ingest times in the data, never on how the data was cut into calls.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import msgspec
import numpy as np

from fulltape.clock import SECOND_NS
from fulltape.kernel import kernel
from fulltape.records import Array, Batch
from fulltape.records.columns import NULL_INT
from fulltape.records.events import Event, Hole, Unbroken

GRACE_NS: Final = 2 * SECOND_NS
"""How long a hole may be open, by ingest time, before it is reported."""
RESET_NS: Final = 60 * SECOND_NS
"""An old id whose time is later than the newest by more than this is a reset by itself."""
ANEW_NS: Final = SECOND_NS
"""A trade told once more may have its time in whole seconds: what is later by more than this is another trade."""
_KEPT_HOLES: Final = 256
_KEPT_ANEW: Final = 64
_NEVER: Final = np.iinfo(np.int64).max


LAST_ID: Final = 0
LAST_TIME: Final = 1
RESUMING: Final = 2  # LOST after a disconnection, LEFT while nobody follows: until the next trade

LOST: Final = 1  # a trade tells whether any was missed
LEFT: Final = 2  # whatever lies before the next trade was not wanted


@kernel
def scan(  # noqa: PLR0913, PLR0917 - kernels take arrays one by one
    instrument: Array, ids: Array, time: Array, marks: Array, odd: Array, first: int, stop: int, may_reset: bool
) -> tuple[int, int]:
    """Advance the marks over trades whose id follows; the others are odd.

    ``odd`` rows are (position, last id, its time, resuming). A jump forward moves the mark too, and so does a reset:
    its row is odd, the rows after it are not. ``may_reset``: older ids may be a reset. Returns how many are odd and
    where to go on: behind an old id with a new time, for what is said of it may move the mark.
    """
    count = 0
    for i in range(first, stop):
        y = instrument[i]
        last = marks[y, LAST_ID]
        if ids[i] != last + 1 or marks[y, RESUMING]:
            odd[count, 0] = i
            odd[count, 1] = last
            odd[count, 2] = marks[y, LAST_TIME]
            odd[count, 3] = marks[y, RESUMING]
            count += 1
        is_later = may_reset and time[i] > marks[y, LAST_TIME] + ANEW_NS
        if ids[i] >= last or (may_reset and time[i] > marks[y, LAST_TIME] + RESET_NS):
            marks[y, LAST_ID] = ids[i]
            marks[y, LAST_TIME] = max(marks[y, LAST_TIME], time[i])
            marks[y, RESUMING] = 0
        elif is_later:
            return count, i + 1
    return count, stop


class _Hole(msgspec.Struct):
    """A run of ids that did not come: [first, last], seen to be missing at ``noticed``."""

    first: int
    last: int
    start: int
    end: int
    noticed: int
    reported: bool
    absent: list[tuple[int, int]]

    @property
    def missing(self) -> int:
        """How many ids have still not come."""
        return sum(last - first + 1 for first, last in self.absent)

    def fill(self, trade_id: int) -> bool:
        """Take an id out; return whether it was missing."""
        for i, (first, last) in enumerate(self.absent):
            if first <= trade_id <= last:
                parts = [(first, trade_id - 1), (trade_id + 1, last)]
                self.absent[i : i + 1] = [part for part in parts if part[0] <= part[1]]
                return True
        return False


class _Instrument(msgspec.Struct):
    """What is remembered of one instrument besides its marks."""

    holes: list[_Hole] = []
    tail: int = NULL_INT  # the newest id a heartbeat named that has not come
    tail_noticed: int = 0
    tail_end: int = 0
    anew: list[int] = []  # old ids that came with a new time: ids may have started again


class _Saved(msgspec.Struct, array_like=True):
    marks: list[int]
    state: _Instrument


@dataclass(slots=True)
class Sequenced:
    """The trades that are new, in order of arrival, where those were that are not, and what was noticed on the way."""

    trades: Batch
    events: list[Event] = field(default_factory=list)
    dropped: Array = field(default_factory=lambda: np.empty(0, np.int64))
    resets: int = 0

    @property
    def duplicates(self) -> int:
        """How many are not new."""
        return len(self.dropped)


class Sequencer:
    """Removes duplicates and finds holes, per instrument, by contiguous trade ids."""

    name = "sequencer"

    def __init__(self) -> None:
        self._marks = _new_marks(0)
        self._states: dict[int, _Instrument] = {}
        self._changed: set[int] = set()
        self._pending: set[int] = set()

    def refill(self, trades: Batch, clock: int) -> Sequenced:
        """Take trades of the venue's history that are not stored yet: old ids are then no duplicates, and fill holes.

        Newer ids than the last one count as received: a jump up to them is a hole. What nobody follows, or has never
        followed, is so still: whatever lies between this history and its next trade is not missed.
        """
        self._reserve(trades)
        codes = np.unique(trades["instrument"])
        is_unheard = (self._marks[codes, LAST_ID] == NULL_INT) | (self._marks[codes, RESUMING] == LEFT)
        run = _Run(trades, is_history=True)
        self._trades(run, 0, len(trades))
        self._expire(run, clock)
        self._marks[codes[is_unheard], RESUMING] = LEFT
        self._changed.update(codes.tolist())
        return run.result

    def has_passed(self, trades: Batch) -> Array:
        """Return which trades have an id at or below the last one of their instrument."""
        self._reserve(trades)
        last = self._marks[trades["instrument"], LAST_ID]
        passed: Array = (last != NULL_INT) & (trades["trade_id"] <= last)
        return passed

    def cannot_fill(self, code: int, start: int, end: int, ingest: int, reason: str) -> list[Event]:
        """Tell the open holes of an instrument between two times (ns) again, with why they stay open."""
        holes = [hole for hole in self._state(code).holes if hole.reported and start <= hole.start and hole.end < end]
        return [replace(_told(code, hole, ingest), reason=reason) for hole in holes]

    def apply(self, trades: Batch, frames: Array, heartbeats: Batch, beat_frames: Array, clock: int) -> Sequenced:
        """Sequence a step.

        ``frames`` and ``beat_frames`` are the rows' places in the step: a heartbeat is judged against the trades before
        it. ``clock`` is the ingest time reached at the step's end.
        """
        self._reserve(trades, heartbeats)
        run = _Run(trades)
        position = 0
        names = ("instrument", "last_trade_id", "event_time", "ingest_time")
        beats = zip(beat_frames.tolist(), *(heartbeats[name].tolist() for name in names), strict=True)
        for place, code, last_id, event_time, ingest_time in beats:
            stop = int(np.searchsorted(frames, place))
            self._trades(run, position, stop)
            position = stop
            self._expire(run, ingest_time)
            self._beat(code, last_id, event_time, ingest_time)
        self._trades(run, position, len(trades))
        self._expire(run, clock)
        if run.dropped:
            keep = np.ones(len(trades), np.bool_)
            keep[run.dropped] = False
            run.result.trades = trades.take(keep)
            run.result.dropped = np.array(run.dropped, np.int64)
        self._changed.update(np.unique(trades["instrument"]).tolist())
        return run.result

    def resume(self, instruments: Iterable[int]) -> None:
        """Expect the next trade of these instruments to tell whether anything was missed while disconnected."""
        for code in instruments:
            if code < len(self._marks) and self._marks[code, LAST_ID] != NULL_INT:
                self._marks[code, RESUMING] = max(LOST, self._marks[code, RESUMING])
                self._changed.add(code)

    def leave(self, instruments: Iterable[int]) -> None:
        """Nobody follows these instruments any more: a jump up to their next trade is no hole."""
        for code in instruments:
            if code < len(self._marks) and self._marks[code, LAST_ID] != NULL_INT:
                self._marks[code, RESUMING] = LEFT
                self._state(code).tail = NULL_INT
                self._changed.add(code)

    def open_holes(self) -> tuple[int, int]:
        """Return how many reported holes are open, and how many trades they miss."""
        holes = [hole for state in self._states.values() for hole in state.holes if hole.reported and hole.absent]
        return len(holes), sum(hole.missing for hole in holes)

    def snapshot(self) -> dict[int, bytes]:
        """Return the state of each instrument that changed since the last call."""
        changed, self._changed = self._changed, set()
        return {code: msgspec.msgpack.encode(_Saved(self._marks[code].tolist(), self._state(code))) for code in changed}

    def restore(self, states: Mapping[int, bytes]) -> None:
        """Take up where those states ended."""
        for code, data in states.items():
            saved = msgspec.msgpack.decode(data, type=_Saved)
            self._grow(code + 1)
            self._marks[code] = saved.marks
            self._states[code] = saved.state
            if saved.state.tail != NULL_INT or any(not hole.reported for hole in saved.state.holes):
                self._pending.add(code)

    def _trades(self, run: _Run, first: int, stop: int) -> None:
        """Scan trades, cutting where the grace of a tail ends: from then on its trades come late."""
        ingest = run.trades["ingest_time"]
        while first < stop:
            deadline = self._tail_deadline()
            cut = stop if deadline == _NEVER else first + int(np.searchsorted(ingest[first:stop], deadline))
            self._scan(run, first, cut)
            if cut < stop:
                self._expire(run, int(ingest[cut]))
            first = cut

    def _scan(self, run: _Run, first: int, stop: int) -> None:
        c = run.trades.columns
        columns = (c["instrument"], c["trade_id"], c["event_time"])
        while first < stop:
            count, first = scan(*columns, self._marks, run.odd, first, stop, not run.is_history)
            for position, last_id, last_time, resuming in run.odd[:count].tolist():
                self._odd(run, position, (last_id, last_time), resuming)

    def _odd(self, run: _Run, position: int, last: tuple[int, int], resuming: int) -> None:
        """Judge one trade whose id does not follow the last one, or which is the first after a pause."""
        last_id, last_time = last
        row = {
            name: int(run.trades[name][position]) for name in ("instrument", "trade_id", "event_time", "ingest_time")
        }
        code, trade_id, time, ingest = row.values()
        self._expire(run, ingest)
        state = self._state(code)
        if last_id == NULL_INT:
            return
        if resuming == LOST and last_id <= trade_id <= last_id + 1 and not run.is_history:
            run.result.events.append(Unbroken(code, ingest, last_id, trade_id))
        if trade_id == last_id + 1 or (resuming == LEFT and trade_id > last_id):
            return
        if trade_id > last_id:
            self._jump(run, code, (last_id + 1, trade_id - 1), (last_time, time, ingest))
        elif trade_id < last_id and time > last_time + RESET_NS and not run.is_history:
            self._reset(run, code, state, ingest)
        else:
            self._old(run, position, code, is_later=trade_id < last_id and time > last_time + ANEW_NS)

    def _jump(self, run: _Run, code: int, ids: tuple[int, int], times: tuple[int, int, int]) -> None:
        """Open a hole; there is a bound to how many are kept."""
        holes = self._state(code).holes
        holes.append(_Hole(*ids, *times, False, [ids]))
        self._give_up(run, code, len(holes) - _KEPT_HOLES, holes[-1].noticed)
        self._pending.add(code)

    def _give_up(self, run: _Run, code: int, count: int, ingest: int) -> None:
        """Stop filling the oldest holes from the stream; the ledger keeps their rows."""
        holes = self._state(code).holes
        given_up = holes[: max(count, 0)]
        run.result.events += [_told(code, hole, ingest) for hole in given_up if not hole.reported]
        del holes[: len(given_up)]

    def _reset(self, run: _Run, code: int, state: _Instrument, ingest: int) -> None:
        """Count a reset: nothing that is missing will come under its id any more."""
        run.result.resets += 1
        state.anew.clear()
        self._give_up(run, code, len(state.holes), ingest)

    def _old(self, run: _Run, position: int, code: int, *, is_later: bool) -> None:
        """Judge a trade whose id is not above the last one: it fills a hole, is a duplicate, or begins a reset."""
        trade_id, ingest = (int(run.trades[name][position]) for name in ("trade_id", "ingest_time"))
        state = self._state(code)
        hole = next((hole for hole in state.holes if hole.fill(trade_id)), None)
        if hole is not None:
            self._filled(run, code, state, hole, ingest)
        elif run.is_history:
            return
        elif is_later and trade_id not in state.anew:
            self._begin_anew(run, position, code, state)
        else:
            run.dropped.append(position)

    def _begin_anew(self, run: _Run, position: int, code: int, state: _Instrument) -> None:
        """Take an old id with a new time; the second of two that follow each other is the new last one."""
        trade_id, time, ingest = (int(run.trades[n][position]) for n in ("trade_id", "event_time", "ingest_time"))
        if trade_id - 1 not in state.anew:
            state.anew = [*state.anew[1 - _KEPT_ANEW :], trade_id]
            return
        last_id, last_time, _ = self._marks[code].tolist()
        if state.tail > last_id:
            self._jump(run, code, (last_id + 1, state.tail), (last_time, state.tail_end, state.tail_noticed))
        state.tail = NULL_INT
        self._reset(run, code, state, ingest)
        self._marks[code] = (trade_id, time, 0)

    def _filled(self, run: _Run, code: int, state: _Instrument, hole: _Hole, ingest: int) -> None:
        if hole.reported:
            run.result.events.append(_told(code, hole, ingest))
        if not hole.absent:
            state.holes.remove(hole)

    def _beat(self, code: int, last_id: int, event_time: int, ingest_time: int) -> None:
        """Note that a heartbeat names a trade that has not come."""
        state = self._state(code)
        known, _, resuming = self._marks[code].tolist()
        if known != NULL_INT and resuming != LEFT and last_id > max(known, state.tail):
            if state.tail == NULL_INT:
                state.tail_noticed = ingest_time
            state.tail, state.tail_end = last_id, event_time
            self._pending.add(code)
            self._changed.add(code)

    def _tail_deadline(self) -> int:
        tails = (self._state(code) for code in self._pending)
        return min((s.tail_noticed + GRACE_NS for s in tails if s.tail != NULL_INT), default=_NEVER)

    def _expire(self, run: _Run, clock: int) -> None:
        """Report what is still missing when its grace is over."""
        for code in sorted(self._pending):
            state = self._state(code)
            self._expire_tail(run, code, state, clock)
            for hole in state.holes:
                if not hole.reported and clock >= hole.noticed + GRACE_NS:
                    hole.reported = True
                    run.result.events.append(_told(code, hole, hole.noticed + GRACE_NS))
                    self._changed.add(code)
            if state.tail == NULL_INT and all(hole.reported for hole in state.holes):
                self._pending.discard(code)

    def _expire_tail(self, run: _Run, code: int, state: _Instrument, clock: int) -> None:
        last_id, last_time, _ = self._marks[code].tolist()
        if state.tail == NULL_INT:
            return
        if state.tail <= last_id:
            state.tail = NULL_INT
        elif clock >= state.tail_noticed + GRACE_NS:
            self._jump(run, code, (last_id + 1, state.tail), (last_time, state.tail_end, state.tail_noticed))
            self._marks[code, LAST_ID] = state.tail
            self._marks[code, LAST_TIME] = max(last_time, state.tail_end)
            state.tail = NULL_INT
        else:
            return
        self._changed.add(code)

    def _state(self, code: int) -> _Instrument:
        state = self._states.get(code)
        if state is None:
            state = self._states[code] = _Instrument()
        return state

    def _reserve(self, *batches: Batch) -> None:
        self._grow(max(int(batch["instrument"].max()) + 1 if len(batch) else 0 for batch in batches))

    def _grow(self, instruments: int) -> None:
        have = len(self._marks)
        if instruments > have:
            self._marks = np.concatenate((self._marks, _new_marks(max(instruments, 2 * have) - have)))


class _Run:
    """One call's working set."""

    __slots__ = ("dropped", "is_history", "odd", "result", "trades")

    def __init__(self, trades: Batch, *, is_history: bool = False) -> None:
        self.trades = trades
        self.is_history = is_history
        self.odd = np.empty((len(trades), 4), np.int64)
        self.dropped: list[int] = []
        self.result = Sequenced(trades)


def _new_marks(instruments: int) -> Array:
    marks = np.full((instruments, 3), NULL_INT, np.int64)
    marks[:, RESUMING] = 0
    return marks


def _told(code: int, hole: _Hole, ingest: int) -> Hole:
    return Hole(code, ingest, hole.first, hole.last, hole.missing, hole.start, hole.end)
