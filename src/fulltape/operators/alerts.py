"""Alerts: named rules over the figures of `fulltape.operators.figures`, one row when one is raised, one when cleared.

A rule says of which figure, by how much, for how long, of which instruments. What is decided by rows is decided at
their moment; what is decided by time alone (a rule that has held for long enough, a figure of which nothing is heard)
at the end of that time, once the clock is so far past it that every row from before it is here. So the order and the
split of steps change nothing.

Rows that are no news (`fulltape.operators.readings`) raise nothing and clear nothing; those that would have raised
something are counted. Rows in which a figure is not known say nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Final, NamedTuple

import msgspec
import numpy as np

from fulltape.clock import SECOND_NS
from fulltape.operators.base import Step
from fulltape.operators.figures import FIGURES, Figure, words
from fulltape.operators.readings import Known, Readings, Sources
from fulltape.operators.watch import Change, Heard, Patience, Watch
from fulltape.records import ALERTS, DEPTHS, WINDOWS, AlertKind, Array, Batch, Origin

FADE_S: Final = 300
"""How long nothing may be heard of a figure before its alert ends."""
_SETTLED_S: Final = 2
"""How long after a moment, by the ingest clock, the rows of that moment are here at the latest."""
_WINDOWS_SETTLED_S: Final = 60
_NEVER: Final = 1 << 62


def covers(patterns: Iterable[str], instrument: str) -> bool:
    """Return whether an instrument's id or product is one of these or like one of them; true if there are none."""
    names = (instrument, instrument.rpartition(".")[0])
    patterns = tuple(patterns)
    return not patterns or any(fnmatchcase(name, pattern) for pattern in patterns for name in names)


class AlertRule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule: raised beyond the threshold, cleared at ``clear``, which is the threshold if None.

    Exactly one of ``above``, ``below`` and ``beyond`` (of the absolute value) is set. ``instruments`` are ids
    (``BTC-USD.COINBASE``), products (``BTC-USD``) or patterns of either; empty means all.
    """

    name: str
    figure: str
    kind: AlertKind = AlertKind.OTHER
    above: float | None = None
    below: float | None = None
    beyond: float | None = None
    clear: float | None = None
    instruments: tuple[str, ...] = ()
    for_s: float = 0.0
    cooldown_s: float = 0.0

    def covers(self, instrument: str) -> bool:
        """Return whether the rule is about an instrument."""
        return covers(self.instruments, instrument)

    @property
    def threshold(self) -> float:
        """Beyond what the figure must be."""
        return next(limit for limit in (self.above, self.below, self.beyond) if limit is not None)

    def is_past(self, values: Array, limit: float) -> Array:
        """Return which values are past a limit, in the direction of the rule; NaN is not."""
        if self.below is not None:
            return values < limit
        return (np.abs(values) if self.beyond is not None else values) > limit


class AlertConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The rules, how old (s) a record may be to be news, how often depth is told, and what alerts are made from."""

    rules: tuple[AlertRule, ...] = ()
    news_s: float = 60.0
    depth_every_s: int = 1
    origin: Origin = Origin.LIVE


class _SavedWatch(msgspec.Struct, array_like=True):
    """A watch, and what its rule was: it may be gone by the next start."""

    watch: Watch
    kind: AlertKind
    figure: str
    threshold: float


class _Saved(msgspec.Struct, array_like=True):
    watches: dict[str, _SavedWatch]
    known: Known | None


class _Row(NamedTuple):
    moment: int
    code: int
    place: int
    change: Change


