"""Bybit v5's messages: what each looks like. https://bybit-exchange.github.io/docs/v5/ws/connect."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

import msgspec

from fulltape.records import AggressorSide
from fulltape.venues.base import Channel

TOPICS: Final = {
    Channel.TRADES: "publicTrade",
    Channel.QUOTES: "orderbook.1",
    Channel.TICKERS: "tickers",
    Channel.BOOK: "orderbook.50",
    Channel.BOOK_FULL: "orderbook.200",
    Channel.BARS: "kline.1",
}
"""What stands before ``.BTCUSDT`` in the name of a topic."""
CHANNELS: Final = {topic: channel for channel, topic in TOPICS.items()}
"""The channels by what stands before ``.BTCUSDT``."""
BAR_INTERVALS: Final = {
    60: "1",
    180: "3",
    300: "5",
    900: "15",
    1_800: "30",
    3_600: "60",
    7_200: "120",
    14_400: "240",
    21_600: "360",
    43_200: "720",
    86_400: "D",
}
"""The venue's names of bar lengths, by seconds; weeks and months, which do not divide a day, are left out."""
MILLISECOND_NS: Final = 1_000_000
TAKER: Final = {"Buy": int(AggressorSide.BUY), "Sell": int(AggressorSide.SELL)}
"""``side`` is the taker's."""

Id = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Millis = Annotated[int, msgspec.Meta(ge=0, le=9 * 10**12)]
Side = Literal["Buy", "Sell"]
Levels = list[tuple[float, float]]
# Checked while decoding: what is remembered must be good, or it would spoil what comes after it.
Figure = Annotated[float, msgspec.Meta(ge=0, le=1e300)]


class Frame(msgspec.Struct, frozen=True):
    """Any frame: data of a topic, or the answer to a request.

    ``{"success":true,"ret_msg":"subscribe","conn_id":"2324d924-…","req_id":"tickers.BTCUSDT","op":"subscribe"}``
    """

    topic: str = ""
    type: str = ""
    ts: Millis = 0
    cts: Millis | None = None
    cs: Id | None = None
    data: msgspec.Raw = msgspec.Raw(b"")
    op: str = ""
    success: bool = False
    ret_msg: str = ""
    req_id: str = ""


class TradeRow(
    msgspec.Struct,
    frozen=True,
    gc=False,
    rename={"symbol": "s", "id": "i", "price": "p", "size": "v", "side": "S", "time": "T", "is_block": "BT"},
):
    """A trade; ids are UUIDs of contracts and digits on the spot market. ``BT`` marks a block trade, made off the book.

    ``{"T":1672304486865,"s":"BTCUSDT","S":"Buy","v":"0.001","p":"16578.50","i":"20f43950-d8dd-5b31-9112-a178eb6023af",
    "BT":false,"RPI":false,"seq":1783284617}``
    """

    symbol: str
    id: str
    price: float
    size: float
    side: Side
    time: Millis
    is_block: bool = False


class BookData(msgspec.Struct, frozen=True, gc=False, rename={"symbol": "s", "bids": "b", "asks": "a", "update": "u"}):
    """A book, or changes of one; sizes are new totals, 0 removes.

    ``{"s":"BTCUSDT","b":[["16493.50","0.006"]],"a":[["16611.00","0"]],"u":18521288,"seq":7961638724}``
    """

    symbol: str
    bids: Levels
    asks: Levels
    update: Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]


class TickerData(
    msgspec.Struct,
    frozen=True,
    gc=False,
    rename={
        "price": "lastPrice",
        "bid": "bid1Price",
        "bid_size": "bid1Size",
        "ask": "ask1Price",
        "ask_size": "ask1Size",
        "open_24h": "prevPrice24h",
        "high_24h": "highPrice24h",
        "low_24h": "lowPrice24h",
        "volume_24h": "volume24h",
    },
):
    """Rolling 24 h. Of contracts all fields come once, then those that changed; spot has no bid and ask here.

    ``{"symbol":"BTCUSDT","lastPrice":"17216.00","prevPrice24h":"16597.00","bid1Price":"17215.50","bid1Size":"84.489",…}``
    """

    symbol: str
    price: Annotated[float, msgspec.Meta(gt=0, le=1e300)] | None = None
    bid: Figure | None = None
    bid_size: Figure | None = None
    ask: Figure | None = None
    ask_size: Figure | None = None
    open_24h: Figure | None = None
    high_24h: Figure | None = None
    low_24h: Figure | None = None
    volume_24h: Figure | None = None

    def over(self, earlier: Self) -> Self:
        """Return this with the fields that it does not say taken from ``earlier``."""
        pairs = zip(msgspec.structs.astuple(self), msgspec.structs.astuple(earlier), strict=True)
        return type(self)(*(old if new is None else new for new, old in pairs))


class KlineRow(msgspec.Struct, frozen=True, gc=False):
    """A bar, final once ``confirm`` says so.

    ``{"start":1672324800000,"end":1672324859999,"interval":"1","open":"16649.5","close":"16677","high":"16677",
    "low":"16608","volume":"2.081","turnover":"34666.4005","confirm":false,"timestamp":1672324988882}``
    """

    start: Millis
    interval: Literal["1"]
    open: float
    high: float
    low: float
    close: float
    volume: float
    turnover: float
    confirm: bool


class Trades(msgspec.Struct, frozen=True, gc=False):
    """Trades of a topic."""

    data: list[TradeRow]


class Book(msgspec.Struct, frozen=True, gc=False):
    """A book, or changes of one; ``cts`` is when the matching engine made it."""

    topic: str
    data: BookData
    type: str = ""
    ts: Millis = 0
    cts: Millis | None = None


class Quote(Book, frozen=True, gc=False):
    """A book of depth 1, which always comes whole."""


class Ticker(msgspec.Struct, frozen=True, gc=False):
    """A ticker, or the figures of one that changed."""

    data: TickerData
    type: str = ""
    ts: Millis = 0
    cs: Id | None = None


class Klines(msgspec.Struct, frozen=True, gc=False):
    """Bars of a topic, most of them not final."""

    topic: str
    data: list[KlineRow]
