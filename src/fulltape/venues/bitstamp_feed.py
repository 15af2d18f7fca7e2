"""Bitstamp's WebSocket messages and the parser that turns them into columns.

https://www.bitstamp.net/websocket/v2/. A channel is a kind and a pair: ``live_trades_btcusd``.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
import numpy as np

from fulltape.errors import MalformedFrame
from fulltape.records import TRADES, AggressorSide, Array, Origin
from fulltape.records.frames import Connection
from fulltape.venues.base import Channel, Parsed, Refused, Symbols
from fulltape.venues.feed import UNDECODABLE, Confirmed, FeedParser, Takers, decode_frame, ignore, split_answer
from fulltape.venues.levels import BookMessage, add_book_messages, price_and_size
from fulltape.venues.rows import Codes, Rows

NAME: Final = "BITSTAMP"
CHANNEL_NAMES: Final = {Channel.TRADES: "live_trades", Channel.BOOK: "diff_order_book"}
"""The venue's names of channels, to which it adds an underscore and the pair."""
_TRADES: Final = f"{CHANNEL_NAMES[Channel.TRADES]}_"
_BOOK: Final = f"{CHANNEL_NAMES[Channel.BOOK]}_"
BOOK_PATH: Final = "/api/v2/order_book/"

US_NS: Final = 1_000
# The later order of a trade is the taker's: in recordings it is the buyer's where the type is 0.
TAKER: Final = {0: int(AggressorSide.BUY), 1: int(AggressorSide.SELL)}

Id = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Us = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class Trade(msgspec.Struct, frozen=True, gc=False):
    """A trade; of each figure the text is taken, as the number beside it is less exact.

    ``{"id":216000477,"timestamp":"1641343699","amount":0.0792,"amount_str":"0.07920000","price":3805.44,
    "price_str":"3805.44","type":0,"microtimestamp":"1641343699596000","buy_order_id":1443875737346049,…}``
    """

    id: Id
    amount_str: float
    price_str: float
    type: Literal[0, 1]
    microtimestamp: Us


class Book(msgspec.Struct, frozen=True, gc=False):
    """New sizes of levels, or over REST all of them: ``{"microtimestamp":"1641343691244908","bids":[…],…}``."""

    microtimestamp: Us
    bids: list[tuple[float, float]]
    asks: list[tuple[float, float]]


class _LooseBook(msgspec.Struct, frozen=True):
    microtimestamp: Us
    bids: list[Any]
    asks: list[Any]


class _Frame(msgspec.Struct, frozen=True):
    event: str
    channel: str = ""
    data: msgspec.Raw = msgspec.Raw(b"{}")


class _Problem(msgspec.Struct, frozen=True):
    message: str = ""


class _Data(msgspec.Struct, frozen=True, gc=False, tag_field="event"):
    channel: str


class TradeMessage(_Data, frozen=True, gc=False, tag="trade"):
    """A trade of the pair that the channel's name ends with."""

    data: Trade


class BookChange(_Data, frozen=True, gc=False, tag="data"):
    """Changes of a book."""

    data: Book


_decode: Final = msgspec.json.Decoder(TradeMessage | BookChange, strict=False).decode
_decode_frame = msgspec.json.Decoder(_Frame).decode
_decode_trade = msgspec.json.Decoder(Trade, strict=False).decode
_decode_book = msgspec.json.Decoder(Book, strict=False).decode
_decode_loose_book = msgspec.json.Decoder(_LooseBook, strict=False).decode
_decode_problem = msgspec.json.Decoder(_Problem).decode


