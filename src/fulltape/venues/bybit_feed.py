"""Bybit v5's feed: the parser that turns its messages into columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeVar

import msgspec
import numpy as np

from fulltape.errors import MalformedFrame
from fulltape.records import BARS, QUOTES, RFQ_MATCHES, TICKERS, TRADES, AggressorSide, Array, Origin, QuoteSource
from fulltape.records.columns import NULL_INT
from fulltape.records.frames import Connection
from fulltape.venues.base import Channel, Parsed, Refused, Symbols
from fulltape.venues.bybit_wire import (
    CHANNELS,
    MILLISECOND_NS,
    TAKER,
    BookData,
    Frame,
    KlineRow,
    TickerData,
    TradeRow,
)
from fulltape.venues.feed import UNDECODABLE, Confirmed, FeedParser, RowsDecoder, Taker, ignore
from fulltape.venues.levels import BookMessage, add_book_messages, both_sides
from fulltape.venues.rows import UNKNOWN_CODE, Codes, Rows, excerpt

T = TypeVar("T")
_Top = tuple[float, float] | tuple[None, None]

# Topics that fulltape never asks for.
_UNUSED: Final = ("orderbook.", "kline.", "allLiquidation", "liquidation", "insurance", "priceLimit", "adlAlert")
_BOOK: Final = "book"
_BAR_SECONDS: Final = 60
_PASSING_REFUSALS: Final = ("too many", "rate limit", "timeout", "internal")

_decode_frame = msgspec.json.Decoder(Frame, strict=False).decode
_decode_book = msgspec.json.Decoder(BookData, strict=False).decode
_decode_ticker = msgspec.json.Decoder(TickerData, strict=False).decode
_TRADES: Final = RowsDecoder(TradeRow)
_KLINES: Final = RowsDecoder(KlineRow)


class _Ticker(NamedTuple):
    data: TickerData
    time: int
    sequence: int


class _Quote(NamedTuple):
    symbol: str
    bid: _Top
    ask: _Top
    time: int


class _Bar(NamedTuple):
    symbol: str
    row: KlineRow


class BybitParser(FeedParser):
    """Turns the frames of one connection into columns.

    Remembers what is confirmed, and of each followed instrument the last ticker, which later ones change in part.
    """

    def __init__(self, symbols: Symbols, connection: Connection) -> None:
        self._codes = Codes(symbols)
        self._origin = int(Origin.REPLAY if connection.replay else Origin.LIVE)
        self._confirmed = Confirmed()
        self._tickers: dict[str, TickerData] = {}
        self._readers: Mapping[Channel, _Reader] = {
            Channel.TRADES: _read_trades,
            Channel.QUOTES: _read_quote,
            Channel.TICKERS: self._read_ticker,
            Channel.BOOK: _read_book,
            Channel.BOOK_FULL: _read_book,
            Channel.BARS: _read_bars,
        }
        self._takers: Mapping[str, Taker] = {
            Channel.TRADES: self._take_trades,
            Channel.QUOTES: self._take_quotes,
            Channel.TICKERS: self._take_tickers,
            _BOOK: self._take_book,
            Channel.BARS: self._take_bars,
        }

    @property
    def takers(self) -> Mapping[str, Taker]:
        """Who takes the rows of which kind."""
        return self._takers

    def read(self, frame: int, payload: bytes, parsed: Parsed) -> tuple[str, Sequence[Any]] | None:
        """Return the rows of a frame; see `fulltape.venues.feed.FeedParser`."""
        try:
            message = _decode_frame(payload)
        except UNDECODABLE as error:
            raise MalformedFrame("malformed_json", str(error)) from None
        if not message.topic:
            self._read_answer(frame, message, parsed)
            return None
        name, _, symbol = message.topic.rpartition(".")
        channel = CHANNELS.get(name)
        if channel is not None:
            return self._readers[channel](message, symbol, frame, parsed)
        if not message.topic.startswith(_UNUSED):
            raise MalformedFrame("unknown_type", message.topic[:100])
        ignore(name[:40], parsed)
        return None

    def _read_answer(self, frame: int, message: Frame, parsed: Parsed) -> None:
        """Take the answer to a request. Each topic is asked for under its own name, which comes back as the id."""
        name, _, symbol = message.req_id.rpartition(".")
        channel = CHANNELS.get(name)
        if message.op in ("ping", "pong"):
            ignore("pong", parsed)
        elif message.op not in ("subscribe", "unsubscribe"):
            raise MalformedFrame("unknown_type", f"op {message.op[:80]!r}")
        elif not message.success:
            passes = any(sign in message.ret_msg.lower() for sign in _PASSING_REFUSALS)
            words = f"{message.req_id}: {message.ret_msg}".removeprefix(": ")
            parsed.controls.append((frame, Refused(words, is_final=not passes)))
        elif channel is None:
            ignore(message.op, parsed)
        else:
            change = self._confirmed.add if message.op == "subscribe" else self._confirmed.remove
            parsed.controls.append((frame, change(channel, [symbol])))

    def _read_ticker(self, message: Frame, symbol: str, frame: int, parsed: Parsed) -> _Read:
        data = _decode(_decode_ticker, message.data)
        if self._codes[data.symbol] == UNKNOWN_CODE:
            raise MalformedFrame("unknown_instrument", excerpt(data.symbol))
        if message.type == "delta":
            earlier = self._tickers.get(data.symbol)
            if earlier is None:
                raise MalformedFrame("no_snapshot", f"a change of a ticker of {data.symbol} that has not come yet")
            data = data.over(earlier)
        if data.price is None:
            raise MalformedFrame("bad_field", "a ticker without a price")
        self._tickers[data.symbol] = data
        sequence = NULL_INT if message.cs is None else message.cs
        return Channel.TICKERS, (_Ticker(data, message.ts, sequence),)

    def _take_trades(self, trades: list[TradeRow], frames: Array, received: Array, parsed: Parsed) -> None:
        is_block = np.array([trade.is_block for trade in trades], np.bool_)
        if is_block.any():
            blocks = [trade for trade in trades if trade.is_block]
            rows = Rows(RFQ_MATCHES, frames[is_block], received[is_block])
            rows.put("side", [trade.side for trade in blocks])
            self._add_trades(rows, blocks, parsed)
            trades, frames, received = [t for t in trades if not t.is_block], frames[~is_block], received[~is_block]
        if trades:
            rows = Rows(TRADES, frames, received)
            rows.put("aggressor_side", [TAKER[trade.side] for trade in trades])
            rows.put("origin", np.full(len(trades), self._origin))
            self._add_trades(rows, trades, parsed)

    def _add_trades(self, rows: Rows, trades: list[TradeRow], parsed: Parsed) -> None:
        rows.instruments(self._codes, [trade.symbol for trade in trades])
        rows.text_ids("trade_id", [trade.id for trade in trades])
        rows.positive("price", [trade.price for trade in trades])
        rows.positive("size", [trade.size for trade in trades])
        rows.counted_times([trade.time for trade in trades], MILLISECOND_NS)
        rows.finish(parsed)

    def _take_quotes(self, quotes: list[_Quote], frames: Array, received: Array, parsed: Parsed) -> None:
        rows = Rows(QUOTES, frames, received)
        rows.instruments(self._codes, [quote.symbol for quote in quotes])
        rows.figures("bid", [quote.bid[0] for quote in quotes], zero_is_null=True)
        rows.figures("bid_size", [quote.bid[1] for quote in quotes])
        rows.figures("ask", [quote.ask[0] for quote in quotes], zero_is_null=True)
        rows.figures("ask_size", [quote.ask[1] for quote in quotes])
        rows.counted_times([quote.time for quote in quotes], MILLISECOND_NS)
        rows.put("source", np.full(len(quotes), QuoteSource.QUOTE))
        rows.finish(parsed)

    def _take_tickers(self, tickers: list[_Ticker], frames: Array, received: Array, parsed: Parsed) -> None:
        rows = Rows(TICKERS, frames, received)
        rows.instruments(self._codes, [ticker.data.symbol for ticker in tickers])
        rows.put("sequence", [ticker.sequence for ticker in tickers])
        # The venue does not say which trade was the last.
        rows.ids("trade_id", [0] * len(tickers))
        rows.put("size", np.full(len(tickers), np.nan))
        rows.put("aggressor_side", np.full(len(tickers), AggressorSide.UNKNOWN))
        for name in ("price", "bid", "ask", "open_24h", "high_24h", "low_24h"):
            rows.figures(name, [getattr(ticker.data, name) for ticker in tickers], zero_is_null=True)
        for name in ("bid_size", "ask_size", "volume_24h"):
            rows.figures(name, [getattr(ticker.data, name) for ticker in tickers])
        rows.put("volume_30d", np.full(len(tickers), np.nan))
        rows.counted_times([ticker.time for ticker in tickers], MILLISECOND_NS)
        rows.finish(parsed)

    def _take_book(self, messages: list[BookMessage], frames: Array, received: Array, parsed: Parsed) -> None:
        add_book_messages(messages, self._codes, frames, received, parsed)

    def _take_bars(self, bars: list[_Bar], frames: Array, received: Array, parsed: Parsed) -> None:
        rows = Rows(BARS, frames, received)
        rows.instruments(self._codes, [bar.symbol for bar in bars])
        rows.put("interval", np.full(len(bars), _BAR_SECONDS))
        for name in ("open", "high", "low", "close"):
            rows.positive(name, [getattr(bar.row, name) for bar in bars])
        rows.volumes("volume", [bar.row.volume for bar in bars])
        rows.figures(
            "vwap", [bar.row.turnover / bar.row.volume if bar.row.volume else None for bar in bars], zero_is_null=True
        )
        rows.put("trades", np.full(len(bars), NULL_INT))
        rows.counted_times([bar.row.start for bar in bars], MILLISECOND_NS, "start")
        rows.finish(parsed)


_Read = tuple[str, Sequence[Any]]
_Reader = Callable[[Frame, str, int, Parsed], _Read]
_EMPTY: Final = (None, None)


def _read_trades(message: Frame, symbol: str, frame: int, parsed: Parsed) -> _Read:
    return Channel.TRADES, _TRADES.decode(message.data, frame, parsed)


def _read_quote(message: Frame, symbol: str, frame: int, parsed: Parsed) -> _Read:
    """Read a book of depth 1, which always comes whole."""
    book = _decode(_decode_book, message.data)
    bid, ask = (side[0] if side else _EMPTY for side in (book.bids, book.asks))
    return Channel.QUOTES, (_Quote(book.symbol, bid, ask, message.cts or message.ts),)


def _read_book(message: Frame, symbol: str, frame: int, parsed: Parsed) -> _Read:
    """Read a book or changes of one, which count by one.

    "Occasionally, you'll receive "u"=1, which is a snapshot data due to the restart of the service":
    https://bybit-exchange.github.io/docs/v5/websocket/public/orderbook
    """
    book = _decode(_decode_book, message.data)
    is_snapshot = message.type == "snapshot" or book.update == 1
    time = (message.cts or message.ts) * MILLISECOND_NS
    levels = both_sides(book.bids, book.asks)
    previous = None if is_snapshot else book.update - 1
    return _BOOK, (BookMessage(book.symbol, is_snapshot, time, levels, book.update, previous),)


def _read_bars(message: Frame, symbol: str, frame: int, parsed: Parsed) -> _Read:
    """Read bars that are final; others are only counted."""
    rows = _KLINES.decode(message.data, frame, parsed)
    if not all(row.confirm for row in rows):
        ignore("kline", parsed)
    return Channel.BARS, [_Bar(symbol, row) for row in rows if row.confirm]


def _decode(decode: Callable[[msgspec.Raw], T], raw: msgspec.Raw) -> T:
    try:
        return decode(raw)
    except UNDECODABLE as error:
        raise MalformedFrame("bad_field", str(error)) from None
