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
from fulltape.venues.base import Channel, Parsed, Refused, Reject, Symbols
from fulltape.venues.binance_wire import (
    CHANNEL_OF_BYTES,
    CHANNELS,
    INTERVAL_SECONDS,
    SHUTDOWN,
    TAKER,
    DepthMessage,
    Envelope,
    KlineMessage,
    Of,
    QuoteMessage,
    TickerMessage,
    TradeMessage,
    decode_answer,
    decode_subscriptions,
    to_ns,
)
from fulltape.venues.feed import UNDECODABLE, Taker, ignore
from fulltape.venues.levels import BookMessage, add_book_messages
from fulltape.venues.rows import Codes, Rows

# Streams that fulltape never asks for. `aggTrade` merges what `trade` tells one by one: never take both.
_UNUSED: Final = ("aggTrade", "blockTrade", "avgPrice", "miniTicker", "depth", "kline", "ticker", "referencePrice")
_LEAD: Final = b'{"stream":"'
_NAME_AT: Final = len(_LEAD)
_LONGEST_NAME: Final = 80

_decode_envelope = msgspec.json.Decoder(Envelope).decode
_decode_depth = msgspec.json.Decoder(Of[DepthMessage], strict=False).decode


def _decode_book(payload: bytes) -> BookMessage:
    return decode_answer(payload) if payload.startswith(b"GET ") else _decode_depth(payload).data.message()


_DECODERS: Final[Mapping[Channel, Callable[[bytes], Any]]] = {
    Channel.TRADES: msgspec.json.Decoder(Of[TradeMessage], strict=False).decode,
    Channel.QUOTES: msgspec.json.Decoder(Of[QuoteMessage], strict=False).decode,
    Channel.TICKERS: msgspec.json.Decoder(Of[TickerMessage], strict=False).decode,
    Channel.BOOK: _decode_book,
    Channel.BARS: msgspec.json.Decoder(Of[KlineMessage], strict=False).decode,
}


class BinanceParser:
    """Turns the frames of one connection into columns. Remembers nothing: each frame says all."""

    def __init__(self, symbols: Symbols, connection: Connection) -> None:
        self._codes = Codes(symbols)
        self._origin = int(Origin.REPLAY if connection.replay else Origin.LIVE)
        self._takers: Mapping[Channel, Taker] = {
            Channel.TRADES: self._take_trades,
            Channel.QUOTES: self._take_quotes,
            Channel.TICKERS: self._take_tickers,
            Channel.BOOK: self._take_book,
            Channel.BARS: self._take_bars,
        }

    def parse(self, payloads: Sequence[bytes], ingest_times: Sequence[int]) -> Parsed:
        """Turn frames into columns; see `fulltape.venues.base.Parser`."""
        parsed = Parsed()
        places: dict[Channel, list[int]] = {channel: [] for channel in self._takers}
        for frame, payload in enumerate(payloads):
            channel = _channel_of(payload) or _read_other(frame, payload, parsed)
            if channel is not None:
                places[channel].append(frame)
        received = np.array(ingest_times, np.int64)
        for channel, take in self._takers.items():
            messages, frames = _decode_all(channel, payloads, places[channel], parsed)
            if messages:
                take(messages, np.array(frames), received[frames], parsed)
        parsed.rejects.sort(key=lambda reject: reject.frame)
        return parsed

    def _take_trades(self, messages: list[Of[TradeMessage]], frames: Array, received: Array, parsed: Parsed) -> None:
        trades = [message.data for message in messages]
        rows = Rows(TRADES, frames, received)
        rows.instruments(self._codes, [m.symbol for m in trades])
        rows.ids("trade_id", [m.trade_id for m in trades])
        rows.positive("price", [m.price for m in trades])
        rows.positive("size", [m.size for m in trades])
        rows.put("aggressor_side", [TAKER[m.is_buyer_maker] for m in trades])
        rows.counted_times([to_ns(m.time) for m in trades], 1)
        rows.put("origin", np.full(len(messages), self._origin))
        rows.finish(parsed)

    def _take_quotes(self, messages: list[Of[QuoteMessage]], frames: Array, received: Array, parsed: Parsed) -> None:
        quotes = [message.data for message in messages]
        rows = Rows(QUOTES, frames, received)
        rows.instruments(self._codes, [m.symbol for m in quotes])
        # A side of the book that is empty has price 0.
        rows.figures("bid", [m.bid for m in quotes], zero_is_null=True)
        rows.figures("bid_size", [m.bid_size for m in quotes])
        rows.figures("ask", [m.ask for m in quotes], zero_is_null=True)
        rows.figures("ask_size", [m.ask_size for m in quotes])
        # The venue gives no time with these: ours is the nearest there is.
        rows.put("event_time", received)
        rows.put("ingest_time", received)
        rows.put("source", np.full(len(messages), QuoteSource.QUOTE))
        rows.finish(parsed)

    def _take_tickers(self, messages: list[Of[TickerMessage]], frames: Array, received: Array, parsed: Parsed) -> None:
        tickers = [message.data for message in messages]
        rows = Rows(TICKERS, frames, received)
        rows.instruments(self._codes, [m.symbol for m in tickers])
        rows.put("sequence", np.full(len(messages), NULL_INT))
        rows.ids("trade_id", [max(m.trade_id, 0) for m in tickers])
        rows.positive("price", [m.price for m in tickers])
        rows.figures("size", [m.size for m in tickers])
        rows.put("aggressor_side", np.full(len(messages), AggressorSide.UNKNOWN))
        rows.figures("bid", [m.bid for m in tickers], zero_is_null=True)
        rows.figures("bid_size", [m.bid_size for m in tickers])
        rows.figures("ask", [m.ask for m in tickers], zero_is_null=True)
        rows.figures("ask_size", [m.ask_size for m in tickers])
        rows.figures("open_24h", [m.open for m in tickers], zero_is_null=True)
        rows.figures("high_24h", [m.high for m in tickers], zero_is_null=True)
        rows.figures("low_24h", [m.low for m in tickers], zero_is_null=True)
        rows.figures("volume_24h", [m.volume for m in tickers])
        rows.put("volume_30d", np.full(len(messages), np.nan))
        rows.counted_times([to_ns(m.time) for m in tickers], 1)
        rows.finish(parsed)

    def _take_book(self, messages: list[BookMessage], frames: Array, received: Array, parsed: Parsed) -> None:
        add_book_messages(messages, self._codes, frames, received, parsed)

    def _take_bars(self, messages: list[Of[KlineMessage]], frames: Array, received: Array, parsed: Parsed) -> None:
        # Until a bar is closed its figures are not final.
        closed = [row for row, message in enumerate(messages) if message.data.bar.is_closed]
        if len(closed) < len(messages):
            parsed.ignored["kline"] = len(messages) - len(closed)
        if not closed:
            return
        bars = [messages[row].data.bar for row in closed]
        rows = Rows(BARS, frames[closed], received[closed])
        rows.instruments(self._codes, [bar.symbol for bar in bars])
        rows.put("interval", [INTERVAL_SECONDS[bar.interval] for bar in bars])
        rows.positive("open", [bar.open for bar in bars])
        rows.positive("high", [bar.high for bar in bars])
        rows.positive("low", [bar.low for bar in bars])
        rows.positive("close", [bar.close for bar in bars])
        rows.volumes("volume", [bar.volume for bar in bars])
        rows.figures("vwap", [bar.quote_volume / bar.volume if bar.volume else None for bar in bars], zero_is_null=True)
        rows.put("trades", [bar.trades for bar in bars])
        rows.counted_times([to_ns(bar.start) for bar in bars], 1, "start")
        rows.finish(parsed)


