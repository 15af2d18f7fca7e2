"""Candles of every interval from trades: the operator around the cascade kernel.

Definitions: `fulltape.records.candle`. A window is final when the instrument's newest trade has passed its end plus
the lateness, or, in a quiet market, when the ingest clock (less the venue's clock offset) has. A trade later than
that makes its final windows *stale*: the engine reads their trades back and `derive` makes them again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

import msgspec
import numpy as np

from fulltape.clock import SECOND_NS
from fulltape.errors import ConfigError
from fulltape.operators import cascade, cells
from fulltape.operators.base import Step
from fulltape.operators.candle_plan import CandleConfig, kernel_columns, new_state, plan_of
from fulltape.operators.outages import Outages, Saved, Stretch, joined
from fulltape.records import CANDLES, COVERAGE, TRADES, Array, Batch, CandleSource, Origin
from fulltape.records.columns import NULL_INT
from fulltape.records.interval import format_interval, window_start

_ROOM = 4_096
_NO_TRADES = TRADES.empty()
_OTHER_CANDLES = (
    "this database was begun with other candles (intervals {}, or another lateness_s): put [candles] and "
    "engine.lateness_s back as they were, or begin a new database with --db"
)


@dataclass(frozen=True, slots=True)
class StaleWindow:
    """A final window that late trades fell into. ``late`` is how many; the revision grows by it."""

    instrument: int
    interval_s: int
    start: int
    late: int


class _Saved(msgspec.Struct, array_like=True):
    """One instrument's state on disk."""

    lengths_s: tuple[int, ...]
    cells: int
    floats: bytes
    ints: bytes
    marks: bytes
    outages: Saved = []
    mixed: dict[int, tuple[int, bool]] = {}


