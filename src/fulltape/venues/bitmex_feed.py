"""BitMEX's WebSocket tables and the parser that turns them into columns.

https://www.bitmex.com/app/wsAPI. A table begins with a ``partial``; rows are then inserted, updated and deleted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import msgspec
import numpy as np

from fulltape.clock import SECOND_NS
from fulltape.errors import MalformedFrame
from fulltape.records import BARS, QUOTES, TRADES, AggressorSide, Array, Instrument, Origin, QuoteSource
from fulltape.records.columns import NULL_INT
from fulltape.records.frames import Connection
from fulltape.venues.base import Parsed, Refused, Symbols
from fulltape.venues.bitmex_wire import (
    CHANNEL_NAMES,
    TAKER,
    BinRow,
    BookRow,
    InstrumentRow,
    InstrumentUpdate,
    QuoteRow,
    TradeRow,
)
from fulltape.venues.feed import Confirmed, FeedParser, RowsDecoder, Taker, decode_frame, ignore
from fulltape.venues.levels import ASK, BID, BookMessage, Level, add_book_messages
from fulltape.venues.rows import Codes, Rows
from fulltape.venues.times import parse_times

_CHANNELS: Final = {name: channel for channel, name in CHANNEL_NAMES.items()}
_PASSING_STATUS: Final = frozenset((429, 500, 502, 503))
_BOOK_SIDE: Final = {"Buy": BID, "Sell": ASK}
_BIN_S: Final = 60


class _Filter(msgspec.Struct, frozen=True):
    symbol: str = ""


class _Frame(msgspec.Struct, frozen=True):
    table: str = ""
    action: Literal["", "partial", "insert", "update", "delete"] = ""
    data: msgspec.Raw = msgspec.Raw()
    filter: _Filter = _Filter()
    subscribe: str = ""
    unsubscribe: str = ""
    error: str = ""
    status: int = 400
    info: str = ""


_decode_frame = msgspec.json.Decoder(_Frame).decode
_ROWS: Final[Mapping[str, RowsDecoder]] = {
    "trade": RowsDecoder(TradeRow),
    "quote": RowsDecoder(QuoteRow),
    "orderBookL2": RowsDecoder(BookRow),
    "tradeBin1m": RowsDecoder(BinRow),
}
_INSTRUMENTS: Final = RowsDecoder(InstrumentRow)
_INSTRUMENT_UPDATES: Final = RowsDecoder(InstrumentUpdate)


class _Book:
    """The prices behind a book's ids, and a number for each of its messages."""

    __slots__ = ("_number", "_prices")

    def __init__(self) -> None:
        self._prices: dict[tuple[int, str], float] = {}
        self._number = -1

    def begin(self) -> None:
        """Forget every level, as the table comes whole. It follows all that came before, so the number grows."""
        self._prices.clear()
        self._number += 1

    def take(self, symbol: str, action: str, rows: Sequence[BookRow]) -> BookMessage:
        """Return the message of ``rows``, its time still missing.

        The venue numbers nothing, so we do. A row whose id nobody knows means that the book is no longer the venue's:
        the message then follows a number that never was, which shows as a hole.
        """
        levels = [self._level(action, row) for row in rows]
        if action == "partial":
            return BookMessage(symbol, True, 0, levels, self._number)
        previous = self._number + any(math.isnan(price) for _, price, _ in levels)
        self._number = previous + 1
        return BookMessage(symbol, False, 0, levels, self._number, previous)

    def _level(self, action: str, row: BookRow) -> Level:
        key = (row.id, row.side)
        side = _BOOK_SIDE[row.side]
        if action == "delete":
            return (side, self._prices.pop(key, np.nan), 0.0)
        price = row.price
        if price is None or action == "update":
            price = self._prices.get(key, np.nan)
        else:
            self._prices[key] = price
        return (side, price, np.nan if row.size is None else row.size)