class BitstampParser(FeedParser):
    """Turns the frames of one connection into columns. Remembers what was confirmed."""

    def __init__(self, symbols: Symbols, connection: Connection) -> None:
        self._codes = Codes(symbols)
        self._origin = int(Origin.REPLAY if connection.replay else Origin.LIVE)
        self._confirmed = Confirmed()
        takers: Takers = (
            ((TradeMessage,), self._take_trades),
            ((BookMessage,), self._take_books),
        )
        super().__init__(_decode_data, takers)

    def read(self, frame: int, payload: bytes, parsed: Parsed) -> TradeMessage | BookMessage | None:
        """Return the message of a frame, or take what is no data; a book asked for over REST is a book as well."""
        if payload.startswith(b"GET "):
            return _answer(payload)
        message = decode_frame(_decode_frame, payload)
        kind, symbol = _parts(message.channel)
        match message.event, kind:
            case "trade", Channel.TRADES:
                return TradeMessage(message.channel, decode_frame(_decode_trade, bytes(message.data)))
            case "data", Channel.BOOK:
                return _change(symbol, _book(bytes(message.data)))
            case (("trade" | "data"), _):
                raise MalformedFrame("unknown_type", message.channel[:100])
            case event, _:
                self._read_control(frame, event, message, parsed)
                return None

    def _read_control(self, frame: int, event: str, message: _Frame, parsed: Parsed) -> None:
        kind, symbol = _parts(message.channel)
        match event:
            case "bts:subscription_succeeded" if kind is not None:
                parsed.controls.append((frame, self._confirmed.add(kind, [symbol])))
            case "bts:unsubscription_succeeded" if kind is not None:
                parsed.controls.append((frame, self._confirmed.remove(kind, [symbol])))
            case "bts:error":
                words = decode_frame(_decode_problem, bytes(message.data)).message
                parsed.controls.append((frame, Refused(f"{message.channel} {words}".strip(), is_final=True)))
            case "bts:request_reconnect":
                parsed.controls.append((frame, Refused("the venue asks us to connect anew", is_final=False)))
            case "bts:subscription_succeeded" | "bts:unsubscription_succeeded" | "bts:heartbeat":
                ignore(event, parsed)
            case _:
                raise MalformedFrame("unknown_type", event[:100])

    def _take_trades(self, messages: list[TradeMessage], frames: Array, received: Array, parsed: Parsed) -> None:
        trades = [message.data for message in messages]
        rows = Rows(TRADES, frames, received)
        rows.instruments(self._codes, [message.channel.removeprefix(_TRADES) for message in messages])
        rows.ids("trade_id", [trade.id for trade in trades])
        rows.positive("price", [trade.price_str for trade in trades])
        rows.positive("size", [trade.amount_str for trade in trades])
        rows.put("aggressor_side", [TAKER[trade.type] for trade in trades])
        rows.counted_times([trade.microtimestamp for trade in trades], US_NS)
        rows.put("origin", np.full(len(trades), self._origin))
        rows.finish(parsed)

    def _take_books(self, messages: list[BookMessage], frames: Array, received: Array, parsed: Parsed) -> None:
        add_book_messages(messages, self._codes, frames, received, parsed)


def _decode_data(payload: bytes) -> TradeMessage | BookMessage:
    """Return the message in a frame of data. Raises one of UNDECODABLE for any other."""
    message = _decode(payload)
    if isinstance(message, TradeMessage):
        if message.channel.startswith(_TRADES):
            return message
    elif message.channel.startswith(_BOOK):
        return _change(message.channel.removeprefix(_BOOK), message.data)
    raise ValueError("data of another channel than its event says")


def _parts(channel: str) -> tuple[Channel | None, str]:
    """Return the kind and the pair of a channel's name."""
    for kind, name in CHANNEL_NAMES.items():
        if channel.startswith(f"{name}_"):
            return kind, channel.removeprefix(f"{name}_")
    return None, ""


def _change(symbol: str, book: Book) -> BookMessage:
    """Return changes of a book. They name no others that they follow: they apply unless the book is newer."""
    time = book.microtimestamp
    return BookMessage(symbol, False, time * US_NS, book.bids, book.asks, time, 0)


def _answer(payload: bytes) -> BookMessage:
    """Return the book in a REST answer. Raises MalformedFrame."""
    target, body = split_answer(payload)
    path = target.partition("?")[0]
    if not path.startswith(BOOK_PATH):
        raise MalformedFrame("unknown_type", target[:100])
    book = _book(body)
    symbol, time = path.removeprefix(BOOK_PATH).strip("/"), book.microtimestamp
    return BookMessage(symbol, True, time * US_NS, book.bids, book.asks, time)


def _book(raw: bytes) -> Book:
    """Return a book; a level that is none comes as NaN. Raises MalformedFrame."""
    try:
        return _decode_book(raw)
    except UNDECODABLE:
        loose = decode_frame(_decode_loose_book, raw)
        bids, asks = ([price_and_size(level) for level in side] for side in (loose.bids, loose.asks))
        return Book(loose.microtimestamp, bids, asks)
