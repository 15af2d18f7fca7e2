"""Binance spot's feed: the parser that turns its messages into columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np

from fulltape.errors import MalformedFrame
from fulltape.records import BARS, QUOTES, TICKERS, TRADES, AggressorSide, Array, Origin, QuoteSource
from fulltape.records.columns import NULL_INT
from fulltape.records.frames import Connection
from fulltape.venues.base import Channel, Parsed, Refused, Symbols
from fulltape.venues.binance_wire import (
    CHANNELS,
    INTERVAL_SECONDS,
    SHUTDOWN,
    TAKER,
    DepthMessage,
    Envelope,
    Kline,
    KlineMessage,
    QuoteMessage,
    TickerMessage,
    TradeMessage,
    decode_answer,
    decode_subscriptions,
    to_ns,
)
from fulltape.venues.feed import UNDECODABLE, FeedParser, Taker, ignore
from fulltape.venues.levels import BookMessage, add_book_messages
from fulltape.venues.rows import Codes, Rows

# Streams that fulltape never asks for. `aggTrade` merges what `trade` tells one by one: never take both.
_UNUSED: Final = ("aggTrade", "blockTrade", "avgPrice", "miniTicker", "depth", "kline", "ticker", "referencePrice")

_decode_envelope = msgspec.json.Decoder(Envelope).decode
_decoders: Final[Mapping[Channel, Callable[[msgspec.Raw], Any]]] = {
    Channel.TRADES: msgspec.json.Decoder(TradeMessage, strict=False).decode,
    Channel.QUOTES: msgspec.json.Decoder(QuoteMessage, strict=False).decode,
    Channel.TICKERS: msgspec.json.Decoder(TickerMessage, strict=False).decode,
    Channel.BOOK: msgspec.json.Decoder(DepthMessage, strict=False).decode,
    Channel.BARS: msgspec.json.Decoder(KlineMessage, strict=False).decode,
}


class BinanceParser(FeedParser):
    """Turns the frames of one connection into columns. Remembers nothing: each frame says all."""

    def __init__(self, symbols: Symbols, connection: Connection) -> None:
        self._codes = Codes(symbols)
        self._origin = int(Origin.REPLAY if connection.replay else Origin.LIVE)
        self._takers: Mapping[str, Taker] = {
            Channel.TRADES: self._take_trades,
            Channel.QUOTES: self._take_quotes,
            Channel.TICKERS: self._take_tickers,
            Channel.BOOK: self._take_book,
            Channel.BARS: self._take_bars,
        }

    @property
    def takers(self) -> Mapping[str, Taker]:
        """Who takes the rows of which channel."""
        return self._takers

    def read(self, frame: int, payload: bytes, parsed: Parsed) -> tuple[str, Sequence[Any]] | None:
        """Return the channel and the message of a frame; see `fulltape.venues.feed.FeedParser`."""
        if payload.startswith(b"GET "):
            return Channel.BOOK, (decode_answer(payload),)
        try:
            envelope = _decode_envelope(payload)
        except UNDECODABLE as error:
            raise MalformedFrame("malformed_json", str(error)) from None
        if not envelope.stream:
            _read_answer(frame, envelope, parsed)
            return None
        stream = envelope.stream.partition("@")[2]
        channel = CHANNELS.get(stream)
        if channel is None:
            _read_other(frame, envelope.stream, stream, parsed)
            return None
        try:
            message = _decoders[channel](envelope.data)
        except UNDECODABLE as error:
            raise MalformedFrame("bad_field", str(error)) from None
        if channel is Channel.BOOK:
            return channel, (message.message(),)
        if channel is Channel.BARS:
            return _closed(message.bar, parsed)
        return channel, (message,)

    def _take_trades(self, messages: list[TradeMessage], frames: Array, received: Array, parsed: Parsed) -> None:
        rows = Rows(TRADES, frames, received)
        rows.instruments(self._codes, [m.symbol for m in messages])
        rows.ids("trade_id", [m.trade_id for m in messages])
        rows.positive("price", [m.price for m in messages])
        rows.positive("size", [m.size for m in messages])
        rows.put("aggressor_side", [TAKER[m.is_buyer_maker] for m in messages])
        rows.counted_times([to_ns(m.time) for m in messages], 1)
        rows.put("origin", np.full(len(messages), self._origin))
        rows.finish(parsed)

    def _take_quotes(self, messages: list[QuoteMessage], frames: Array, received: Array, parsed: Parsed) -> None:
        rows = Rows(QUOTES, frames, received)
        rows.instruments(self._codes, [m.symbol for m in messages])
        # A side of the book that is empty has price 0.
        rows.figures("bid", [m.bid for m in messages], zero_is_null=True)
        rows.figures("bid_size", [m.bid_size for m in messages])
        rows.figures("ask", [m.ask for m in messages], zero_is_null=True)
        rows.figures("ask_size", [m.ask_size for m in messages])
        # The venue gives no time with these: ours is the nearest there is.
        rows.put("event_time", received)
        rows.put("ingest_time", received)
        rows.put("source", np.full(len(messages), QuoteSource.QUOTE))
        rows.finish(parsed)

    def _take_tickers(self, messages: list[TickerMessage], frames: Array, received: Array, parsed: Parsed) -> None:
        rows = Rows(TICKERS, frames, received)
        rows.instruments(self._codes, [m.symbol for m in messages])
        rows.put("sequence", np.full(len(messages), NULL_INT))
        rows.ids("trade_id", [max(m.trade_id, 0) for m in messages])
        rows.positive("price", [m.price for m in messages])
        rows.figures("size", [m.size for m in messages])
        rows.put("aggressor_side", np.full(len(messages), AggressorSide.UNKNOWN))
        rows.figures("bid", [m.bid for m in messages], zero_is_null=True)
        rows.figures("bid_size", [m.bid_size for m in messages])
        rows.figures("ask", [m.ask for m in messages], zero_is_null=True)
        rows.figures("ask_size", [m.ask_size for m in messages])
        rows.figures("open_24h", [m.open for m in messages], zero_is_null=True)
        rows.figures("high_24h", [m.high for m in messages], zero_is_null=True)
        rows.figures("low_24h", [m.low for m in messages], zero_is_null=True)
        rows.figures("volume_24h", [m.volume for m in messages])
        rows.put("volume_30d", np.full(len(messages), np.nan))
        rows.counted_times([to_ns(m.time) for m in messages], 1)
        rows.finish(parsed)

    def _take_book(self, messages: list[BookMessage], frames: Array, received: Array, parsed: Parsed) -> None:
        add_book_messages(messages, self._codes, frames, received, parsed)

    def _take_bars(self, bars: list[Kline], frames: Array, received: Array, parsed: Parsed) -> None:
        rows = Rows(BARS, frames, received)
        rows.instruments(self._codes, [bar.symbol for bar in bars])
        rows.put("interval", [INTERVAL_SECONDS[bar.interval] for bar in bars])
        rows.positive("open", [bar.open for bar in bars])
        rows.positive("high", [bar.high for bar in bars])
        rows.positive("low", [bar.low for bar in bars])
        rows.positive("close", [bar.close for bar in bars])
        rows.volumes("volume", [bar.volume for bar in bars])
        rows.figures("vwap", [bar.quote_volume / bar.volume if bar.volume else None for bar in bars])
        rows.put("trades", [bar.trades for bar in bars])
        rows.counted_times([to_ns(bar.start) for bar in bars], 1, "start")
        rows.finish(parsed)


def _closed(bar: Kline, parsed: Parsed) -> tuple[str, Sequence[Kline]] | None:
    """Return a bar that is closed; others are only counted, as their figures are not final."""
    if bar.interval not in INTERVAL_SECONDS:
        raise MalformedFrame("bad_field", f"unknown interval {bar.interval[:10]!r}")
    if bar.is_closed:
        return Channel.BARS, (bar,)
    ignore("kline", parsed)
    return None


def _read_answer(frame: int, envelope: Envelope, parsed: Parsed) -> None:
    """Take the answer to a request."""
    problem = envelope.problem()
    if problem is not None:
        parsed.controls.append((frame, problem.control()))
        return
    if not bytes(envelope.result):
        raise MalformedFrame("unknown_type", "neither data of a stream nor an answer")
    confirmed = decode_subscriptions(envelope.result)
    if confirmed is None:
        ignore("result", parsed)
    else:
        parsed.controls.append((frame, confirmed))


def _read_other(frame: int, name: str, stream: str, parsed: Parsed) -> None:
    """Take what is no data that was asked for: the announcement of a shutdown, streams that are not used."""
    if name == SHUTDOWN:
        words = "the venue announced that it closes this connection"
        parsed.controls.append((frame, Refused(words, is_final=False)))
    elif stream.startswith(_UNUSED):
        ignore(stream[:40], parsed)
    else:
        raise MalformedFrame("unknown_type", name[:100])
