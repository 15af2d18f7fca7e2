"""Kraken's feed: the parser that turns its messages into columns."""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter
from typing import Any, Final

import msgspec
import numpy as np

from fulltape.errors import MalformedFrame
from fulltape.records import BARS, TICKERS, TRADES, AggressorSide, Array, Origin
from fulltape.records.columns import NULL_INT
from fulltape.records.frames import Connection
from fulltape.records.instrument import is_instrument_id
from fulltape.venues.base import Parsed, Refused, Symbols
from fulltape.venues.feed import Confirmed, FeedParser, RowsDecoder, Takers, decode_frame, ignore, spread
from fulltape.venues.kraken_wire import (
    CHANNEL_NAMES,
    TAKER,
    BarRow,
    Bars,
    BookRow,
    Books,
    Frame,
    Pairs,
    TickerRow,
    Tickers,
    TradeRow,
    Trades,
)
from fulltape.venues.levels import BookMessage, add_book_messages
from fulltape.venues.rows import Codes, Rows
from fulltape.venues.times import parse_times

_CHANNELS: Final = {name: channel for channel, name in CHANNEL_NAMES.items()}
_PASSING_ERRORS: Final = ("msg rate", "Too many", "unavailable", "Busy")
_BAR_S: Final = 60
_DIGITS: Final = 10
"""No pair has finer prices, and the difference of two has no more."""

_decode_frame = msgspec.json.Decoder(Frame).decode
_decode_pairs = msgspec.json.Decoder(Pairs).decode
_decode: Final = msgspec.json.Decoder(Trades | Tickers | Books | Bars, strict=False).decode
_CAREFULLY: Final[Mapping[str, tuple[type[Any], RowsDecoder]]] = {
    "trade": (Trades, RowsDecoder(TradeRow)),
    "ticker": (Tickers, RowsDecoder(TickerRow)),
    "book": (Books, RowsDecoder(BookRow)),
    "ohlc": (Bars, RowsDecoder(BarRow)),
}


