"""Binance spot's messages: what each looks like, and how a frame becomes one.

https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams
"""

from __future__ import annotations

from typing import Annotated, Final, Generic, Literal, TypeVar
from urllib.parse import parse_qs, urlsplit

import msgspec

from fulltape.clock import SECOND_NS
from fulltape.errors import MalformedFrame
from fulltape.records import AggressorSide
from fulltape.records.columns import NULL_INT
from fulltape.venues.base import Acknowledged, Channel, Refused
from fulltape.venues.feed import UNDECODABLE
from fulltape.venues.levels import BookMessage

NAME: Final = "BINANCE"
BAR_INTERVALS: Final = {
    1: "1s",
    60: "1m",
    180: "3m",
    300: "5m",
    900: "15m",
    1_800: "30m",
    3_600: "1h",
    7_200: "2h",
    14_400: "4h",
    21_600: "6h",
    28_800: "8h",
    43_200: "12h",
    86_400: "1d",
}
"""The venue's names of bar lengths, by seconds; ``3d``, ``1w`` and ``1M`` do not divide a day."""
STREAMS: Final = {
    Channel.TRADES: "trade",
    Channel.QUOTES: "bookTicker",
    Channel.TICKERS: "ticker",
    Channel.BOOK: "depth@100ms",
    Channel.BARS: "kline_1m",
}
"""What follows ``btcusdt@`` in the name of a stream."""
CHANNELS: Final = {stream: channel for channel, stream in STREAMS.items()}
"""The channels by what follows ``btcusdt@``."""
CHANNEL_OF_BYTES: Final = {stream.encode(): channel for stream, channel in CHANNELS.items()}
"""The same, by the bytes of a frame."""
DEPTH_PATH: Final = "/api/v3/depth"
SHUTDOWN: Final = "!serverShutdown"
"""The stream that announces that the venue is about to close the connection."""

INTERVAL_SECONDS: Final = {name: seconds for seconds, name in BAR_INTERVALS.items()}
# `m` says that the buyer was the maker, so the taker sold. Plain integers: NumPy takes them in half the time.
TAKER: Final = {True: int(AggressorSide.SELL), False: int(AggressorSide.BUY)}

_MICROSECONDS_FROM: Final = 10**14  # as ms the year 5138, as us the year 1973
_TOO_BUSY: Final = -1003

Data = TypeVar("Data")
Interval = Literal["1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d"]
Id = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Epoch = Annotated[int, msgspec.Meta(ge=0, le=9 * 10**15)]
"""A time since 1970: ms, or us from a connection with ``timeUnit=MICROSECOND``."""


class Of(msgspec.Struct, Generic[Data], frozen=True, gc=False):
    """A frame of a combined stream: ``{"stream":"btcusdt@trade","data":{…}}``."""

    data: Data


class TradeMessage(
    msgspec.Struct,
    frozen=True,
    gc=False,
    rename={"symbol": "s", "trade_id": "t", "price": "p", "size": "q", "time": "T", "is_buyer_maker": "m"},
):
    """One match; ``m`` is true if the buyer was the maker.

    ``{"e":"trade","E":1672515782136,"s":"BNBBTC","t":12345,"p":"0.001","q":"100","T":1672515782136,"m":true,"M":true}``
    """

    symbol: str
    trade_id: Id
    price: float
    size: float
    time: Epoch
    is_buyer_maker: bool


class QuoteMessage(
    msgspec.Struct,
    frozen=True,
    gc=False,
    rename={"symbol": "s", "bid": "b", "bid_size": "B", "ask": "a", "ask_size": "A"},
):
    """Best bid and ask, no time: ``{"u":400900217,"s":"BNBUSDT","b":"25.3","B":"31.2","a":"25.4","A":"40.6"}``."""

    symbol: str
    bid: float
    bid_size: float
    ask: float
    ask_size: float


class TickerMessage(
    msgspec.Struct,
    frozen=True,
    gc=False,
    rename={
        "symbol": "s",
        "time": "E",
        "price": "c",
        "size": "Q",
        "trade_id": "L",
        "bid": "b",
        "bid_size": "B",
        "ask": "a",
        "ask_size": "A",
        "open": "o",
        "high": "h",
        "low": "l",
        "volume": "v",
    },
):
    """Rolling 24 h, once a second; the id of the last trade is -1 if there was none.

    ``{"e":"24hrTicker","E":1672515782136,"s":"BNBBTC","c":"0.0025","Q":"10","b":"0.0024","B":"10","a":"0.0026",
    "A":"100","o":"0.0010","h":"0.0025","l":"0.0010","v":"10000","q":"18","L":18150,"n":18151,…}``
    """

    symbol: str
    time: Epoch
    price: float
    size: float
    trade_id: Annotated[int, msgspec.Meta(ge=-1, le=2**63 - 1)]
    bid: float
    bid_size: float
    ask: float
    ask_size: float
    open: float
    high: float
    low: float
    volume: float


class Kline(
    msgspec.Struct,
    frozen=True,
    gc=False,
    rename={
        "symbol": "s",
        "start": "t",
        "interval": "i",
        "open": "o",
        "high": "h",
        "low": "l",
        "close": "c",
        "volume": "v",
        "trades": "n",
        "is_closed": "x",
        "quote_volume": "q",
    },
):
    """A bar, sent every other second until ``x`` says that it is closed."""

    symbol: str
    start: Epoch
    interval: Interval
    open: float
    high: float
    low: float
    close: float
    volume: float
    trades: Id
    is_closed: bool
    quote_volume: float