class _Ruled:
    """One rule with its watches, by instrument."""

    def __init__(self, place: int, rule: AlertRule, config: AlertConfig, id_of: Callable[[int], str]) -> None:
        self.place = place
        self.rule = rule
        self.figure: Figure = FIGURES[rule.figure]
        fade_s = FADE_S if self.figure.fades else 0
        self._patience = Patience(round(rule.for_s * SECOND_NS), round(rule.cooldown_s * SECOND_NS), fade_s * SECOND_NS)
        settled = {WINDOWS.name: _WINDOWS_SETTLED_S, DEPTHS.name: max(_SETTLED_S, config.depth_every_s + 1)}
        self._settled_ns = settled.get(self.figure.source, _SETTLED_S) * SECOND_NS
        self._id_of = id_of
        self._covers = np.zeros(0, np.bool_)
        self._due = _NEVER
        self.watches: dict[int, Watch] = {}
        self.awake: set[int] = set()

    def take(self, readings: Readings, touched: set[int]) -> Iterator[_Row]:
        """Take rows of the figure's source; instruments whose state may have changed go to ``touched``."""
        values = self.figure.of(readings.columns)
        heard = readings.is_news & ~np.isnan(values)
        codes = readings.columns["instrument"]
        holds = self._covering(codes) & self.rule.is_past(values, self.rule.threshold)
        if self.figure.is_event:
            heard &= holds
        wake = self.awake.union(codes[holds & heard].tolist())
        if not wake:
            return
        rows = np.flatnonzero(heard & np.isin(codes, list(wake)))
        clear = self.rule.threshold if self.rule.clear is None else self.rule.clear
        stays = self.rule.is_past(values, clear)
        for row in rows[np.argsort(readings.moment[rows], kind="stable")].tolist():
            code = int(codes[row])
            told = Heard(
                moment=int(readings.moment[row]),
                event_time=int(readings.event_time[row]),
                value=float(values[row]),
                detail=words(self.figure, readings.columns, row),
                holds=bool(holds[row]),
                stays=bool(stays[row]),
            )
            watch = self.watches.setdefault(code, Watch())
            yield from self._rows(code, watch.hear(told, self._patience))
            self._settle(code, watch)
            touched.add(code)

    def pass_time(self, clock: int, touched: set[int]) -> Iterator[_Row]:
        """Let the clock go on to ``clock``."""
        until = clock - self._settled_ns
        if until < self._due:
            return
        for code in sorted(self.awake):
            watch = self.watches[code]
            if watch.due(self._patience) <= until:
                yield from self._rows(code, watch.until(until, self._patience))
                self._settle(code, watch)
                touched.add(code)
        self._due = min((self.watches[code].due(self._patience) for code in self.awake), default=_NEVER)

    def not_news(self, readings: Readings) -> int:
        """Return how many rows would hold, were they news."""
        if readings.is_news.all():
            return 0
        past = self.rule.is_past(self.figure.of(readings.columns), self.rule.threshold)
        return int((past & ~readings.is_news & self._covering(readings.columns["instrument"])).sum())

    def restore(self, code: int, watch: Watch) -> None:
        """Take up a watch."""
        self.watches[code] = watch
        self._settle(code, watch)

    def forget(self, code: int) -> None:
        """Drop a watch."""
        self.watches.pop(code, None)
        self.awake.discard(code)

    def _settle(self, code: int, watch: Watch) -> None:
        if watch.is_idle:
            self.awake.discard(code)
        else:
            self.awake.add(code)
            self._due = min(self._due, watch.due(self._patience))

    def _rows(self, code: int, changes: Iterable[Change]) -> Iterator[_Row]:
        for change in changes:
            yield _Row(change.moment, code, self.place, change)

    def _covering(self, codes: Array) -> Array:
        """Return which of the instruments the rule is about."""
        if not self.rule.instruments:
            return np.ones(len(codes), np.bool_)
        for code in range(len(self._covers), int(codes.max()) + 1):
            self._covers = np.append(self._covers, self.rule.covers(self._id_of(code)))
        covering: Array = self._covers[codes]
        return covering