class KrakenParser(FeedParser):
    """Turns the frames of one connection into columns. Remembers confirmations and each instrument's current bar."""

    def __init__(self, symbols: Symbols, connection: Connection) -> None:
        self._codes = Codes(symbols)
        live = Origin.REPLAY if connection.replay else Origin.LIVE
        self._origins = {"snapshot": int(Origin.SNAPSHOT), "update": int(live)}
        self._confirmed = Confirmed()
        self._bars: dict[str, BarRow] = {}
        takers: Takers = (
            ((Trades,), self._take_trades),
            ((Tickers,), self._take_tickers),
            ((Books,), self._take_books),
            ((Bars,), self._take_bars),
        )
        super().__init__(_decode, takers)

    def read(self, frame: int, payload: bytes, parsed: Parsed) -> Trades | Tickers | Books | Bars | None:
        """Return the good rows of a frame, or take what is no data."""
        message = decode_frame(_decode_frame, payload)
        if message.method or message.error:
            self._read_answer(frame, message, parsed)
        elif message.channel in ("heartbeat", "status"):
            ignore(message.channel, parsed)
        elif message.channel == "instrument":
            _read_pairs(message, parsed)
        elif message.channel not in _CAREFULLY:
            raise MalformedFrame("unknown_type", (message.channel or payload[:100].decode(errors="replace"))[:100])
        elif not message.type:
            raise MalformedFrame("bad_field", f"rows of {message.channel} of no type")
        else:
            kind, rows = _CAREFULLY[message.channel]
            found: Trades | Tickers | Books | Bars = kind(message.type, rows.decode(message.data, frame, parsed))
            return found
        return None

    def _read_answer(self, frame: int, message: Frame, parsed: Parsed) -> None:
        channel, symbol = _CHANNELS.get(message.result.channel), message.result.symbol
        if message.error:
            is_final = not any(sign in message.error for sign in _PASSING_ERRORS)
            parsed.controls.append((frame, Refused(f"{message.symbol} {message.error}".strip(), is_final)))
        elif message.method == "pong":
            ignore("pong", parsed)
        elif message.method not in ("subscribe", "unsubscribe"):
            raise MalformedFrame("unknown_type", message.method[:100])
        elif channel is None or not message.success:
            raise MalformedFrame("bad_field", f"an answer to {message.method} that says nothing")
        else:
            change = self._confirmed.add if message.method == "subscribe" else self._confirmed.remove
            parsed.controls.append((frame, change(channel, [symbol] if symbol else [])))

    def _finished_by(self, row: BarRow) -> BarRow | None:
        """Return the bar that ``row`` shows to be finished: the venue repeats a bar until the next one begins."""
        held = self._bars.get(row.symbol)
        if held is None or row.interval_begin >= held.interval_begin:
            self._bars[row.symbol] = row
        return held if held is not None and row.interval_begin > held.interval_begin else None

    def _take_trades(self, messages: list[Trades], frames: Array, received: Array, parsed: Parsed) -> None:
        trades, owners = spread([message.data for message in messages])
        origins = np.array([self._origins[message.type] for message in messages], np.uint8)
        rows = Rows(TRADES, frames[owners], received[owners])
        rows.instruments(self._codes, [trade.symbol for trade in trades])
        rows.ids("trade_id", [trade.trade_id for trade in trades])
        rows.positive("price", [trade.price for trade in trades])
        rows.positive("size", [trade.qty for trade in trades])
        rows.put("aggressor_side", [TAKER[trade.side] for trade in trades])
        rows.times([trade.timestamp for trade in trades])
        rows.put("origin", origins[owners])
        rows.finish(parsed)

    def _take_tickers(self, messages: list[Tickers], frames: Array, received: Array, parsed: Parsed) -> None:
        tickers, owners = spread([message.data for message in messages])
        frames, received = frames[owners], received[owners]
        nothing = np.full(len(tickers), np.nan).tolist()
        rows = Rows(TICKERS, frames, received)
        rows.instruments(self._codes, [ticker.symbol for ticker in tickers])
        rows.put("sequence", np.full(len(tickers), NULL_INT))
        rows.ids("trade_id", [0] * len(tickers))
        rows.positive("price", [ticker.last for ticker in tickers])
        rows.figures("size", nothing)
        rows.put("aggressor_side", np.full(len(tickers), int(AggressorSide.UNKNOWN)))
        rows.figures("bid", [ticker.bid for ticker in tickers], zero_is_null=True)
        rows.figures("bid_size", [ticker.bid_qty for ticker in tickers])
        rows.figures("ask", [ticker.ask for ticker in tickers], zero_is_null=True)
        rows.figures("ask_size", [ticker.ask_qty for ticker in tickers])
        rows.figures("open_24h", [_before(ticker) for ticker in tickers], zero_is_null=True)
        rows.figures("high_24h", [ticker.high for ticker in tickers], zero_is_null=True)
        rows.figures("low_24h", [ticker.low for ticker in tickers], zero_is_null=True)
        rows.figures("volume_24h", [ticker.volume for ticker in tickers])
        rows.figures("volume_30d", nothing)
        texts = [ticker.timestamp for ticker in tickers]
        times = np.where([not text for text in texts], received, parse_times(texts))
        rows.counted_times(times.tolist(), 1)
        rows.finish(parsed)

    def _take_books(self, messages: list[Books], frames: Array, received: Array, parsed: Parsed) -> None:
        books, owners = spread([message.data for message in messages])
        is_snapshot = [messages[owner].type == "snapshot" for owner in owners.tolist()]
        times = parse_times([book.timestamp for book in books]).tolist()
        own = [
            BookMessage(book.symbol, whole, time, book.bids, book.asks, None, None, book.checksum)
            for book, whole, time in zip(books, is_snapshot, times, strict=True)
        ]
        figures = (attrgetter("price"), attrgetter("qty"))
        add_book_messages(own, self._codes, frames[owners], received[owners], parsed, figures)

    def _take_bars(self, messages: list[Bars], frames: Array, received: Array, parsed: Parsed) -> None:
        shown, owners = spread([message.data for message in messages])
        found = [self._finished_by(row) for row in shown]
        bars = [bar for bar in found if bar is not None]
        ignore("unfinished_bar", parsed, len(shown) - len(bars))
        owners = owners[[bar is not None for bar in found]]
        rows = Rows(BARS, frames[owners], received[owners])
        rows.instruments(self._codes, [bar.symbol for bar in bars])
        rows.put("interval", np.full(len(bars), _BAR_S))
        rows.times([bar.interval_begin for bar in bars], "start")
        for name in ("open", "high", "low", "close"):
            rows.positive(name, [getattr(bar, name) for bar in bars])
        rows.volumes("volume", [bar.volume for bar in bars])
        rows.figures("vwap", [bar.vwap for bar in bars], zero_is_null=True)
        rows.put("trades", [bar.trades for bar in bars])
        rows.finish(parsed)


def _read_pairs(message: Frame, parsed: Parsed) -> None:
    pairs = decode_frame(_decode_pairs, bytes(message.data)).pairs
    found = [pair.instrument() for pair in pairs]
    good = [instrument for instrument in found if is_instrument_id(instrument.id)]
    ignore("odd_instrument", parsed, len(found) - len(good))
    parsed.instruments.extend(good)


def _before(ticker: TickerRow) -> float | None:
    """Return the price of 24 hours ago, which is told as the change since then; null for one that was no price."""
    if ticker.change is None:
        return None
    return max(0.0, round(ticker.last - ticker.change, _DIGITS))
