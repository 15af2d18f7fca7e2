"""BitMEX's feed: the parser that turns its tables into columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np

from fulltape.clock import SECOND_NS
from fulltape.errors import MalformedFrame
from fulltape.records import BARS, QUOTES, TRADES, AggressorSide, Array, Instrument, Origin, QuoteSource
from fulltape.records.columns import NULL_INT
from fulltape.records.frames import Connection
from fulltape.venues.base import Parsed, Refused, Reject, Symbols
from fulltape.venues.bitmex_wire import (
    CHANNEL_NAMES,
    TAKER,
    BinRow,
    Bins,
    BookRow,
    Frame,
    InstrumentRow,
    Instruments,
    InstrumentUpdate,
    Levels,
    Message,
    QuoteRow,
    Quotes,
    TradeRow,
    Trades,
)
from fulltape.venues.feed import Confirmed, FeedParser, RowsDecoder, Takers, decode_frame, ignore, spread
from fulltape.venues.levels import ASK, BID, BookMessages, Level, add_book, followed_codes, levels_of
from fulltape.venues.rows import Codes, Rows, is_plausible
from fulltape.venues.times import parse_times

_CHANNELS: Final = {name: channel for channel, name in CHANNEL_NAMES.items()}
_PASSING_STATUS: Final = frozenset((429, 500, 502, 503))
_BOOK_SIDE: Final = {"Buy": BID, "Sell": ASK}
_BIN_S: Final = 60

_decode: Final = msgspec.json.Decoder(Message, strict=False).decode
_decode_frame = msgspec.json.Decoder(Frame).decode
_CAREFULLY: Final[Mapping[str, tuple[type[Any], RowsDecoder]]] = {
    "trade": (Trades, RowsDecoder(TradeRow)),
    "quote": (Quotes, RowsDecoder(QuoteRow)),
    "tradeBin1m": (Bins, RowsDecoder(BinRow)),
}
_LEVELS: Final = RowsDecoder(BookRow)
_INSTRUMENTS: Final = RowsDecoder(InstrumentRow)
_INSTRUMENT_UPDATES: Final = RowsDecoder(InstrumentUpdate)


class _Change(NamedTuple):
    """What a message of the venue, at ``place`` in the call, changes in one book; ``text`` is its time."""

    place: int
    symbol: str
    levels: list[Level]
    number: int
    previous: int
    is_snapshot: bool
    text: str


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

    def take(self, place: int, action: str, rows: Sequence[BookRow], symbol: str) -> _Change:
        """Return the message of ``rows``.

        The venue numbers nothing, so we do. A row whose id nobody knows means that the book is no longer the venue's:
        the message then follows a number that never was, which shows as a hole.
        """
        levels = [self._level(action, row) for row in rows]
        text = rows[-1].timestamp if rows else ""
        if action == "partial":
            return _Change(place, symbol, levels, self._number, NULL_INT, is_snapshot=True, text=text)
        previous = self._number + any(price != price for _, price, _ in levels)  # noqa: PLR0124 - NaN
        self._number = previous + 1
        return _Change(place, symbol, levels, self._number, previous, is_snapshot=False, text=text)

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
        takers: Takers = (
            ((Trades,), self._take_trades),
            ((Quotes,), self._take_quotes),
            ((Levels,), self._take_levels),
            ((Bins,), self._take_bins),
            ((Instruments,), self._take_instruments),
        )
        super().__init__(_decode, takers)

    def read(self, frame: int, payload: bytes, parsed: Parsed) -> Message | None:
        """Return the good rows of a frame, or take what is no data."""
        if payload == b"pong":
            ignore("pong", parsed)
            return None
        message = decode_frame(_decode_frame, payload)
        if not message.table:
            self._read_control(frame, message, payload, parsed)
            return None
        if not message.action:
            raise MalformedFrame("bad_field", f"a row of {message.table[:50]} without an action")
        if message.table == "instrument":
            return Instruments(message.action, message.data)
        if message.table == "orderBookL2":
            return Levels(message.action, _LEVELS.decode(message.data, frame, parsed), message.filter)
        if message.table not in _CAREFULLY:
            raise MalformedFrame("unknown_type", message.table[:100])
        kind, rows = _CAREFULLY[message.table]
        found: Message = kind(message.action, rows.decode(message.data, frame, parsed))
        return found

    def _read_control(self, frame: int, message: Frame, payload: bytes, parsed: Parsed) -> None:
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

    def _take_instruments(self, messages: list[Instruments], frames: Array, received: Array, parsed: Parsed) -> None:
        for frame, message in zip(frames.tolist(), messages, strict=True):
            try:
                self._read_instruments(frame, message, parsed)
            except MalformedFrame as error:
                parsed.rejects.append(Reject(frame, error.reason, error.detail))

    def _read_instruments(self, frame: int, message: Instruments, parsed: Parsed) -> None:
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

    def _take_trades(self, messages: list[Trades], frames: Array, received: Array, parsed: Parsed) -> None:
        shown, owners = spread([message.data for message in messages])
        trades = [row for row in shown if row.size != 0]
        if len(trades) < len(shown):
            ignore("index", parsed, len(shown) - len(trades))
            owners = owners[[row.size != 0 for row in shown]]
        origins = [int(Origin.SNAPSHOT) if message.action == "partial" else self._live for message in messages]
        rows = Rows(TRADES, frames[owners], received[owners])
        rows.instruments(self._codes, [trade.symbol for trade in trades])
        put_trades(rows, trades)
        rows.put("origin", np.array(origins, np.uint8)[owners])
        rows.finish(parsed)

    def _take_quotes(self, messages: list[Quotes], frames: Array, received: Array, parsed: Parsed) -> None:
        quotes, owners = spread([message.data for message in messages])
        rows = Rows(QUOTES, frames[owners], received[owners])
        rows.instruments(self._codes, [quote.symbol for quote in quotes])
        rows.figures("bid", [quote.bid_price for quote in quotes], zero_is_null=True)
        rows.figures("bid_size", [quote.bid_size for quote in quotes])
        rows.figures("ask", [quote.ask_price for quote in quotes], zero_is_null=True)
        rows.figures("ask_size", [quote.ask_size for quote in quotes])
        rows.times([quote.timestamp for quote in quotes])
        rows.put("source", np.full(len(quotes), int(QuoteSource.QUOTE)))
        rows.finish(parsed)

    def _take_levels(self, messages: list[Levels], frames: Array, received: Array, parsed: Parsed) -> None:
        changes = [change for place, message in enumerate(messages) for change in self._changes(place, message, parsed)]
        places = np.array([change.place for change in changes], np.int64)
        frames, received = frames[places], received[places]
        kept, codes = followed_codes([change.symbol for change in changes], self._codes, frames, parsed)
        if not len(kept):
            return
        followed, received = [changes[place] for place in kept.tolist()], received[kept]
        times = parse_times([change.text for change in followed])
        book = BookMessages(
            frames=frames[kept],
            codes=codes,
            event_times=np.where(is_plausible(times, received), times, received),
            received=received,
            is_snapshot=np.array([change.is_snapshot for change in followed], np.bool_),
            levels=levels_of([change.levels for change in followed]),
            sequence=np.array([change.number for change in followed], np.int64),
            previous=np.array([change.previous for change in followed], np.int64),
        )
        add_book(book, parsed)

    def _changes(self, place: int, message: Levels, parsed: Parsed) -> Iterator[_Change]:
        """Give the change of each symbol's book in a message."""
        own: dict[str, list[BookRow]] = {}
        if message.action == "partial":
            if message.filter.symbol:
                own[message.filter.symbol] = []
            for symbol in dict.fromkeys((*own, *(row.symbol for row in message.data))):
                self._books.setdefault(symbol, _Book()).begin()
        for row in message.data:
            own.setdefault(row.symbol, []).append(row)
        for symbol, rows in own.items():
            if symbol in self._books:
                yield self._books[symbol].take(place, message.action, rows, symbol)
            else:
                ignore("before_partial", parsed)

    def _take_bins(self, messages: list[Bins], frames: Array, received: Array, parsed: Parsed) -> None:
        shown, owners = spread([message.data for message in messages])
        bins = [row for row in shown if row.close is not None]
        ignore("empty_bar", parsed, len(shown) - len(bins))
        owners = owners[[row.close is not None for row in shown]]
        rows = Rows(BARS, frames[owners], received[owners])
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
