"""The pipeline: frames in, the content of a commit out. No I/O, no clock, no tasks: everything that decides a number.

    chunks ─► venue parsers ─► sequencer ─► operators ─► derivation of stale candles ─► Outcome

The runner feeds it live, the replayer feeds it recordings, tests and benches feed it directly.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np

from fulltape.clock import SECOND_NS
from fulltape.engine.recent_ids import RecentIds
from fulltape.engine.sequencer import Sequencer
from fulltape.engine.symbols import AnySymbols, AskedSymbols
from fulltape.errors import ConfigError
from fulltape.operators.base import Operator, Stateful, Step
from fulltape.operators.candles import CandleConfig, Candles, StaleWindow
from fulltape.operators.coverage import TRADES_CHANNEL, Ledger
from fulltape.operators.last import Last
from fulltape.operators.quotes import Quotes
from fulltape.records import (
    BOOK_DELTAS,
    CANDLES,
    DEAD_LETTERS,
    HEARTBEATS,
    STORED,
    TRADES,
    Array,
    Batch,
    Instrument,
    InstrumentTable,
)
from fulltape.records.events import BooksLost, Event, Subscribed
from fulltape.records.frames import Chunk, Connection, EventKind, SessionEvent
from fulltape.records.interval import window_start
from fulltape.venues.base import Acknowledged, Control, IdRule, Parsed, Parser, Symbols, Venue

_MAX_RAW: Final = 64 * 1024
_MAX_DEAD_LETTERS: Final = 1_000
_STORED: Final = frozenset(schema.name for schema in STORED)


class History(Protocol):
    """What has been committed, for correcting final candles."""

    def trades(self, instrument: int, start: int, end: int) -> Batch:
        """Return every committed trade of the instrument with start <= event_time < end."""
        ...

    def candle(self, instrument: int, interval_s: int, start: int) -> tuple[int, int]:
        """Return (trades, revision) of the committed candle; (0, 0) if there is none."""
        ...

    def empty_candles(self, instrument: int, interval_s: int, start: int, end: int) -> Batch:
        """Return the committed candles without trades that start in [start, end)."""
        ...


@dataclass(slots=True)
class Counters:
    """What the pipeline has seen since it was made."""

    frames: int = 0
    records: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    ignored: Counter[str] = field(default_factory=Counter)
    duplicates: int = 0
    id_resets: int = 0
    late_trades: int = 0
    stale_kept: int = 0
    """Stale candles left as they were, because their trades are no longer stored."""


@dataclass(frozen=True, slots=True)
class BookWanted:
    """A book that misses messages and can go on from a new snapshot only."""

    connection: str
    venue_symbol: str
    trouble: str


@dataclass(slots=True)
class Outcome:
    """What one step produced: the content of a commit, and what sessions must hear."""

    batches: dict[str, Batch]
    snapshots: Mapping[str, Mapping[int, bytes]]
    instruments: dict[int, Instrument]
    controls: list[tuple[str, Control]]
    seen: dict[str, dict[str, int]]
    books_wanted: list[BookWanted]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to commit."""
        return not (self.batches or self.instruments or any(self.snapshots.values()))


@dataclass(slots=True)
class _Work:
    """What one step has gathered so far."""

    place: int = 0
    parts: dict[str, list[Batch]] = field(default_factory=dict)
    unsequenced: dict[str, list[tuple[Batch, Array]]] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    dead: list[tuple[str, str, int, str, str, bytes]] = field(default_factory=list)
    controls: list[tuple[str, Control]] = field(default_factory=list)
    seen: dict[str, dict[str, int]] = field(default_factory=dict)

    def add(self, batch: Batch) -> None:
        """Gather a batch of a kind that needs no sequencing."""
        self.parts.setdefault(batch.schema.name, []).append(batch)