class Candles:
    """OHLCV over tumbling windows of every configured interval, from trades in order of arrival."""

    name = "candles"

    def __init__(self, config: CandleConfig | None = None) -> None:
        config = config or CandleConfig()
        self._plan, self._lengths_s = plan_of(config)
        self._state = new_state(self._plan, 0)
        self._scratch = new_state(self._plan, 1)
        room = max(_ROOM, cascade.preview_room(self._plan))
        self._out = cascade.Out(
            np.empty((room, cells.OUT_FLOATS), np.float64),
            np.empty((room, cells.OUT_INTS), np.int64),
            np.empty((0, 2), np.int64),
        )
        self._outages = Outages()
        self._stale: dict[tuple[int, int, int], int] = {}
        self._doubtful: list[Stretch] = []
        self._mixed: dict[int, dict[int, tuple[int, bool]]] = {}
        self._resting: dict[int, int] = {}

    @property
    def intervals_s(self) -> tuple[int, ...]:
        """The lengths (s) of the published intervals, finest first."""
        return self._lengths_where(cascade.PUBLISHED)

    @property
    def quiet_intervals_s(self) -> tuple[int, ...]:
        """The lengths (s) of the intervals whose empty windows are rows too, finest first."""
        return self._lengths_where(cascade.EMPTIES)

    def parent_s(self, interval_s: int) -> int:
        """Return the length (s) of the windows that make up those of ``interval_s``."""
        return self._lengths_s[int(self._plan[self._lengths_s.index(interval_s), cascade.PARENT])]

    def final_until(self, instrument: int, interval_s: int) -> int:
        """Return the start (ns) of an instrument's first window that is not final; 0 before its first trade."""
        if instrument >= len(self._state.marks):
            return 0
        return int(self._state.marks[instrument, cascade.MARKS + self._lengths_s.index(interval_s)])

    def has_traded(self, instrument: int) -> bool:
        """Return whether any trade of an instrument was taken."""
        return self.final_until(instrument, self._lengths_s[0]) > 0

    def is_mixed(self, instrument: int, interval_s: int, start: int) -> bool:
        """Return whether an open window, or a finer one inside it, was filled up with figures of the venue's bars."""
        return self._mixed_in(instrument, interval_s, start) is not None

    def fill_up(self, instrument: int, window: Batch, *, is_mixed: bool) -> None:
        """Make an open window's cell again: ``window`` is one candle, rolled up from its finer ones that are final.

        What the finer windows that are open hold comes when these close. ``is_mixed`` says that bars are among them.
        """
        interval_s, start = int(window["interval"][0]), int(window["start"][0])
        place = int(self._plan[0, cascade.CELLS]) + self._lengths_s.index(interval_s) - 1
        trades = int(window["trades"][0])
        cells.put(self._state.floats[instrument, place], self._state.ints[instrument, place], window)
        self._state.marks[instrument, [cascade.CHANGED, cascade.OPENED]] = 1
        mixed = self._mixed.setdefault(instrument, {})
        mixed.pop(interval_s, None)
        if is_mixed:
            mixed[interval_s] = (start, trades != NULL_INT)

    def apply(self, step: Step) -> list[Batch]:
        """Take one step and return the candles that became final or changed; the last row of a key counts."""
        self._note_outages(step.batches.get(COVERAGE.name))
        trades = step.batches.get(TRADES.name, _NO_TRADES)
        if len(trades):
            self._reserve(int(trades["instrument"].max()) + 1)
        rows = self._lay_to_rest(step.clock) if self._resting else []
        late, more = self._run(self._state, kernel_columns(trades), step.clock)
        if len(late):
            self._note_late(trades, late)
        rows += more
        return [Batch.concat(rows)] if rows else []

    def take_stale(self) -> list[StaleWindow]:
        """Return the final windows that trades of the steps since the last call were too late for."""
        stale, self._stale = self._stale, {}
        return [StaleWindow(*key, late) for key, late in stale.items()]

    def take_doubtful(self) -> list[Stretch]:
        """Return where the ledger changed under final windows since the last call: `judge` the empty ones again.

        The stretches of an instrument do not touch: a hole that is filled trade by trade changes once for each of them.
        """
        doubtful, self._doubtful = self._doubtful, []
        return joined(doubtful)

    def judge(self, empties: Batch) -> Batch:
        """Return those of the given candles without trades that are empty for another reason than they say."""
        ends = empties["start"] + empties["interval"].astype(np.int64) * SECOND_NS
        windows = zip(*(a.tolist() for a in (empties["instrument"], empties["start"], ends)), strict=True)
        reason = np.array([self._outages.reason(*window) for window in windows], np.uint8)
        return Batch(CANDLES, {**empties.columns, "reason": reason}).take(reason != empties["reason"])

    def derive(self, windows: Sequence[StaleWindow], trades: Batch, revisions: Mapping[StaleWindow, int]) -> Batch:
        """Make final windows of one instrument again from all their trades.

        ``trades`` must hold every stored trade of the windows, in any order; others are ignored. The rows carry
        revision = ``revisions[window] + window.late``.
        """
        # A UUID tells no order: the time of arrival then does.
        order = np.where(trades["trade_id_high"] == 0, trades["trade_id"], trades["ingest_time"])
        trades = trades.take(np.lexsort((order, trades["event_time"])))
        rows = _fold_sorted(trades, {window.interval_s for window in windows})
        found = {
            key: row for row, key in enumerate(zip(rows["interval"].tolist(), rows["start"].tolist(), strict=True))
        }
        wanted = [(row, w) for w in windows if (row := found.get((w.interval_s, w.start))) is not None]
        rows = rows.take(np.array([row for row, _ in wanted], np.int64))
        corrected: dict[str, Array] = {
            "instrument": np.array([w.instrument for _, w in wanted], np.int32),
            "revision": np.array([revisions[w] + w.late for _, w in wanted], np.int64),
            "is_final": np.ones(len(wanted), np.bool_),
        }
        return Batch(CANDLES, {**rows.columns, **corrected})

    def snapshot(self) -> dict[int, bytes]:
        """Return the state of each instrument that changed since the last call."""
        marks = self._state.marks
        changed = np.flatnonzero(marks[:, cascade.CHANGED])
        marks[changed, cascade.CHANGED] = 0
        return {int(code): self._save(int(code)) for code in changed}

    def restore(self, states: Mapping[int, bytes]) -> None:
        """Take up where those states ended. Raises ConfigError for states of other intervals."""
        for code, data in states.items():
            saved = msgspec.msgpack.decode(data, type=_Saved)
            if saved.lengths_s != self._lengths_s or saved.cells != self._plan[0, cascade.CELLS]:
                raise ConfigError(_OTHER_CANDLES.format(", ".join(map(format_interval, saved.lengths_s))))
            self._reserve(code + 1)
            for array, raw in zip(self._state, (saved.floats, saved.ints, saved.marks), strict=True):
                array[code] = np.frombuffer(raw, array.dtype).reshape(array.shape[1:])
            self._outages.restore(code, saved.outages)
            self._mixed[code] = saved.mixed
            self._note_following(code)

    def forget(self, instruments: Iterable[int]) -> None:
        """Drop the state of instruments."""
        codes = {code for code in instruments if code < len(self._state.marks)}
        for array in self._state:
            array[list(codes)] = 0
        self._outages.forget(codes)
        self._resting = {code: since for code, since in self._resting.items() if code not in codes}
        self._stale = {key: late for key, late in self._stale.items() if key[0] not in codes}
        self._doubtful = [stretch for stretch in self._doubtful if stretch.instrument not in codes]
        self._mixed = {code: windows for code, windows in self._mixed.items() if code not in codes}

    def _run(
        self, state: cascade.State, trades: cascade.Trades, clock: int, first_code: int = 0
    ) -> tuple[Array, list[Batch]]:
        """Run the kernel over the state of instruments from ``first_code`` on; drain rows when their room is full."""
        if len(self._out.late) < len(trades.time):
            self._out = self._out._replace(late=np.empty((len(trades.time), 2), np.int64))
        rows: list[Batch] = []
        stage, first, lates = cascade.FOLD, 0, 0
        while stage != cascade.DONE:
            stage, first, count, lates = cascade.run(
                self._plan, state, self._scratch, trades, clock, self._out, stage, first, lates
            )
            if count:
                rows.append(self._batch(count, first_code))
        return self._out.late[:lates].copy(), rows

    def _note_outages(self, coverage: Batch | None) -> None:
        for stretch in self._outages.apply(coverage):
            self._reserve(stretch.instrument + 1)
            self._note_following(stretch.instrument)
            marks = self._state.marks[stretch.instrument]
            marks[cascade.CHANGED] = 1
            if stretch.start < marks[cascade.BASE]:
                self._doubtful.append(stretch._replace(end=min(stretch.end, int(marks[cascade.BASE]))))

    def _note_following(self, code: int) -> None:
        since = self._outages.unfollowed_since(code)
        if since is None:
            self._resting.pop(code, None)
        else:
            self._resting[code] = since

    def _lay_to_rest(self, clock: int) -> list[Batch]:
        """Stop the clock of instruments that nobody follows, once it has closed every window with trades.

        Their next trade starts it again. When it stops is a time in the data, whatever the steps are: hence a run of
        the kernel of its own, up to there.
        """
        rows: list[Batch] = []
        for code, since in self._resting.items():
            stop = max(since, self._closed_at(code))
            alone = cascade.State(*(array[code : code + 1] for array in self._state))
            if alone.marks[0, cascade.PHASE] == cascade.CLOCKED and clock >= stop:
                rows += self._run(alone, kernel_columns(_NO_TRADES), stop, code)[1]
                alone.marks[0, [cascade.PHASE, cascade.CHANGED]] = cascade.BEGUN, 1
        return rows

    def _closed_at(self, code: int) -> int:
        """Return the ingest time (ns) at which the clock closes every window that holds the newest trade."""
        marks, plan = self._state.marks[code], self._plan
        ends = [window_start(int(marks[cascade.HEAD]), s) + s * SECOND_NS for s in self._lengths_s]
        return int(max(ends) + marks[cascade.OFFSET] + plan[0, cascade.QUIET] + plan[0, cascade.LATENESS])

    def _note_late(self, trades: Batch, late: Array) -> None:
        for position, final_until in late.tolist():
            code, time = int(trades["instrument"][position]), int(trades["event_time"][position])
            for interval_s in self.intervals_s:
                start = window_start(time, interval_s)
                if start + interval_s * SECOND_NS <= final_until:
                    key = (code, interval_s, start)
                    self._stale[key] = self._stale.get(key, 0) + 1

    def _batch(self, count: int, first_code: int) -> Batch:
        floats, ints = self._out.floats[:count].T.copy(), self._out.ints[:count].T.copy()
        instrument = (ints[0] + first_code).astype(np.int32)
        interval = np.asarray(self._lengths_s, np.int32)[ints[1]]
        reason = np.zeros(count, np.uint8)
        for row in np.flatnonzero(ints[3] == 0).tolist():
            end = int(ints[2, row]) + int(interval[row]) * SECOND_NS
            reason[row] = self._outages.reason(int(instrument[row]), int(ints[2, row]), end)
        columns = {
            "instrument": instrument,
            "interval": interval,
            "start": ints[2],
            "open": floats[0],
            "high": floats[1],
            "low": floats[2],
            "close": floats[3],
            "volume": floats[4],
            "quote_volume": floats[5],
            "vwap": floats[6],
            "trades": ints[3],
            "taker_buy_volume": floats[7],
            "revision": np.zeros(count, np.int64),
            "is_final": ints[4] == 1,
            "source": np.full(count, CandleSource.TRADES, np.uint8),
            "reason": reason,
        }
        if self._mixed:
            self._mark_mixed(columns)
        return Batch(CANDLES, columns)

    def _mark_mixed(self, columns: dict[str, Array]) -> None:
        """Say of the rows of mixed windows that bars are in them, which do not tell who bought."""
        names = ("instrument", "interval", "start")
        for row, window in enumerate(zip(*(columns[name].tolist() for name in names), strict=True)):
            counts_trades = self._mixed_in(*window)
            if counts_trades is not None:
                columns["source"][row] = CandleSource.VENUE_BAR
                columns["taker_buy_volume"][row] = np.nan
                if not counts_trades:
                    columns["trades"][row] = NULL_INT

    def _mixed_in(self, instrument: int, interval_s: int, start: int) -> bool | None:
        """Return None of a window that holds trades only, else whether the number of its trades is known."""
        found = [
            counts
            for finer_s, (first, counts) in self._mixed.get(instrument, {}).items()
            if finer_s <= interval_s and start <= first < start + interval_s * SECOND_NS
        ]
        return all(found) if found else None

    def _lengths_where(self, column: int) -> tuple[int, ...]:
        return tuple(s for s, wanted in zip(self._lengths_s, self._plan[:, column], strict=True) if wanted)

    def _save(self, code: int) -> bytes:
        seconds, outages = int(self._plan[0, cascade.CELLS]), self._outages.save(code)
        floats, ints, marks = (array[code].tobytes() for array in self._state)
        mixed = self._mixed.get(code, {})
        return msgspec.msgpack.encode(_Saved(self._lengths_s, seconds, floats, ints, marks, outages, mixed))

    def _reserve(self, instruments: int) -> None:
        have = len(self._state.marks)
        if instruments > have:
            fresh = new_state(self._plan, max(instruments, 2 * have) - have)
            pairs = zip(self._state, fresh, strict=True)
            self._state = cascade.State(*(np.concatenate(pair) for pair in pairs))


def _fold_sorted(trades: Batch, intervals_s: Set[int]) -> Batch:
    """Run the same kernel over sorted trades, as those of one instrument that saw nothing else; every window once."""
    if not len(trades) or not intervals_s:
        return CANDLES.empty()
    alone = Candles(CandleConfig(tuple(map(format_interval, intervals_s)), "366d", 0, 0))
    alone._reserve(1)
    columns = kernel_columns(trades)._replace(
        instrument=np.zeros(len(trades), np.int32),
        ingest=np.zeros(len(trades), np.int64),
        origin=np.full(len(trades), Origin.SNAPSHOT, np.uint8),
    )
    _, rows = alone._run(alone._state, columns, 0)
    return Batch.concat(rows)
