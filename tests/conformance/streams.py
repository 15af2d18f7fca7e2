"""What every venue's stream must do, from its golden frames alone; the numbers go on from `tests.conformance.venues`.

A venue declares the words for the taker's side, and what it does not offer with the reason: a case that finds nothing
to judge fails unless that is declared, and so does a declaration that is not true.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple

import msgspec
import numpy as np
import pytest
from tests.engine.machine import Machine, chunk, down, up

from fulltape.books.l2 import Book, Message
from fulltape.clock import SECOND_NS
from fulltape.engine.pipeline import Pipeline
from fulltape.operators.candle_plan import CandleConfig
from fulltape.records import BOOK_DELTAS, HEARTBEATS, TRADES, AggressorSide, Instrument, InstrumentTable, Origin
from fulltape.records.batch import join_id
from fulltape.records.book import CLEAR, LAST, SNAPSHOT
from fulltape.records.columns import NULL_INT
from fulltape.records.frames import Chunk, Connection
from fulltape.venues.base import Acknowledged, Parsed, Refused, Venue

Frames = Sequence[tuple[bytes, int]]

NO_FRAMES = (
    b"",
    b"<html><body>maintenance</body></html>",
    b"null",
    b"7",
    b'{"surprise":[1]}',
    b"\xff\xfe",
    b"[" * 2_000,
)
SIGNS_OF_LIFE = ("pong", "bts:heartbeat", "heartbeat")
HUGE_ID = 2**53 + 1
_SHORT = 2  # digits of an id that may as well be another figure
DAY_NS = 86_400 * SECOND_NS


class Known:
    """Symbols that are followed, with codes in their order."""

    def __init__(self, venue: Venue, symbols: Sequence[str]) -> None:
        self.table = InstrumentTable(venue.instrument(symbol) for symbol in symbols)
        self._venue = venue.spec.name

    def code_of(self, venue_symbol: str) -> int | None:
        return self.table.find_symbol(self._venue, venue_symbol)


class BookMessage(NamedTuple):
    """A message of one instrument's book, and the frame that it came in."""

    code: int
    frame: int
    message: Message


def lacking(**reasons: str) -> Mapping[str, str]:
    """Return reasons by case: ``V_21`` stands for V-21."""
    return {case.replace("_", "-"): reason for case, reason in reasons.items()}