def _channel_of(payload: bytes) -> Channel | None:
    """Return the channel of a frame by the name of its stream at the beginning, None if it must be looked at.

    It is what makes one pass over the frame enough: its kind is known before it is decoded.
    """
    if not payload.startswith(_LEAD):
        return None
    end = payload.find(b'"', _NAME_AT, _NAME_AT + _LONGEST_NAME)
    return CHANNEL_OF_BYTES.get(payload[payload.find(b"@", _NAME_AT, end) + 1 : end])


def _decode_all(
    channel: Channel, payloads: Sequence[bytes], places: list[int], parsed: Parsed
) -> tuple[list[Any], list[int]]:
    """Return the messages in the frames at ``places``, and where they were; what is none is rejected."""
    decode = _DECODERS[channel]
    try:
        return list(map(decode, [payloads[frame] for frame in places])), places
    except (*UNDECODABLE, MalformedFrame):
        pass
    messages, frames = [], []
    for frame in places:
        try:
            messages.append(decode(payloads[frame]))
            frames.append(frame)
        except MalformedFrame as error:
            parsed.rejects.append(Reject(frame, error.reason, error.detail))
        except UNDECODABLE as error:
            parsed.rejects.append(Reject(frame, _reason(payloads[frame]), str(error)))
    return messages, frames


def _reason(payload: bytes) -> str:
    """Return what is wrong with a frame that cannot be decoded."""
    try:
        _decode_envelope(payload)
    except UNDECODABLE:
        return "malformed_json"
    return "bad_field"


def _read_other(frame: int, payload: bytes, parsed: Parsed) -> Channel | None:
    """Take a frame that does not begin as data of a stream does; return its channel if it is such data after all."""
    if payload.startswith(b"GET "):
        return Channel.BOOK
    try:
        envelope = _decode_envelope(payload)
        if not envelope.stream:
            _read_answer(frame, envelope, parsed)
            return None
        channel = CHANNELS.get(envelope.kind)
        if channel is None:
            _read_unused(frame, envelope, parsed)
        return channel
    except UNDECODABLE as error:
        parsed.rejects.append(Reject(frame, "malformed_json", str(error)))
    except MalformedFrame as error:
        parsed.rejects.append(Reject(frame, error.reason, error.detail))
    return None


def _read_answer(frame: int, envelope: Envelope, parsed: Parsed) -> None:
    """Take the answer to a request."""
    problem = envelope.problem()
    if problem is not None:
        parsed.controls.append((frame, problem.control()))
        return
    confirmed = decode_subscriptions(envelope.result)
    if confirmed is None:
        ignore("result", parsed)
    else:
        parsed.controls.append((frame, confirmed))


def _read_unused(frame: int, envelope: Envelope, parsed: Parsed) -> None:
    """Take what is no data that was asked for: the announcement of a shutdown, streams that are not used."""
    if envelope.stream == SHUTDOWN:
        words = "the venue announced that it closes this connection"
        parsed.controls.append((frame, Refused(words, is_final=False)))
    elif envelope.kind.startswith(_UNUSED):
        ignore(envelope.kind[:40], parsed)
    else:
        raise MalformedFrame("unknown_type", envelope.stream[:100])