class KlineMessage(msgspec.Struct, frozen=True, gc=False, rename={"bar": "k"}):
    """``{"e":"kline","E":1672515782136,"s":"BNBBTC","k":{"t":1672515780000,"T":1672515839999,"i":"1m",…,"x":false}}``."""

    bar: Kline


class DepthMessage(
    msgspec.Struct,
    frozen=True,
    rename={"symbol": "s", "time": "E", "first": "U", "last": "u", "bids": "b", "asks": "a"},
):
    """Changes ``U`` to ``u`` of the book; sizes are new totals, 0 removes.

    ``{"e":"depthUpdate","E":1672515782136,"s":"BNBBTC","U":157,"u":160,"b":[["0.0024","10"]],"a":[["0.0026","100"]]}``
    """

    symbol: str
    time: Epoch
    first: Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
    last: Id
    bids: list[tuple[float, float]]
    asks: list[tuple[float, float]]

    def message(self) -> BookMessage:
        """Return it in fulltape's terms: it applies to a book that has reached ``U - 1`` and has not reached ``u``."""
        return BookMessage(self.symbol, False, to_ns(self.time), self.bids, self.asks, self.last, self.first - 1)


class Depth(msgspec.Struct, frozen=True, rename="camel"):
    """The book from REST: ``{"lastUpdateId":1027024,"bids":[["4.0","431"]],"asks":[["4.2","12"]]}``."""

    last_update_id: Id
    bids: list[tuple[float, float]]
    asks: list[tuple[float, float]]


class Problem(msgspec.Struct, frozen=True):
    """An error: ``{"code":-1121,"msg":"Invalid symbol."}``."""

    code: int
    msg: str

    def control(self) -> Refused:
        """Return it with the venue's words."""
        return Refused(f"{self.code}: {self.msg}", is_final=self.code != _TOO_BUSY)


class Envelope(msgspec.Struct, frozen=True):
    """Any frame: data of a stream, the answer to a request (``{"result":null,"id":1}``), or an error."""

    stream: str = ""
    result: msgspec.Raw = msgspec.Raw(b"")
    code: int | None = None
    msg: str = ""
    error: Problem | None = None

    @property
    def kind(self) -> str:
        """What follows ``btcusdt@`` in the name of the stream."""
        return self.stream.partition("@")[2]

    def problem(self) -> Problem | None:
        """Return the error that it is, if it is one; both of its forms occur."""
        return self.error if self.code is None else Problem(self.code, self.msg)


def to_ns(epoch: int) -> int:
    """Return nanoseconds of a time in ms or us: which of them it is shows in its size."""
    return epoch * (1_000 if epoch >= _MICROSECONDS_FROM else 1_000_000)


def to_epoch_ms(time_ns: int) -> str:
    """Return a time as REST queries want it; a part of a millisecond is dropped."""
    return str(time_ns // (SECOND_NS // 1_000))


_decode_depth = msgspec.json.Decoder(Depth, strict=False).decode
_decode_result = msgspec.json.Decoder(list[str] | bool | None).decode
_decode_problem = msgspec.json.Decoder(Problem).decode


def decode_answer(payload: bytes) -> BookMessage:
    """Return the book in a frame ``GET /api/v3/depth?symbol=BTCUSDT…``, newline, body.

    Raises MalformedFrame, with the venue's own words if it sent an error.
    """
    head, _, body = payload.partition(b"\n")
    try:
        url = urlsplit(head.removeprefix(b"GET ").decode("ascii"))
        (symbol,) = parse_qs(url.query)["symbol"]
    except (ValueError, KeyError):
        raise MalformedFrame("bad_field", "an answer without a symbol") from None
    if url.path != DEPTH_PATH:
        raise MalformedFrame("unknown_type", url.path[:100])
    try:
        book = _decode_depth(body)
    except UNDECODABLE as error:
        raise refusal(body) or MalformedFrame("malformed_body", str(error)) from None
    return BookMessage(symbol, True, NULL_INT, book.bids, book.asks, book.last_update_id)


def refusal(body: bytes) -> MalformedFrame | None:
    """Return what an answer is if it is an error of the venue."""
    try:
        problem = _decode_problem(body)
    except UNDECODABLE:
        return None
    return MalformedFrame("venue_error", f"{problem.code}: {problem.msg}")


def decode_subscriptions(raw: msgspec.Raw) -> Acknowledged | None:
    """Return what a list of streams confirms, None for the bare value that answers any other request.

    Streams that fulltape never asks for are left out. Raises MalformedFrame.
    """
    if not bytes(raw):
        raise MalformedFrame("unknown_type", "neither data of a stream nor an answer")
    try:
        names = _decode_result(raw)
    except UNDECODABLE as error:
        raise MalformedFrame("bad_field", str(error)) from None
    if not isinstance(names, list):
        return None
    symbols: dict[Channel, set[str]] = {}
    for name in names:
        symbol, _, stream = name.partition("@")
        if stream in CHANNELS:
            symbols.setdefault(CHANNELS[stream], set()).add(symbol.upper())
    return Acknowledged({channel: frozenset(found) for channel, found in symbols.items()})