class StreamCases:
    """Cases V-16 and on. ``taker`` holds the words in a row by which the taker bought and sold."""

    venue: ClassVar[Venue]
    symbols: ClassVar[tuple[str, ...]]
    captures: ClassVar[Path]
    taker: ClassVar[tuple[str, str]]
    not_offered: ClassVar[Mapping[str, str]] = {}

    def golden_frames(self) -> list[tuple[bytes, int]]:
        raise NotImplementedError

    def parsed(self, frames: Frames) -> Parsed:
        """Return what a new parser makes of frames."""
        parser = self.venue.parser(Known(self.venue, self.symbols), Connection("TEST-1", self.venue.spec.name))
        return parser.parse([payload for payload, _ in frames], [ingest for _, ingest in frames])

    def offers(self, case: str, is_there: object) -> bool:
        """Return whether there is something to judge; what is declared must be so."""
        assert bool(is_there) != (case in self.not_offered), self.not_offered.get(case, f"{case}: nothing to judge")
        return bool(is_there)

    def test_v16_event_times_are_nanoseconds_of_the_venues_clock(self) -> None:
        for batch in self.parsed(self.golden_frames()).batches.values():
            if "event_time" not in batch.columns:
                continue
            lag = batch["ingest_time"] - batch["event_time"]
            is_old = batch["origin"] == Origin.SNAPSHOT if batch.schema is TRADES else False
            assert ((lag > -3_600 * SECOND_NS) & ((lag < DAY_NS) | is_old)).all()

    def test_v17_the_aggressor_is_the_taker(self) -> None:
        frames = self.golden_frames()
        seen: set[AggressorSide] = set()
        for frame, trade_id, side in self._trades(frames):
            row = _row_around(frames[frame][0].decode("utf-8", "replace"), trade_id)
            if row:
                bought, sold = (word in row for word in self.taker)
                told = AggressorSide.BUY if bought else AggressorSide.SELL if sold else AggressorSide.UNKNOWN
                assert side is told, row
                seen.add(side)
        if self.offers("V-17", seen):
            assert seen >= {AggressorSide.BUY, AggressorSide.SELL}

    def test_v18_confirmations_and_refusals_are_heard(self) -> None:
        controls = [control for _, control in self.parsed(self.golden_frames()).controls]
        confirmed = [control for control in controls if isinstance(control, Acknowledged)]
        assert confirmed
        for control in confirmed:
            assert control.channels.keys() <= self.venue.spec.channels
        refused = [control for control in controls if isinstance(control, Refused)]
        if self.offers("V-18", refused):
            assert all(control.reason for control in refused)

    def test_v19_signs_of_life_are_no_news(self) -> None:
        parsed = self.parsed(self.golden_frames())
        signs = parsed.batches.keys() & {HEARTBEATS.name} | parsed.ignored.keys() & set(SIGNS_OF_LIFE)
        self.offers("V-19", signs)

    def test_v20_a_book_is_a_snapshot_and_what_changed_since(self) -> None:
        books: dict[int, Book] = {}
        plain: dict[int, dict[tuple[int, float], float]] = {}
        waiting: set[int] = set()
        changes = 0
        for code, _, message in self._messages(self.golden_frames()):
            book = books.setdefault(code, Book())
            is_new = (
                message.is_snapshot
                or message.sequence is None
                or book.reached is None
                or message.sequence > book.reached
            )
            was_waiting = code in waiting
            book.take(message)
            if book.is_valid:
                waiting.discard(code)
            elif message.sequence is not None:
                waiting.add(code)  # what has a number is held until a snapshot comes
            held = {
                (side, price): size
                for side, levels in ((1, book.bids), (2, book.asks))
                for price, size in levels.items()
            }
            if message.is_snapshot and was_waiting:
                plain[code] = held  # with what waited for it
            elif message.is_snapshot:
                plain[code] = {}
            if book.is_valid and is_new and not (message.is_snapshot and was_waiting):
                plain[code].update({(side, price): size for side, price, size in message.levels})
                changes += not message.is_snapshot and bool(message.levels)
            if book.is_valid:
                assert held == {key: size for key, size in plain[code].items() if size}
        self.offers("V-20", changes)

    def test_v21_a_missing_book_message_is_noticed(self) -> None:
        judged = 0
        messages = list(self._messages(self.golden_frames()))
        for missing in range(len(messages)):
            code, _, lost = messages[missing]
            own = [one.message for one in messages[missing + 1 :] if one.code == code]
            if lost.is_snapshot or lost.sequence is None or not own or own[0].is_snapshot or own[0].previous is None:
                continue
            book = Book()
            for one in messages[:missing]:
                if one.code == code:
                    book.take(one.message)
            if book.is_valid and book.reached is not None and lost.sequence > book.reached == lost.previous:
                book.take(own[0])
                assert book.trouble
                judged += 1
        self.offers("V-21", judged)

    def test_v22_a_trade_that_comes_twice_is_there_once(self) -> None:
        machine, frames = self._machine(), self.golden_frames()
        machine.step(up(connection=self._connection), *self._chunks(frames), clock=frames[-1][1])
        once = len(machine.rows(TRADES.name))
        duplicates = machine.pipeline.counters.duplicates
        machine.step(*self._chunks(frames), clock=frames[-1][1])
        assert len(machine.rows(TRADES.name)) == once
        if self.offers("V-22", once):
            assert machine.pipeline.counters.duplicates >= duplicates + once

    def test_v23_a_new_connection_starts_books_over_and_doubles_nothing(self) -> None:
        machine, frames = self._machine(), self.golden_frames()
        last = frames[-1][1]
        machine.step(up(connection=self._connection), *self._chunks(frames), clock=last)
        trades, books = len(machine.rows(TRADES.name)), self._valid_books(machine)
        machine.step(down(last, self._connection), clock=last)
        assert self._valid_books(machine) == set()
        machine.step(up(last, self._connection), *self._chunks(frames), clock=last)
        assert len(machine.rows(TRADES.name)) == trades
        assert self._valid_books(machine) == books
        self.offers("V-23", trades or books)

    @pytest.mark.parametrize("payload", NO_FRAMES)
    def test_v24_what_is_no_frame_is_rejected_or_counted(self, payload: bytes) -> None:
        parsed = self.parsed([(payload, self.golden_frames()[0][1])])
        assert parsed.batches == {}
        assert parsed.controls == []
        assert len(parsed.rejects) + sum(parsed.ignored.values()) == 1

    def test_v25_ids_past_2_to_the_53_stay_exact(self) -> None:
        frames = self.golden_frames()
        judged = 0
        for frame, trade_id, _ in self._trades(frames):
            payload, ingest = frames[frame]
            if not trade_id.isdigit() or len(trade_id) <= _SHORT or trade_id.encode() not in payload:
                continue
            changed = payload.replace(trade_id.encode(), str(HUGE_ID).encode())
            ids = {own for at, own, _ in self._trades([*frames[:frame], (changed, ingest)]) if at == frame}
            assert str(HUGE_ID) in ids
            judged += 1
        self.offers("V-25", judged)

    def test_v26_updates_before_their_snapshot_make_no_book(self) -> None:
        frames = self.golden_frames()
        begins = {one.frame for one in self._messages(frames) if one.message.is_snapshot}
        books: dict[int, Book] = {}
        for code, _, message in self._messages([one for place, one in enumerate(frames) if place not in begins]):
            books.setdefault(code, Book()).take(message)
        assert not any(book.is_valid for book in books.values())
        self.offers("V-26", begins)

    @pytest.mark.parametrize("minutes", [-10, 10])
    def test_v27_a_clock_that_is_minutes_off_loses_no_trade(self, minutes: int) -> None:
        frames = self.golden_frames()
        moved = [(payload, ingest + minutes * 60 * SECOND_NS) for payload, ingest in frames]
        assert list(self._trades(moved)) == list(self._trades(frames))

    @property
    def _connection(self) -> Connection:
        return Connection("TEST-1", self.venue.spec.name)

    def _machine(self) -> Machine:
        machine = Machine()
        machine.pipeline = Pipeline(machine.table, lambda _: self.venue, CandleConfig(("1m",), quiet_from="1m"))
        machine.pipeline.learn(map(_sized, map(self.venue.instrument, self.symbols)))
        machine.pipeline.follow("TEST-1", self.venue, self.symbols)
        return machine

    def _chunks(self, frames: Frames) -> list[Chunk]:
        return [chunk(payload, at=ingest, connection=self._connection) for payload, ingest in frames]

    def _valid_books(self, machine: Machine) -> set[int]:
        books = ((code, machine.pipeline.quotes.book(code)) for code in range(len(machine.table)))
        return {code for code, book in books if book is not None and book.is_valid}

    def _trades(self, frames: Frames) -> Iterator[tuple[int, str, AggressorSide]]:
        """Yield frame, id and side of each trade."""
        parsed = self.parsed(frames)
        batch = parsed.batches.get(TRADES.name)
        if batch is not None:
            names = ("trade_id", "trade_id_high", "aggressor_side")
            rows = zip(parsed.frames[TRADES.name].tolist(), *(batch[name].tolist() for name in names), strict=True)
            for frame, low, high, side in rows:
                yield frame, join_id(low, high), AggressorSide(side)

    def _messages(self, frames: Frames) -> Iterator[BookMessage]:
        parsed = self.parsed(frames)
        batch = parsed.batches.get(BOOK_DELTAS.name)
        if batch is None:
            return
        names = ("instrument", "side", "price", "size", "flags", "sequence", "previous")
        ends = np.flatnonzero(batch["flags"] & LAST).tolist()
        start = 0
        for end in ends:
            rows = list(zip(*(batch[name][start : end + 1].tolist() for name in names), strict=True))
            code, sequence, previous = rows[0][0], rows[0][5], rows[0][6]
            levels = [row[1:4] for row in rows if not row[4] & CLEAR]
            numbers = [None if number == NULL_INT else number for number in (sequence, previous)]
            message = Message(levels, bool(rows[0][4] & SNAPSHOT), *numbers)
            yield BookMessage(code, int(parsed.frames[BOOK_DELTAS.name][end]), message)
            start = end + 1


def _sized(instrument: Instrument) -> Instrument:
    """Return an instrument whose contracts are one unit: what the venue's list would have told."""
    return msgspec.structs.replace(instrument, contract_size=1.0) if instrument.contract else instrument


def _row_around(text: str, trade_id: str) -> str:
    """Return the innermost object with the id in it, or nothing."""
    found = re.search(rf"(?<![\d.]){trade_id}(?![\d.])", text) if len(trade_id) > _SHORT else None
    return text[text.rfind("{", 0, found.start()) : text.find("}", found.end())] if found else ""