class BitmexParser(FeedParser):
    """Turns the frames of one connection into columns. Remembers prices by level id, instruments, confirmations."""

    def __init__(self, symbols: Symbols, connection: Connection) -> None:
        self._codes = Codes(symbols)
        self._live = int(Origin.REPLAY if connection.replay else Origin.LIVE)
        self._confirmed = Confirmed()
        self._books: dict[str, _Book] = {}
        self._instruments: dict[str, Instrument] = {}
        self._takers: Mapping[str, Taker] = {
            "trade": self._take_trades,
            "quote": self._take_quotes,
            "orderBookL2": self._take_books,
            "tradeBin1m": self._take_bins,
        }

    @property
    def takers(self) -> Mapping[str, Taker]:
        """Who takes which table."""
        return self._takers

    def read(self, frame: int, payload: bytes, parsed: Parsed) -> tuple[str, Sequence[Any]] | None:
        """Return a frame's table and its rows."""
        if payload == b"pong":
            ignore("pong", parsed)
            return None
        message = decode_frame(_decode_frame, payload)
        if not message.table:
            self._read_control(frame, message, payload, parsed)
        elif not message.action:
            raise MalformedFrame("bad_field", f"a row of {message.table[:50]} without an action")
        elif message.table == "instrument":
            self._read_instruments(frame, message, parsed)
        elif message.table in _ROWS:
            return message.table, self._rows(frame, message, parsed)
        else:
            raise MalformedFrame("unknown_type", message.table[:100])
        return None

    def _read_control(self, frame: int, message: _Frame, payload: bytes, parsed: Parsed) -> None:
        if message.error:
            parsed.controls.append((frame, Refused(message.error, message.status not in _PASSING_STATUS)))
        elif message.info:
            ignore("info", parsed)
        elif topic := message.subscribe or message.unsubscribe:
            table, _, symbol = topic.partition(":")
            if table not in _CHANNELS:
                ignore("subscribe", parsed)
                return
            change = self._confirmed.add if message.subscribe else self._confirmed.remove
            parsed.controls.append((frame, change(_CHANNELS[table], [symbol] if symbol else [])))
        else:
            raise MalformedFrame("unknown_type", payload[:100].decode(errors="replace"))

    def _rows(self, frame: int, message: _Frame, parsed: Parsed) -> Sequence[Any]:
        rows = _ROWS[message.table].decode(message.data, frame, parsed)
        if message.table == "orderBookL2":
            return self._book_rows(message, rows, parsed)
        if message.table == "trade":
            origin = int(Origin.SNAPSHOT) if message.action == "partial" else self._live
            traded = [(row, origin) for row in rows if row.size != 0]
            ignore("index", parsed, len(rows) - len(traded))
            return traded
        if message.table == "tradeBin1m":
            priced = [row for row in rows if row.close is not None]
            ignore("empty_bar", parsed, len(rows) - len(priced))
            return priced
        return rows

    def _book_rows(self, message: _Frame, rows: list[BookRow], parsed: Parsed) -> list[tuple[BookMessage, str]]:
        """Return a message for each symbol in the frame, with the text of its time."""
        own: dict[str, list[BookRow]] = {}
        if message.action == "partial":
            if message.filter.symbol:
                own[message.filter.symbol] = []
            for symbol in dict.fromkeys((*own, *(row.symbol for row in rows))):
                self._books.setdefault(symbol, _Book()).begin()
        for row in rows:
            own.setdefault(row.symbol, []).append(row)
        messages = []
        for symbol, part in own.items():
            if symbol in self._books:
                book = self._books[symbol].take(symbol, message.action, part)
                messages.append((book, part[-1].timestamp if part else ""))
            else:
                ignore("before_partial", parsed)
        return messages

    def _read_instruments(self, frame: int, message: _Frame, parsed: Parsed) -> None:
        """Instruments come whole at first; of the many sparse updates only a new state matters."""
        if message.action in ("partial", "insert"):
            found = [row.instrument() for row in _INSTRUMENTS.decode(message.data, frame, parsed)]
        else:
            updates = _INSTRUMENT_UPDATES.decode(message.data, frame, parsed)
            found = [
                msgspec.structs.replace(self._instruments[row.symbol], status=row.status)
                for row in updates
                if row.state and row.symbol in self._instruments
            ]
            if not found:
                ignore("instrument", parsed)
        for instrument in found:
            if instrument is not None:
                self._instruments[instrument.venue_symbol] = instrument
                parsed.instruments.append(instrument)

    def _take_trades(self, pairs: list[tuple[TradeRow, int]], frames: Array, received: Array, parsed: Parsed) -> None:
        rows = Rows(TRADES, frames, received)
        rows.instruments(self._codes, [trade.symbol for trade, _ in pairs])
        put_trades(rows, [trade for trade, _ in pairs])
        rows.put("origin", [origin for _, origin in pairs])
        rows.finish(parsed)

    def _take_quotes(self, quotes: list[QuoteRow], frames: Array, received: Array, parsed: Parsed) -> None:
        rows = Rows(QUOTES, frames, received)
        rows.instruments(self._codes, [quote.symbol for quote in quotes])
        rows.figures("bid", [quote.bid_price for quote in quotes], zero_is_null=True)
        rows.figures("bid_size", [quote.bid_size for quote in quotes])
        rows.figures("ask", [quote.ask_price for quote in quotes], zero_is_null=True)
        rows.figures("ask_size", [quote.ask_size for quote in quotes])
        rows.times([quote.timestamp for quote in quotes])
        rows.put("source", np.full(len(quotes), int(QuoteSource.QUOTE)))
        rows.finish(parsed)

    def _take_books(self, pairs: list[tuple[BookMessage, str]], frames: Array, received: Array, parsed: Parsed) -> None:
        times = parse_times([text for _, text in pairs]).tolist()
        messages = [message._replace(event_time=time) for (message, _), time in zip(pairs, times, strict=True)]
        add_book_messages(messages, self._codes, frames, received, parsed)

    def _take_bins(self, bins: list[BinRow], frames: Array, received: Array, parsed: Parsed) -> None:
        rows = Rows(BARS, frames, received)
        rows.instruments(self._codes, [one.symbol for one in bins])
        put_bins(rows, bins, _BIN_S)
        rows.finish(parsed)


def put_trades(rows: Rows, trades: Sequence[TradeRow]) -> None:
    """Add the columns of trades, all but instrument and origin. The size is in the base currency."""
    rows.text_ids("trade_id", [trade.trade_id for trade in trades])
    rows.positive("price", [trade.price for trade in trades])
    rows.positive("size", [np.nan if trade.home_notional is None else trade.home_notional for trade in trades])
    rows.put("aggressor_side", [TAKER.get(trade.side, int(AggressorSide.UNKNOWN)) for trade in trades])
    rows.times([trade.timestamp for trade in trades])


def put_bins(rows: Rows, bins: Sequence[BinRow], interval_s: int) -> None:
    """Add the columns of bars, all but the instrument. The venue stamps a bar with its end."""
    ends = parse_times([one.timestamp for one in bins]).tolist()
    rows.counted_times([end - interval_s * SECOND_NS for end in ends], 1, "start")
    rows.put("interval", np.full(len(bins), interval_s))
    for name in ("open", "high", "low", "close"):
        prices = [getattr(one, name) for one in bins]
        rows.positive(name, [np.nan if price is None else price for price in prices])
    rows.volumes("volume", [one.volume_in_base() for one in bins])
    rows.figures("vwap", [one.vwap for one in bins], zero_is_null=True)
    rows.put("trades", [NULL_INT if one.trades is None else one.trades for one in bins])
