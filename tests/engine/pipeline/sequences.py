"""Random sequences of trades and heartbeats, and a sequencer in the plainest Python there is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

from fulltape.engine.pipeline.sequencer import ANEW_NS, GRACE_NS, RESET_NS, Sequencer
from fulltape.records import HEARTBEATS, TRADES, Array, Batch
from fulltape.records.events import Event, Hole, Unbroken

SECOND = 10**9
START = 1_700_000_000 * SECOND


class Item(NamedTuple):
    """A trade, a heartbeat that names ``trade_id``, or (with id None) a disconnection."""

    ingest: int
    code: int
    trade_id: int | None
    time: int
    is_beat: bool = False


class Told(NamedTuple):
    """What a sequencer made of a sequence."""

    accepted: list[tuple[int, int, int]]
    holes: dict[tuple[int, int], Event]
    proofs: list[Event]
    resets: int


@st.composite
def sequences(draw: st.DrawFn) -> list[Item]:
    """Trades of two instruments that mostly follow: overtaking, lost for a while or for ever, doubled, reset."""
    now, next_id, items = START, [1_000, 5_000], []
    gaps = st.sampled_from([0, 0, SECOND // 2, SECOND, 3 * SECOND, 70 * SECOND])
    jumps = st.sampled_from([1, 1, 1, 1, 2, 4, 0, -1, -2, -3, -900])
    kinds = st.sampled_from(["trade"] * 6 + ["beat", "down"])
    for gap, code, jump, kind in draw(st.lists(st.tuples(gaps, st.integers(0, 1), jumps, kinds), max_size=40)):
        now += gap
        if kind == "down":
            items.append(Item(now, code, None, now))
        elif kind == "beat":
            items.append(Item(now, code, next_id[code] + jump, now, is_beat=True))
        else:
            trade_id = max(1, next_id[code] + jump)
            items.append(Item(now, code, trade_id, now))
            next_id[code] = trade_id if jump == -900 else max(next_id[code], trade_id)
    return items


def batches(items: Sequence[Item]) -> tuple[Batch, Array, Batch, Array]:
    """Return trades, their places, heartbeats, their places."""
    trades, beats = ([(i, x) for i, x in enumerate(items) if x.is_beat is is_beat] for is_beat in (False, True))
    ones = {name: [1] * len(trades) for name in ("price", "size", "aggressor_side")}
    zeros = {name: [0] * len(trades) for name in ("trade_id_high", "origin")}
    columns = {**_columns(trades, "trade_id"), **ones, **zeros}
    beat_columns = {**_columns(beats, "last_trade_id"), "sequence": [0] * len(beats)}
    places = [np.array([i for i, _ in part], np.int64) for part in (trades, beats)]
    return TRADES.from_columns(columns), places[0], HEARTBEATS.from_columns(beat_columns), places[1]


def _columns(part: Sequence[tuple[int, Item]], id_name: str) -> dict[str, list[Any]]:
    return {
        "instrument": [x.code for _, x in part],
        id_name: [x.trade_id for _, x in part],
        "event_time": [x.time for _, x in part],
        "ingest_time": [x.ingest for _, x in part],
    }


def run(items: Sequence[Item], cuts: Iterable[int], *, restart: bool = False) -> Told:
    """Run the real sequencer over ``items`` cut at ``cuts`` and at disconnections."""
    downs = [i for i, item in enumerate(items) if item.trade_id is None]
    bounds = sorted({0, len(items), *cuts, *downs, *(i + 1 for i in downs)})
    sequencer, told, saved = Sequencer(), Told([], {}, [], 0), {}
    for first, stop in zip(bounds, [*bounds[1:], None], strict=True):
        part = list(items[first:stop])
        if part and part[0].trade_id is None:
            sequencer.resume([part[0].code])
            part = []
        clock = items[stop - 1].ingest if stop else START + 10**6 * SECOND
        result = sequencer.apply(*batches(part), clock)
        names = ("instrument", "trade_id", "event_time")
        told.accepted.extend(zip(*(result.trades[name].tolist() for name in names), strict=True))
        told = _tell(told, result.events, result.resets)
        assert len(result.trades) + result.duplicates == sum(not x.is_beat for x in part)
        if restart:
            saved.update(sequencer.snapshot())
            sequencer = Sequencer()
            sequencer.restore(saved)
    return told


def _tell(told: Told, events: Iterable[Event], resets: int) -> Told:
    for event in events:
        if isinstance(event, Hole):
            told.holes[event.instrument, event.first_id] = event
        elif isinstance(event, Unbroken):
            told.proofs.append(event)
    return told._replace(resets=told.resets + resets)


@dataclass
class PlainHole:
    first: int
    last: int
    start: int
    end: int
    noticed: int
    missing: set[int]
    reported: bool = False


@dataclass
class Plain:
    """One instrument, one item at a time."""

    code: int
    last_id: int | None = None
    last_time: int = 0
    resuming: bool = False
    tail: tuple[int, int, int] | None = None
    holes: list[PlainHole] = field(default_factory=list)
    anew: list[int] = field(default_factory=list)
    told: Told = field(default_factory=lambda: Told([], {}, [], 0))

    def tell(self, hole: PlainHole, ingest: int) -> None:
        hole.reported = True
        event = Hole(self.code, ingest, hole.first, hole.last, len(hole.missing), hole.start, hole.end)
        self.told = _tell(self.told, [event], 0)

    def expire(self, clock: int) -> None:
        if self.tail is not None and self.last_id is not None:
            last, end, noticed = self.tail
            if last <= self.last_id:
                self.tail = None
            elif clock >= noticed + GRACE_NS:
                self.open(self.last_id + 1, last, end, noticed)
                self.last_id, self.last_time, self.tail = last, max(self.last_time, end), None
        for hole in self.holes:
            if not hole.reported and clock >= hole.noticed + GRACE_NS:
                self.tell(hole, hole.noticed + GRACE_NS)

    def open(self, first: int, last: int, end: int, noticed: int) -> None:
        self.holes.append(PlainHole(first, last, self.last_time, end, noticed, set(range(first, last + 1))))

    def beat(self, item: Item) -> None:
        assert item.trade_id is not None
        named = self.tail[0] if self.tail else 0
        if self.last_id is not None and item.trade_id > max(self.last_id, named):
            self.tail = (item.trade_id, item.time, self.tail[2] if self.tail else item.ingest)

    def trade(self, item: Item) -> None:
        number, last = item.trade_id, self.last_id
        assert number is not None
        row = (self.code, number, item.time)
        if last is not None and self.resuming and last <= number <= last + 1:
            self.told.proofs.append(Unbroken(self.code, item.ingest, last, number))
        if last is not None and number < last and item.time > self.last_time + RESET_NS:
            self.reset(item)
        elif last is not None and number <= last:
            self.resuming = self.resuming and number < last
            found = next((h for h in self.holes if number in h.missing), None)
            if found is not None:
                self.fill(found, item)
                self.told.accepted.append(row)
            elif number < last and item.time > self.last_time + ANEW_NS and number not in self.anew:
                self.told.accepted.append(row)
                self.begin_anew(item)
            if number == last:
                self.last_time = max(self.last_time, item.time)
            return
        elif last is not None and number > last + 1:
            self.open(last + 1, number - 1, item.time, item.ingest)
        self.last_id, self.last_time, self.resuming = number, max(self.last_time, item.time), False
        self.told.accepted.append(row)

    def reset(self, item: Item) -> None:
        self.told = self.told._replace(resets=self.told.resets + 1)
        for hole in self.holes:
            if not hole.reported:
                self.tell(hole, item.ingest)
        self.holes.clear()
        self.anew.clear()

    def begin_anew(self, item: Item) -> None:
        assert item.trade_id is not None
        assert self.last_id is not None
        if item.trade_id - 1 not in self.anew:
            self.anew.append(item.trade_id)
            return
        if self.tail is not None and self.tail[0] > self.last_id:
            self.open(self.last_id + 1, *self.tail)
        self.tail = None
        self.reset(item)
        self.last_id, self.last_time, self.resuming = item.trade_id, item.time, False

    def fill(self, hole: PlainHole, item: Item) -> None:
        assert item.trade_id is not None
        hole.missing.discard(item.trade_id)
        if hole.reported:
            self.tell(hole, item.ingest)
        if not hole.missing:
            self.holes.remove(hole)


def plain(items: Sequence[Item]) -> dict[int, Told]:
    """Return what the plain sequencer tells of each instrument."""
    sequencers = {code: Plain(code) for code in (0, 1)}
    for item in items:
        one = sequencers[item.code]
        for each in sequencers.values():
            each.expire(item.ingest)
        if item.trade_id is None:
            one.resuming = one.last_id is not None
        elif item.is_beat:
            one.beat(item)
        else:
            one.trade(item)
    for each in sequencers.values():
        each.expire(START + 10**6 * SECOND)
    return {code: one.told for code, one in sequencers.items()}


def of_instrument(told: Told, code: int) -> Told:
    """Return one instrument's part, its resets left out: they are counted for all."""
    accepted = [row for row in told.accepted if row[0] == code]
    holes = {key: hole for key, hole in told.holes.items() if key[0] == code}
    proofs = [event for event in told.proofs if isinstance(event, Unbroken) and event.instrument == code]
    return Told(accepted, holes, list(proofs), 0)