class Pipeline:
    """Turns frames into records, derived records and snapshots. One thread at a time."""

    def __init__(self, table: InstrumentTable, venue: Callable[[str], Venue], candles: CandleConfig) -> None:
        self.table = table
        self.counters = Counters()
        self._venue = venue
        self._parsers: dict[str, Parser] = {}
        self._asked: dict[str, AskedSymbols] = {}
        self._listening: dict[str, set[int]] = {}
        self._is_contiguous: list[bool] = []
        self._book_feeds: dict[int, str] = {}
        self._sequencer = Sequencer()
        self._recent_ids = RecentIds()
        self._ledger = Ledger()
        self._candles = Candles(candles)
        self.quotes = Quotes()
        # Order matters: candles read the ledger's rows, last reads quotes.
        self._operators: tuple[Operator, ...] = (self.quotes, self._ledger, self._candles, Last())
        self._stateful: tuple[Stateful, ...] = (self._sequencer, self._recent_ids, *self._operators)

    def restore(self, snapshots: Mapping[str, Mapping[int, bytes]], clock: int) -> None:
        """Go on from a commit at ``clock``: since then fulltape was not running.

        Raises ConfigError if the candles' intervals are not those of the snapshot.
        """
        for part in self._stateful:
            part.restore(snapshots.get(part.name, {}))
        self._ledger.interrupted(clock, "fulltape was not running")
        self._sequencer.resume(range(len(self.table)))

    def follow(self, connection: str, venue: Venue, symbols: Iterable[str]) -> None:
        """Expect these symbols on a connection, and no others. Raises ConfigError for one that is none."""
        codes: dict[str, int] = {}
        for symbol in symbols:
            known = self.table.find_symbol(venue.spec.name, symbol)
            try:
                codes[symbol] = self.table.add(venue.instrument(symbol)) if known is None else known
            except ValueError as error:
                raise ConfigError(str(error)) from error
        self._asked[connection] = AskedSymbols(codes)

    def learn(self, instruments: Iterable[Instrument]) -> None:
        """Take what a venue says of instruments that are followed: steps, status."""
        for instrument in instruments:
            if self.table.find_symbol(instrument.venue, instrument.venue_symbol) is not None:
                self.table.add(instrument)

    def open_holes(self) -> tuple[int, int]:
        """Return how many holes in the ids are open, and how many trades they miss."""
        return self._sequencer.open_holes()

    def step(self, items: Sequence[Chunk | SessionEvent], clock: int, history: History) -> Outcome:
        """Take what arrived until ``clock`` (ingest time, ns) and return what it makes."""
        work = _Work()
        for item in items:
            if isinstance(item, Chunk):
                self._parse(item, work)
            else:
                self._sequence(work, item.ingest_time)
                self._connection_event(item, work)
        self._sequence(work, clock)
        batches = {name: Batch.concat(parts) for name, parts in work.parts.items()}
        self._operate(batches, Step(batches, clock, work.events))
        # Of rows with one key the last counts: corrections of what is committed, this step's candles, revisions.
        candles = [*self._reword(history), batches.get(CANDLES.name, CANDLES.empty()), *self._revise(batches, history)]
        batches[CANDLES.name] = Batch.concat(candles)
        if work.dead:
            batches[DEAD_LETTERS.name] = _dead_letters(work.dead)
        stored = {name: batch for name, batch in batches.items() if name in _STORED and len(batch)}
        self.counters.records.update({name: len(batch) for name, batch in stored.items()})
        snapshots = {part.name: part.snapshot() for part in self._stateful}
        return Outcome(stored, snapshots, self.table.take_changes(), work.controls, work.seen, self._books_wanted())

    def _parse(self, chunk: Chunk, work: _Work) -> None:
        name = chunk.connection.name
        parser = self._parsers.get(name)
        if parser is None:
            venue = self._venue(chunk.connection.venue)
            parser = self._parsers[name] = venue.parser(self._symbols(chunk.connection), chunk.connection)
        parsed = parser.parse(chunk.payloads, chunk.ingest_times)
        self.counters.frames += len(chunk)
        self.counters.ignored.update(parsed.ignored)
        for kind, batch in parsed.batches.items():
            if batch.schema in (TRADES, HEARTBEATS):
                work.unsequenced.setdefault(kind, []).append((batch, parsed.frames[kind] + work.place))
            else:
                work.add(batch)
            codes = self._note_seen(work, name, batch)
            if batch.schema is BOOK_DELTAS:
                self._book_feeds.update(dict.fromkeys(codes, name))
        for frame, control in parsed.controls:
            self._control(chunk, control, chunk.ingest_times[frame], work)
        self._reject(chunk, parsed, work)
        self.learn(parsed.instruments)
        work.place += len(chunk)

    def _symbols(self, connection: Connection) -> Symbols:
        return self._asked.get(connection.name) or AnySymbols(self.table, self._venue(connection.venue))

    def _note_seen(self, work: _Work, connection: str, batch: Batch) -> list[int]:
        """Note when the newest frame of each instrument came, for the staleness lights; return the instruments."""
        seen = work.seen.setdefault(connection, {})
        instruments, last = np.unique(batch["instrument"][::-1], return_index=True)
        codes: list[int] = instruments.tolist()
        times = batch["ingest_time"][::-1][last]
        for code, time in zip(codes, times.tolist(), strict=True):
            symbol = self.table[code].venue_symbol
            seen[symbol] = max(time, seen.get(symbol, 0))
        return codes

    def _control(self, chunk: Chunk, control: Control, ingest_time: int, work: _Work) -> None:
        name = chunk.connection.name
        work.controls.append((name, control))
        if isinstance(control, Acknowledged):
            known = self._symbols(chunk.connection)
            channels = {
                str(channel): frozenset(c for s in sorted(symbols) if (c := known.code_of(s)) is not None)
                for channel, symbols in control.channels.items()
            }
            work.events.append(Subscribed(name, ingest_time, channels))
            self._listening.setdefault(name, set()).update(channels.get(TRADES_CHANNEL, ()))

    def _reject(self, chunk: Chunk, parsed: Parsed, work: _Work) -> None:
        """Keep the bytes of what did not become records. A flood is counted in full, and kept in part."""
        connection = chunk.connection
        for reject in parsed.rejects:
            self.counters.rejected[reject.reason] += 1
            if len(work.dead) < _MAX_DEAD_LETTERS:
                raw, time = chunk.payloads[reject.frame], chunk.ingest_times[reject.frame]
                detail = reject.detail
                if len(raw) > _MAX_RAW:
                    detail += f" (the first {_MAX_RAW} of {len(raw)} bytes)"
                work.dead.append((connection.venue, connection.name, time, reject.reason, detail, raw[:_MAX_RAW]))

    def _connection_event(self, event: SessionEvent, work: _Work) -> None:
        name = event.connection.name
        work.events.append(event)
        # A new connection has a new parser: the old one's memory ends with its connection.
        self._parsers.pop(name, None)
        if event.kind is not EventKind.CONNECTED:
            self._sequencer.resume(self._listening.pop(name, ()))
        if event.kind is EventKind.DISCONNECTED:
            books = frozenset(code for code, feed in self._book_feeds.items() if feed == name)
            work.events.append(BooksLost(event.ingest_time, books))

    def _books_wanted(self) -> list[BookWanted]:
        wanted = self.quotes.take_wanted().items()
        return [BookWanted(self._book_feeds[code], self.table[code].venue_symbol, why) for code, why in wanted]

    def _sequence(self, work: _Work, clock: int) -> None:
        """Sequence the trades gathered since the last connection event, each by what its venue's ids promise."""
        trades, frames = _joined(work.unsequenced.pop(TRADES.name, []), TRADES.empty())
        beats, beat_frames = _joined(work.unsequenced.pop(HEARTBEATS.name, []), HEARTBEATS.empty())
        follows = self._follows(trades["instrument"])
        if not follows.all():
            others = trades.take(~follows)
            known = self._recent_ids.duplicates(others)
            self.counters.duplicates += len(known)
            work.add(others.take(np.delete(np.arange(len(others)), known)))
            trades, frames = trades.take(follows), frames[follows]
        result = self._sequencer.apply(trades, frames, beats, beat_frames, clock)
        self.counters.duplicates += result.duplicates
        self.counters.id_resets += result.resets
        work.events += result.events
        if len(result.trades):
            work.add(result.trades)

    def _follows(self, instruments: Array) -> Array:
        """Return which rows have ids that follow each other."""
        for code in range(len(self._is_contiguous), len(self.table)):
            rule = self._venue(self.table[code].venue).spec.trade_ids
            self._is_contiguous.append(rule is IdRule.CONTIGUOUS)
        return np.array(self._is_contiguous, np.bool_)[instruments]

    def _operate(self, batches: dict[str, Batch], step: Step) -> None:
        for operator in self._operators:
            for derived in operator.apply(step):
                have = batches.get(derived.schema.name)
                batches[derived.schema.name] = derived if have is None else Batch.concat([have, derived])

    def _reword(self, history: History) -> Iterator[Batch]:
        """Correct the reason of committed candles without trades after the ledger learnt more of their time."""
        for code, start, end in self._candles.take_doubtful():
            for interval_s in self._candles.quiet_intervals_s:
                empties = history.empty_candles(code, interval_s, window_start(start, interval_s), end)
                yield self._candles.judge(empties)

    def _revise(self, batches: Mapping[str, Batch], history: History) -> Iterator[Batch]:
        """Make final candles again that late trades fell into, from the stored trades and this step's."""
        by_instrument: dict[int, list[StaleWindow]] = {}
        for window in self._candles.take_stale():
            by_instrument.setdefault(window.instrument, []).append(window)
        for code, windows in by_instrument.items():
            start = min(window.start for window in windows)
            end = max(window.start + window.interval_s * SECOND_NS for window in windows)
            fresh = batches[TRADES.name]
            fresh = fresh.take(fresh["instrument"] == code)
            known = {w: history.candle(code, w.interval_s, w.start) for w in windows}
            trades = Batch.concat([history.trades(code, start, end), fresh])
            derived = self._candles.derive(windows, trades, {w: revision for w, (_, revision) in known.items()})
            stored = {(w.interval_s, w.start): count + w.late for w, (count, _) in known.items()}
            keys = zip(derived["interval"].tolist(), derived["start"].tolist(), strict=True)
            whole = derived["trades"] >= np.array([stored[key] for key in keys], np.int64)
            self.counters.late_trades += max(window.late for window in windows)
            self.counters.stale_kept += int((~whole).sum())
            yield derived.take(whole)


def _joined(parts: list[tuple[Batch, Array]], empty: Batch) -> tuple[Batch, Array]:
    if not parts:
        return empty, np.empty(0, np.int64)
    return Batch.concat([batch for batch, _ in parts]), np.concatenate([frames for _, frames in parts])


def _dead_letters(rows: list[tuple[str, str, int, str, str, bytes]]) -> Batch:
    names = [column.name for column in DEAD_LETTERS.columns]
    return DEAD_LETTERS.from_columns(dict(zip(names, zip(*rows, strict=True), strict=True)))