class Alerts:
    """Makes `ALERTS` of what the operators before it made in the step. ``id_of`` returns an instrument's id."""

    name = "alerts"

    def __init__(self, config: AlertConfig, id_of: Callable[[int], str]) -> None:
        self.config = config
        self._ruled = tuple(_Ruled(i, rule, config, id_of) for i, rule in enumerate(config.rules))
        self._sources = Sources({one.figure.source for one in self._ruled}, round(config.news_s * SECOND_NS))
        self._touched: set[int] = set()
        self._orphans: list[tuple[int, str, _SavedWatch]] = []
        self.not_news = 0
        """How many rows were past a threshold, but too old to be news."""

    def apply(self, step: Step) -> list[Batch]:
        """Take a step's rows and events; return the alerts that began and ended, by their moment."""
        rows: list[_Row] = []
        read = self._sources.read(step)
        for one in self._ruled:
            if (readings := read.get(one.figure.source)) is not None:
                rows += one.take(readings, self._touched)
                self.not_news += one.not_news(readings)
            rows += one.pass_time(step.clock, self._touched)
        made = [self._alerts(sorted(rows, key=_order))] if rows else []
        if self._orphans:
            made = [Batch.concat([self._abandoned(step.clock), *made])]
        return made

    def snapshot(self) -> dict[int, bytes]:
        """Return the state of each instrument that changed since the last call."""
        codes = self._touched | self._sources.changed
        self._touched, self._sources.changed = set(), set()
        return {code: msgspec.msgpack.encode(self._saved(code)) for code in sorted(codes)}

    def restore(self, states: Mapping[int, bytes]) -> None:
        """Take up where those states ended. Alerts of rules that are gone are cleared with the next step."""
        rules = {one.rule.name: one for one in self._ruled}
        for code, data in states.items():
            saved = msgspec.msgpack.decode(data, type=_Saved)
            for name, kept in saved.watches.items():
                if name in rules:
                    rules[name].restore(code, kept.watch)
                elif kept.watch.is_raised:
                    self._orphans.append((code, name, kept))
            if saved.known is not None:
                self._sources.restore({code: saved.known})

    def forget(self, instruments: Iterable[int]) -> None:
        """Drop the state of instruments."""
        codes = list(instruments)
        self._sources.forget(codes)
        self._touched.difference_update(codes)
        for code in codes:
            for one in self._ruled:
                one.forget(code)

    def _saved(self, code: int) -> _Saved:
        watches = {
            one.rule.name: _SavedWatch(one.watches[code], one.rule.kind, one.rule.figure, one.rule.threshold)
            for one in self._ruled
            if code in one.watches
        }
        return _Saved(watches, self._sources.state(code))

    def _alerts(self, rows: list[_Row]) -> Batch:
        rules = [self._ruled[row.place].rule for row in rows]
        return _batch(
            [row.code for row in rows],
            [(rule.name, rule.kind, rule.figure, rule.threshold) for rule in rules],
            [row.change for row in rows],
            self.config.origin,
        )

    def _abandoned(self, clock: int) -> Batch:
        """Return the ends of alerts whose rule is no longer configured; nothing tells their figure any more."""
        orphans, self._orphans = self._orphans, []
        self._touched.update(code for code, _, _ in orphans)
        changes = [kept.watch.end(clock, "the rule is no longer there") for _, _, kept in orphans]
        rules = [(name, kept.kind, kept.figure, kept.threshold) for _, name, kept in orphans]
        return _batch([code for code, _, _ in orphans], rules, changes, self.config.origin)


def _order(row: _Row) -> tuple[int, int, int]:
    return row.moment, row.code, row.place


def _batch(
    codes: list[int], rules: list[tuple[str, AlertKind, str, float]], changes: list[Change], origin: Origin
) -> Batch:
    names, kinds, figures, thresholds = zip(*rules, strict=True)
    return ALERTS.from_columns(
        {
            "instrument": codes,
            "rule": names,
            "number": [change.number for change in changes],
            "kind": kinds,
            "state": [change.state for change in changes],
            "figure": figures,
            "value": [math.nan if change.value is None else change.value for change in changes],
            "threshold": thresholds,
            "detail": [change.detail for change in changes],
            "origin": [origin] * len(changes),
            "event_time": [change.event_time for change in changes],
            "ingest_time": [change.moment for change in changes],
        }
    )
