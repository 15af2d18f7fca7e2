"""Bybit v5's feed: the parser that turns its messages into columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import msgspec
import numpy as np

from fulltape.errors import MalformedFrame
from fulltape.records import BARS, QUOTES, RFQ_MATCHES, TICKERS, TRADES, AggressorSide, Array, Origin, QuoteSource
from fulltape.records.columns import NULL_INT
from fulltape.records.frames import Connection
from fulltape.venues.base import Channel, Parsed, Refused, Reject, Symbols
from fulltape.venues.bybit_wire import (
    CHANNELS,
    MILLISECOND_NS,
    TAKER,
    TOPICS,
    Book,
    BookData,
    Frame,
    KlineRow,
    Klines,
    Quote,
    Ticker,
    TickerData,
    TradeRow,
    Trades,
)
from fulltape.venues.feed import UNDECODABLE, Confirmed, FeedParser, RowsDecoder, Takers, ignore, spread
from fulltape.venues.levels import BookMessage, add_book_messages
from fulltape.venues.rows import UNKNOWN_CODE, Codes, Rows, excerpt

T = TypeVar("T")

# Topics that fulltape never asks for.
_UNUSED: Final = ("orderbook.", "kline.", "allLiquidation", "liquidation", "insurance", "priceLimit", "adlAlert")
_BAR_SECONDS: Final = 60
_PASSING_REFUSALS: Final = ("too many", "rate limit", "timeout", "internal")

_TOPIC: Final = b'{"topic":"'
_KINDS: Final[Mapping[Channel, type[Any]]] = {
    Channel.TRADES: Trades,
    Channel.QUOTES: Quote,
    Channel.TICKERS: Ticker,
    Channel.BOOK: Book,
    Channel.BOOK_FULL: Book,
    Channel.BARS: Klines,
}
_BY_LEAD: Final = {
    _TOPIC + TOPICS[channel].encode(): msgspec.json.Decoder(kind, strict=False).decode
    for channel, kind in _KINDS.items()
}

_decode_frame = msgspec.json.Decoder(Frame, strict=False).decode
_decode_book = msgspec.json.Decoder(BookData, strict=False).decode
_decode_ticker = msgspec.json.Decoder(TickerData, strict=False).decode
_TRADES: Final = RowsDecoder(TradeRow)
_KLINES: Final = RowsDecoder(KlineRow)

Message = Trades | Book | Quote | Ticker | Klines


class BybitParser(FeedParser):
    """Turns the frames of one connection into columns.

    Remembers what is confirmed, and of each followed instrument the last ticker, which later ones change in part.
    """

    def __init__(self, symbols: Symbols, connection: Connection) -> None:
        self._codes = Codes(symbols)
        self._origin = int(Origin.REPLAY if connection.replay else Origin.LIVE)
        self._confirmed = Confirmed()
        self._tickers: dict[str, TickerData] = {}
        takers: Takers = (
            ((Trades,), self._take_trades),
            ((Quote,), self._take_quotes),
            ((Ticker,), self._take_tickers),
            ((Book,), self._take_books),
            ((Klines,), self._take_bars),
        )
        super().__init__(_decode_data, takers)

    def read(self, frame: int, payload: bytes, parsed: Parsed) -> Message | None:
        """Return the good rows of a frame, or take what is no data."""
        try:
            message = _decode_frame(payload)
        except UNDECODABLE as error:
            raise MalformedFrame("malformed_json", str(error)) from None
        if not message.topic:
            self._read_answer(frame, message, parsed)
            return None
        name, _, _ = message.topic.rpartition(".")
        channel = CHANNELS.get(name)
        if channel is not None:
            return _read_data(channel, message, frame, parsed)
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

    def _whole_ticker(self, message: Ticker) -> TickerData:
        """Return all figures of a ticker, remembered for what changes later. Raises MalformedFrame."""
        data = message.data
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
        return data

    def _take_trades(self, messages: list[Trades], frames: Array, received: Array, parsed: Parsed) -> None:
        trades, owners = spread([message.data for message in messages])
        frames, received = frames[owners], received[owners]
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

    def _take_quotes(self, quotes: list[Quote], frames: Array, received: Array, parsed: Parsed) -> None:
        rows = Rows(QUOTES, frames, received)
        rows.instruments(self._codes, [quote.data.symbol for quote in quotes])
        bids = [quote.data.bids[0] if quote.data.bids else _NO_TOP for quote in quotes]
        asks = [quote.data.asks[0] if quote.data.asks else _NO_TOP for quote in quotes]
        for name, tops in (("bid", bids), ("ask", asks)):
            rows.figures(name, [top[0] for top in tops], zero_is_null=True)
            rows.figures(f"{name}_size", [top[1] for top in tops])
        rows.counted_times([quote.cts or quote.ts for quote in quotes], MILLISECOND_NS)
        rows.put("source", np.full(len(quotes), QuoteSource.QUOTE))
        rows.finish(parsed)

    def _take_tickers(self, messages: list[Ticker], frames: Array, received: Array, parsed: Parsed) -> None:
        tickers: list[TickerData] = []
        good: list[int] = []
        for place, message in enumerate(messages):
            try:
                tickers.append(self._whole_ticker(message))
                good.append(place)
            except MalformedFrame as error:
                parsed.rejects.append(Reject(int(frames[place]), error.reason, error.detail))
        if not tickers:
            return
        messages = [messages[place] for place in good]
        rows = Rows(TICKERS, frames[good], received[good])
        rows.instruments(self._codes, [ticker.symbol for ticker in tickers])
        rows.put("sequence", [NULL_INT if message.cs is None else message.cs for message in messages])
        # The venue does not say which trade was the last.
        rows.ids("trade_id", [0] * len(tickers))
        rows.put("size", np.full(len(tickers), np.nan))
        rows.put("aggressor_side", np.full(len(tickers), AggressorSide.UNKNOWN))
        for name in ("price", "bid", "ask", "open_24h", "high_24h", "low_24h"):
            rows.figures(name, [getattr(ticker, name) for ticker in tickers], zero_is_null=True)
        for name in ("bid_size", "ask_size", "volume_24h"):
            rows.figures(name, [getattr(ticker, name) for ticker in tickers])
        rows.put("volume_30d", np.full(len(tickers), np.nan))
        rows.counted_times([message.ts for message in messages], MILLISECOND_NS)
        rows.finish(parsed)

    def _take_books(self, books: list[Book], frames: Array, received: Array, parsed: Parsed) -> None:
        add_book_messages([_book_message(book) for book in books], self._codes, frames, received, parsed)

    def _take_bars(self, messages: list[Klines], frames: Array, received: Array, parsed: Parsed) -> None:
        """Take the bars that are final; of others only the frames are counted."""
        shown, owners = spread([message.data for message in messages])
        owners_of_bars = [owner for owner, bar in zip(owners.tolist(), shown, strict=True) if bar.confirm]
        unfinished = {owner for owner, bar in zip(owners.tolist(), shown, strict=True) if not bar.confirm}
        ignore("kline", parsed, len(unfinished))
        bars = [bar for bar in shown if bar.confirm]
        if not bars:
            return
        rows = Rows(BARS, frames[owners_of_bars], received[owners_of_bars])
        rows.instruments(self._codes, [messages[owner].topic.rpartition(".")[2] for owner in owners_of_bars])
        rows.put("interval", np.full(len(bars), _BAR_SECONDS))
        for name in ("open", "high", "low", "close"):
            rows.positive(name, [getattr(bar, name) for bar in bars])
        rows.volumes("volume", [bar.volume for bar in bars])
        rows.figures("vwap", [bar.turnover / bar.volume if bar.volume else None for bar in bars], zero_is_null=True)
        rows.put("trades", np.full(len(bars), NULL_INT))
        rows.counted_times([bar.start for bar in bars], MILLISECOND_NS, "start")
        rows.finish(parsed)


_NO_TOP: Final = (None, None)


def _decode_data(payload: bytes) -> Message:
    """Return the message in a frame of data. Raises one of UNDECODABLE for any other."""
    # Data begins with its topic, so that it can be decoded whole at once.
    decode = _BY_LEAD.get(payload[: payload.rfind(b".", 0, payload.find(b'"', len(_TOPIC)))])
    if decode is None:
        raise ValueError("no data of a topic")
    message: Message = decode(payload)
    return message


def _read_data(channel: Channel, message: Frame, frame: int, parsed: Parsed) -> Message:
    """Return the good rows of a frame. Raises MalformedFrame."""
    if channel is Channel.TRADES:
        return Trades(_TRADES.decode(message.data, frame, parsed))
    if channel is Channel.BARS:
        return Klines(message.topic, _KLINES.decode(message.data, frame, parsed))
    if channel is Channel.TICKERS:
        return Ticker(_decode(_decode_ticker, message.data), message.type, message.ts, message.cs)
    kind = Quote if channel is Channel.QUOTES else Book
    return kind(message.topic, _decode(_decode_book, message.data), message.type, message.ts, message.cts)


def _book_message(message: Book) -> BookMessage:
    """Return a book or changes of one, which count by one.

    "Occasionally, you'll receive "u"=1, which is a snapshot data due to the restart of the service":
    https://bybit-exchange.github.io/docs/v5/websocket/public/orderbook
    """
    book = message.data
    is_snapshot = message.type == "snapshot" or book.update == 1
    time = (message.cts or message.ts) * MILLISECOND_NS
    previous = None if is_snapshot else book.update - 1
    return BookMessage(book.symbol, is_snapshot, time, book.bids, book.asks, book.update, previous)


def _decode(decode: Callable[[msgspec.Raw], T], raw: msgspec.Raw) -> T:
    try:
        return decode(raw)
    except UNDECODABLE as error:
        raise MalformedFrame("bad_field", str(error)) from None
