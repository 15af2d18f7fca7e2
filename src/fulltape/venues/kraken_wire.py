"""Kraken's WebSocket v2 messages: what each looks like.

https://docs.kraken.com/api/docs/websocket-v2/trade. Prices and sizes are numbers.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

from fulltape.records import AggressorSide, Instrument, instrument_id
from fulltape.venues.base import Channel

NAME: Final = "KRAKEN"
CHANNEL_NAMES: Final = {
    Channel.TRADES: "trade",
    Channel.TICKERS: "ticker",
    Channel.BOOK: "book",
    Channel.BARS: "ohlc",
    Channel.STATUS: "instrument",
}
"""The venue's names of channels."""

TAKER: Final = {"buy": int(AggressorSide.BUY), "sell": int(AggressorSide.SELL)}

Digits = Annotated[int, msgspec.Meta(ge=-1, le=18)]
Id = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class TradeRow(msgspec.Struct, frozen=True, gc=False):
    """A trade; ``side`` is the taker's.

    ``{"symbol":"MATIC/USD","side":"sell","price":0.5117,"qty":40.0,"ord_type":"market","trade_id":4665906,
    "timestamp":"2023-09-25T07:49:37.708706Z"}``
    """

    symbol: str
    side: Literal["buy", "sell"]
    price: float
    qty: float
    trade_id: Id
    timestamp: str


class TickerRow(msgspec.Struct, frozen=True, gc=False):
    """``{"symbol":"ALGO/USD","bid":0.10025,"bid_qty":740.0,"ask":0.10036,"ask_qty":1361.4,"last":0.10035,…}``."""

    symbol: str
    last: float
    bid: float | None = None
    bid_qty: float | None = None
    ask: float | None = None
    ask_qty: float | None = None
    volume: float | None = None
    low: float | None = None
    high: float | None = None
    change: float | None = None
    """Of the price in 24 hours, in the quote currency."""
    timestamp: str = ""


class LevelRow(msgspec.Struct, frozen=True, gc=False):
    """``{"price":0.5666,"qty":4831.75496356}``; quantity 0 removes the level."""

    price: float
    qty: float


class BookRow(msgspec.Struct, frozen=True, gc=False):
    """Levels of a book, and the CRC32 over the best ten of each side after them.

    ``{"symbol":"MATIC/USD","bids":[{"price":0.5666,"qty":4831.75}],"asks":[],"checksum":2439117997,"timestamp":"…"}``
    """

    symbol: str
    bids: list[LevelRow]
    asks: list[LevelRow]
    checksum: Annotated[int, msgspec.Meta(ge=0, lt=2**32)]
    timestamp: str = ""


class BarRow(msgspec.Struct, frozen=True, gc=False):
    """The bar that is being made: ``{"symbol":"…","open":…,"interval_begin":"2023-10-04T16:25:00.000000000Z",…}``."""

    symbol: str
    open: float
    high: float
    low: float
    close: float
    volume: float
    trades: Id
    interval_begin: str
    vwap: float | None = None


class PairRow(msgspec.Struct, frozen=True):
    """``{"symbol":"BTC/USD","base":"BTC","quote":"USD","status":"online","price_increment":0.1,…}``.

    A figure is written with as many decimals as its precision says; by them checksums are computed.
    """

    symbol: str
    base: str
    quote: str
    status: str
    price_increment: float
    qty_increment: float
    price_precision: Digits = -1
    qty_precision: Digits = -1

    def instrument(self) -> Instrument:
        """Return it in fulltape's terms."""
        name = instrument_id(self.base, self.quote, NAME)
        return Instrument(
            id=name,
            venue=NAME,
            venue_symbol=self.symbol,
            base=self.base,
            quote=self.quote,
            price_step=self.price_increment,
            size_step=self.qty_increment,
            status=self.status,
            price_digits=self.price_precision,
            size_digits=self.qty_precision,
        )


class Pairs(msgspec.Struct, frozen=True):
    """The rows of channel ``instrument``, as far as they are pairs."""

    pairs: list[PairRow]


class _Result(msgspec.Struct, frozen=True):
    channel: str = ""
    symbol: str = ""


class Frame(msgspec.Struct, frozen=True):
    """Any frame: rows of a channel, or an answer: ``{"method":"subscribe","success":true,"result":{…}}``."""

    channel: str = ""
    type: Literal["", "snapshot", "update"] = ""
    data: msgspec.Raw = msgspec.Raw()
    method: str = ""
    result: _Result = _Result()
    success: bool = False
    error: str = ""
    symbol: str = ""


class _Data(msgspec.Struct, frozen=True, gc=False, tag_field="channel"):
    """Rows of a channel, decoded at once."""

    type: Literal["snapshot", "update"]


class Trades(_Data, frozen=True, gc=False, tag="trade"):
    """Trades, of the snapshot those before the subscription."""

    data: list[TradeRow]


class Tickers(_Data, frozen=True, gc=False, tag="ticker"):
    """Tickers."""

    data: list[TickerRow]


class Books(_Data, frozen=True, gc=False, tag="book"):
    """Books, or changes of some."""

    data: list[BookRow]


class Bars(_Data, frozen=True, gc=False, tag="ohlc"):
    """Bars that are being made."""

    data: list[BarRow]
