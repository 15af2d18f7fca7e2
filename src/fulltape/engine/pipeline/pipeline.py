"""The pipeline: frames in, the content of a commit out. No I/O, no clock, no tasks: everything that decides a number.

    chunks ─► venue parsers ─► sequencer ─► operators ─► derivation of stale candles ─► Outcome

The runner feeds it live, the replayer feeds it recordings, tests and benches feed it directly.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import replace
from operator import itemgetter
from typing import Final

import numpy as np

from fulltape.engine.pipeline import contracts
from fulltape.engine.pipeline.book_feeds import BookFeeds
from fulltape.engine.pipeline.counters import Counters
from fulltape.engine.pipeline.delays import Delays
from fulltape.engine.pipeline.delivered import Deliveries
from fulltape.engine.pipeline.derivation import Derivation, History
from fulltape.engine.pipeline.duplicates import Duplicates
from fulltape.engine.pipeline.early import Early
from fulltape.engine.pipeline.known import Known
from fulltape.engine.pipeline.listening import Listening
from fulltape.engine.pipeline.outcome import Outcome, Work
from fulltape.engine.pipeline.recent_ids import RecentIds
from fulltape.engine.pipeline.sequencer import Sequencer
from fulltape.engine.pipeline.statistics import StatisticConfig, Statistics
from fulltape.engine.pipeline.symbols import AnySymbols
from fulltape.engine.pipeline.trade_ids import TradeIds
from fulltape.engine.pipeline.unstored import unstored
from fulltape.engine.wishes import Wishes
from fulltape.errors import ConfigError
from fulltape.operators.alerts import AlertConfig, Alerts
from fulltape.operators.base import Operator, Stateful, Step
from fulltape.operators.candle_plan import CandleConfig
from fulltape.operators.candles import Candles
from fulltape.operators.coverage import TRADES_CHANNEL, Ledger
from fulltape.operators.depths import Depths
from fulltape.operators.last import Last
from fulltape.operators.polls import Polls
from fulltape.operators.quotes import Quotes
from fulltape.operators.windows import Windows
from fulltape.records import (
    BOOK_DELTAS,
    CANDLES,
    COINS,
    DUPLICATES,
    HEARTBEATS,
    STORED,
    TRADES,
    Array,
    Batch,
    Instrument,
    InstrumentTable,
    Origin,
)
from fulltape.records.delivery import Delivery
from fulltape.records.events import BooksLost, NotFollowed, Refilled, Subscribed
from fulltape.records.frames import Chunk, Connection, EventKind, Item, Listing, SessionEvent
from fulltape.records.page import Page, Unfillable
from fulltape.venues.base import WITH_TRADES, Acknowledged, Control, Parsed, Parser, Symbols, Venue

_STORED: Final = frozenset(schema.name for schema in STORED)
_OF_WINDOWS: Final = frozenset({Candles.name, Windows.name})
_NO_TRADES: Final = TRADES.empty()


class Pipeline:
    """Turns frames into records, derived records and snapshots. One thread at a time."""

    def __init__(
        self,
        table: InstrumentTable,
        venue: Callable[[str], Venue],
        candles: CandleConfig,
        statistics: StatisticConfig | None = None,
        alerts: AlertConfig | None = None,
    ) -> None:
        self.table = table
        self.counters = Counters()
        self.delays = Delays()
        self._venue = venue
        self._parsers: dict[str, Parser] = {}
        self._listening = Listening()
        self._sequencer = Sequencer()
        self._recent_ids = RecentIds()
        self._duplicates = Duplicates()
        self._trade_ids = TradeIds(table, venue, self._sequencer, self._recent_ids)
        self._deliveries = Deliveries(table, self._trade_ids)
        self._ledger = Ledger()
        self._candles = Candles(candles)
        self._listed: dict[tuple[str, str], Instrument] = {}
        self._book_feeds = BookFeeds(table, venue)
        self.quotes = Quotes(self._book_feeds.rule, None if statistics is None else Depths(statistics.depth))
        # Order matters: candles read the ledger's rows, last and statistics read quotes, alerts read all of them.
        self._statistics = None if statistics is None else Statistics(statistics, self.counters, table.product_of)
        beside = () if self._statistics is None else self._statistics.operators
        made = (self._candles, Polls(candles))
        self.alerts = Alerts(alerts or AlertConfig(), table.id_of)
        self._operators: tuple[Operator, ...] = (self.quotes, self._ledger, *made, Last(), *beside, self.alerts)
        self._early = Early(self._candles.has_traded, self.counters)
        self.known = Known()
        self._derivation = Derivation(self._candles, self.known, self.counters)
        self.wishes = Wishes()
        held = (self._sequencer, self._recent_ids, self._duplicates, self._early, self.known, self.wishes)
        self._stateful: tuple[Stateful, ...] = (*held, *self._operators)

    def restore(self, snapshots: Mapping[str, Mapping[int, bytes]], clock: int) -> None:
        """Go on from a commit at ``clock``: since then fulltape was not running.

        Raises ConfigError if the candles' intervals are not those of the snapshot.
        """
        for part in self._stateful:
            part.restore(snapshots.get(part.name, {}))
        self._derivation.resume()
        self._duplicates.begin(clock)
        self._ledger.interrupted(clock, "fulltape was not running")
        self._sequencer.resume(range(len(self.table)))

    def follow(self, connection: str, venue: Venue, symbols: Iterable[str], *, has_trades: bool = True) -> None:
        """Expect these symbols on a connection, besides those before, and their trades if it ``has_trades``.

        Raises ConfigError for one that is none.
        """
        codes: dict[str, int] = {}
        for symbol in symbols:
            known = self.table.find_symbol(venue.spec.name, symbol)
            try:
                codes[symbol] = self.table.add(self._describe(venue, symbol)) if known is None else known
            except ValueError as error:
                raise ConfigError(str(error)) from error
        self._listening.ask(connection, codes, has_trades=has_trades)

    def unfollow(self, connection: str, venue: Venue, symbols: Iterable[str]) -> None:
        """Expect these symbols on a connection until the venue confirms that they have ended, then no more.

        On a connection that does not receive them they end at once.
        """
        found = {self.table.find_symbol(venue.spec.name, symbol) for symbol in symbols}
        self._listening.give_up(connection, {code for code in found if code is not None})

    def follow_only(self, connections: Iterable[str]) -> None:
        """Expect what is asked for on these connections; every other instrument is not followed."""
        self._listening.keep_only(connections, range(len(self.table)))

    def learn(self, instruments: Iterable[Instrument]) -> None:
        """Take what a venue says of its instruments: steps, status, sizes of contracts.

        What it says of those that nobody has asked for yet is kept until somebody does.
        """
        for instrument in instruments:
            self._listed[instrument.venue, instrument.venue_symbol] = instrument
            if self.table.find_symbol(instrument.venue, instrument.venue_symbol) is not None:
                self.table.add(instrument)

    def lacks_contract_sizes(self, connection: str) -> bool:
        """Return whether a connection follows contracts of which nobody has told yet how much one is."""
        asked = self._listening.asked(connection)
        return asked is not None and any(contracts.is_unknown(self.table[code]) for code in asked.codes)

    @property
    def intervals_s(self) -> tuple[int, ...]:
        """The lengths (s) of the candles, finest first."""
        return self._candles.intervals_s

    def listened_to(self, venue: str) -> list[int]:
        """Return the instruments of a venue whose trades are subscribed to now."""
        return sorted(code for code in self._listening.received() if self.table[code].venue == venue)

    def open_holes(self) -> tuple[int, int]:
        """Return how many holes in the ids are open, and how many trades they miss."""
        return self._sequencer.open_holes()

    def step(self, items: Sequence[Item], clock: int, history: History) -> Outcome:
        """Take what arrived until ``clock`` (ingest time, ns) and return what it makes."""
        work = Work()
        self._end_following(self._listening.take_left(), clock, work)
        for item in items:
            if isinstance(item, Chunk):
                self._parse(item, work)
            elif isinstance(item, Listing):
                self.learn(item.instruments)
            elif isinstance(item, Page):
                self._sequence(work, item.ingest_time)
                self._page(item, work, history)
            elif isinstance(item, Unfillable):
                self._sequence(work, item.ingest_time)
                self._unfillable(item, work)
            elif isinstance(item, Delivery):
                self._sequence(work, item.ingest_time)
                self._deliver(item, work, history)
            else:
                self._sequence(work, item.ingest_time)
                self._connection_event(item, work)
        self._sequence(work, clock)
        work.events += self._listening.take_unanswered(clock)
        work.add(work.dead.batch())  # beside those that a delivery brought
        batches = {name: Batch.concat(parts) for name, parts in work.parts.items()}
        self._operate(batches, Step(batches, clock, work.events))
        batches[CANDLES.name] = self._derivation.apply(batches, work.pages, history)
        if self._statistics is not None:
            self._statistics.revise(batches, history)
        batches[DUPLICATES.name] = self._duplicates.take()
        stored = {name: batch for name, batch in batches.items() if name in _STORED and len(batch)}
        self.counters.records.update({name: len(batch) for name, batch in stored.items()})
        snapshots = {part.name: part.snapshot() for part in self._stateful}
        wanted, changed = self._book_feeds.wanted(self.quotes.take_wanted()), self.table.take_changes()
        return Outcome(stored, snapshots, changed, work.controls, work.seen, wanted, work.listed, work.receipts)

    def _parse(self, chunk: Chunk, work: Work) -> None:
        name = chunk.connection.name
        parser = self._parsers.get(name)
        if parser is None:
            venue = self._venue(chunk.connection.venue)
            parser = self._parsers[name] = venue.parser(self._symbols(chunk.connection), chunk.connection)
        parsed = parser.parse(chunk.payloads, chunk.ingest_times)
        # What the venue says of instruments in these frames holds for the records in them.
        self.learn(parsed.instruments)
        work.listed += parsed.instruments
        if kinds := self._venue(chunk.connection.venue).spec.contract_kinds:
            contracts.settle(parsed, kinds, self.table)
        self.counters.frames += len(chunk)
        self.counters.ignored.update(parsed.ignored)
        for kind, batch in parsed.batches.items():
            if batch.schema in (TRADES, HEARTBEATS):
                work.unsequenced.setdefault(kind, []).append((batch, parsed.frames[kind] + work.place))
            else:
                work.add(batch)
            if batch.schema is TRADES:
                self.delays.note(chunk.connection, batch)
            codes = self._note_seen(work, name, batch)
            if batch.schema is BOOK_DELTAS:
                self._book_feeds.note(codes, name)
        for frame, heard in sorted([*parsed.controls, *self._shown(chunk.connection, parsed)], key=itemgetter(0)):
            if isinstance(heard, int):
                self._take_shown(name, heard, chunk.ingest_times[frame], work)
            else:
                self._control(chunk, heard, chunk.ingest_times[frame], work)
        self._reject(chunk, parsed, work)
        work.place += len(chunk)

    def _symbols(self, connection: Connection) -> Symbols:
        venue = self._venue(connection.venue)
        return self._listening.asked(connection.name) or AnySymbols(self.table, venue, self._describe)

    def _describe(self, venue: Venue, symbol: str) -> Instrument:
        """Return the instrument of a symbol as the venue lists it, or as far as the symbol alone tells."""
        return self._listed.get((venue.spec.name, symbol)) or venue.instrument(symbol)

    def _note_seen(self, work: Work, connection: str, batch: Batch) -> list[int]:
        """Note when the newest frame of each instrument came, for the staleness lights; return the instruments."""
        seen = work.seen.setdefault(connection, {})
        instruments, last = np.unique(batch["instrument"][::-1], return_index=True)
        codes: list[int] = instruments.tolist()
        times = batch["ingest_time"][::-1][last]
        for code, time in zip(codes, times.tolist(), strict=True):
            symbol = self.table[code].venue_symbol
            seen[symbol] = max(time, seen.get(symbol, 0))
        return codes

    def _shown(self, connection: Connection, parsed: Parsed) -> list[tuple[int, int]]:
        """Return which instruments a recorded connection shows to be subscribed to by their trades, and in which frame.

        A recording can lack the venue's confirmation: subscriptions in the address are never confirmed.
        """
        trades = parsed.batches.get(TRADES.name)
        if trades is None or not connection.replay or self._listening.is_confirming(connection.name):
            return []
        sent = np.flatnonzero(trades["origin"] != Origin.SNAPSHOT)
        codes, first = np.unique(trades["instrument"][sent], return_index=True)
        return list(zip(parsed.frames[TRADES.name][sent][first].tolist(), codes.tolist(), strict=True))

    def _take_shown(self, name: str, code: int, ingest_time: int, work: Work) -> None:
        received = self._listening.show(name, code)
        if received is not None:
            work.unsettled.add(code)
            channels = {TRADES_CHANNEL: received}
            work.events.append(Subscribed(name, ingest_time, channels, "trades came, no confirmation is recorded"))

    def _control(self, chunk: Chunk, control: Control, ingest_time: int, work: Work) -> None:
        name = chunk.connection.name
        work.controls.append((name, control))
        if isinstance(control, Acknowledged):
            known = self._symbols(chunk.connection)
            channels: dict[str, frozenset[int]] = {}
            for channel, symbols in control.channels.items():
                codes = frozenset(c for s in sorted(symbols) if (c := known.code_of(s)) is not None)
                told_as = TRADES_CHANNEL if channel in WITH_TRADES else str(channel)
                channels[told_as] = channels.get(told_as, frozenset()) | codes
            confirmed = self._listening.confirm(name, channels)
            work.events.append(Subscribed(name, ingest_time, confirmed.channels))
            work.unsettled |= confirmed.begun | confirmed.ended
            self._end_following(confirmed.ended, ingest_time, work)

    def _reject(self, chunk: Chunk, parsed: Parsed, work: Work) -> None:
        for reject in parsed.rejects:
            self.counters.rejected[reject.reason] += 1
            work.dead.add(chunk, reject)

    def _connection_event(self, event: SessionEvent, work: Work) -> None:
        name = event.connection.name
        if event.kind is not EventKind.CONNECTED:
            received, given_up = self._listening.end(name)
            self._end_following(given_up, event.ingest_time, work)
            self._sequencer.resume(received)
            work.unsettled |= received
        work.events.append(event)
        # A new connection has a new parser: the old one's memory ends with its connection.
        self._parsers.pop(name, None)
        self._listening.renew(name)
        if event.kind is EventKind.DISCONNECTED:
            work.events.append(BooksLost(event.ingest_time, self._book_feeds.of(name)))

    def _end_following(self, codes: Set[int], time: int, work: Work) -> None:
        """Note that nobody receives these instruments any more: they miss nothing, and have no book."""
        if codes and (gone := frozenset(codes) - self._listening.received()):
            self._sequence(work, time)
            self._sequencer.leave(gone)
            work.events += (NotFollowed(time, gone), BooksLost(time, self._book_feeds.drop(gone)))

    def _sequence(self, work: Work, clock: int) -> None:
        """Sequence the trades gathered since the last connection event, each by what its venue's ids promise."""
        trades, frames = _joined(work.unsequenced.pop(TRADES.name, []), TRADES.empty())
        beats, beat_frames = _joined(work.unsequenced.pop(HEARTBEATS.name, []), HEARTBEATS.empty())
        twice, events, resets = self._trade_ids.judge(trades, frames, beats, beat_frames, clock)
        self.counters.duplicates += len(twice)
        if len(twice):
            self._duplicates.note(trades.take(twice))
        self.counters.id_resets += resets
        work.events += events
        if len(twice) < len(trades):
            work.add(trades.take(np.delete(np.arange(len(trades)), twice)) if len(twice) else trades)

    def _page(self, page: Page, work: Work, history: History) -> None:
        """Take a part of a venue's history: all bars or moments, and the trades that are not stored yet."""
        self.known.take(page)
        if page.batch.schema is COINS:
            work.add(page.batch)  # no candle can be made of single moments
            return
        work.pages.append(page)
        if page.interval_s:
            work.add(page.batch)
            return
        if TRADES.name in self._venue(self.table[page.instrument].venue).spec.contract_kinds:
            page = replace(page, batch=contracts.in_base(page.batch, self.table))
        fresh = unstored(page.batch, work.parts.get(TRADES.name, ()), history.records)
        work.events += self._trade_ids.refill(fresh, page.ingest_time)
        self.counters.duplicates += len(page.batch) - len(fresh)
        work.add(fresh)
        stretch = self.known.trades_around(page.instrument, page.start)
        # What is known goes on for ever where a connection was lost in this very step: a later page will tell.
        if stretch is not None and page.instrument not in work.unsettled:
            work.events.append(Refilled(page.instrument, *stretch))

    def _deliver(self, delivery: Delivery, work: Work, history: History) -> None:
        taken = self._deliveries.take(delivery, work.parts, history.records)
        for batch in taken.batches:
            work.add(batch)
        work.events += taken.events
        work.receipts[delivery] = taken.receipt
        self.counters.duplicates += taken.receipt.duplicates

    def _unfillable(self, told: Unfillable, work: Work) -> None:
        self.known.give_up(told)
        where = (told.instrument, told.start, told.end)
        work.events += [told, *self._sequencer.cannot_fill(*where, told.ingest_time, told.reason)]

    def _operate(self, batches: dict[str, Batch], step: Step) -> None:
        in_time = self._early.settle(batches.get(TRADES.name, _NO_TRADES), step.clock)
        of_windows = replace(step, batches=ChainMap({TRADES.name: in_time}, batches))
        for operator in self._operators:
            for derived in operator.apply(of_windows if operator.name in _OF_WINDOWS else step):
                have = batches.get(derived.schema.name)
                batches[derived.schema.name] = derived if have is None else Batch.concat([have, derived])


def _joined(parts: list[tuple[Batch, Array]], empty: Batch) -> tuple[Batch, Array]:
    if not parts:
        return empty, np.empty(0, np.int64)
    return Batch.concat([batch for batch, _ in parts]), np.concatenate([frames for _, frames in parts])
