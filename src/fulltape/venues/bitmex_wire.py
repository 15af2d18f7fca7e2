"""BitMEX's messages: what its rows look like, on the stream and over REST alike, and the tables they come in.

https://www.bitmex.com/api/explorer. Prices and sizes are numbers; a size is a number of contracts.
https://www.bitmex.com/app/wsAPI. A table begins with a ``partial``; rows are then inserted, updated and deleted.
"""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

import msgspec

from fulltape.records import AggressorSide, Instrument, instrument_id
from fulltape.records.instrument import INVERSE, LINEAR, QUANTO, is_instrument_id
from fulltape.venues.base import Channel
from fulltape.venues.pairs import split_pair

NAME: Final = "BITMEX"
CHANNEL_NAMES: Final = {
    Channel.TRADES: "trade",
    Channel.QUOTES: "quote",
    Channel.BOOK: "orderBookL2",
    Channel.BARS: "tradeBin1m",
    Channel.STATUS: "instrument",
}
"""The venue's names of channels: its tables."""

TAKER: Final = {"Buy": int(AggressorSide.BUY), "Sell": int(AggressorSide.SELL)}

_PERPETUALS: Final = frozenset(("FFWCSX", "FFWCSF"))
_SPOT: Final = "IFXXXP"
_FUTURE: Final = "FFCCSX"
_QUOTES: Final = ("USDT", "USDC", "USD", "EUR", "XBT")
_STATES_MONEY: Final = frozenset(("USD", "EUR"))
_FUTURE_SYMBOL: Final = re.compile(r"([A-Z0-9]+?)([FGHJKMNQUVXZ]\d\d)\Z", re.ASCII)

Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Action = Literal["partial", "insert", "update", "delete"]


class TradeRow(msgspec.Struct, frozen=True, gc=False):
    """A trade; ``side`` is the taker's.

    ``{"timestamp":"2021-07-22T22:36:10.014Z","symbol":"UNIUSDT","side":"Buy","size":52,"price":17.297,
    "trdMatchID":"39744121-c20e-44ba-8cc8-a6b8cdf72885","homeNotional":16.73101673101673,…}``. A row of an index has
    size 0 and no notional.
    """

    timestamp: str
    symbol: str
    size: float
    price: float
    trade_id: str = msgspec.field(name="trdMatchID")
    side: str = ""
    home_notional: float | None = msgspec.field(name="homeNotional", default=None)


class QuoteRow(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """``{"timestamp":"…","symbol":"UNIUSDT","bidSize":750,"bidPrice":17.277,"askPrice":17.297,"askSize":123}``."""

    timestamp: str
    symbol: str
    bid_size: float | None = None
    bid_price: float | None = None
    ask_price: float | None = None
    ask_size: float | None = None


class BookRow(msgspec.Struct, frozen=True, gc=False):
    """A level. An update may lack its price, a deletion its size as well: the id stands for the price.

    ``{"symbol":"SOLUSDT","id":54899972480,"side":"Sell","size":991,"price":27.52}``
    """

    symbol: str
    id: int
    side: Literal["Buy", "Sell"]
    size: float | None = None
    price: float | None = None
    timestamp: str = ""


class BinRow(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A bar, stamped with its end; ``open`` is the close before it. Without trades prices can be null.

    ``{"timestamp":"2024-11-23T20:07:00.000Z","symbol":"XBTUSD","open":98570,"high":98571,"low":98560,"close":98570,
    "trades":20,"volume":84000,"vwap":98565,"homeNotional":0.852,…}``
    """

    timestamp: str
    symbol: str
    open: float | None = None
    high: float | None = None
    low: float | None = None
    close: float | None = None
    trades: Count | None = None
    vwap: float | None = None
    home_notional: float | None = None

    def volume_in_base(self) -> float:
        """Return the volume in the base currency, NaN if there were trades and the row does not say."""
        if self.home_notional is not None:
            return self.home_notional
        return 0.0 if self.trades == 0 else float("nan")


class InstrumentRow(msgspec.Struct, frozen=True, rename="camel"):
    """An instrument as it comes whole; about 100 fields, of which these matter."""

    symbol: str
    state: str
    typ: str
    underlying: str
    quote_currency: str
    tick_size: float | None = None
    lot_size: float | None = None
    underlying_to_position_multiplier: float | None = None
    underlying_to_settle_multiplier: float | None = None
    multiplier: float | None = None
    is_inverse: bool = False
    is_quanto: bool = False

    def instrument(self) -> Instrument | None:
        """Return it in fulltape's terms, or None for what has no market: indices, predictions, odd names."""
        if self.typ in _PERPETUALS:
            contract = "-PERP"
        elif self.typ == _SPOT:
            contract = ""
        elif self.typ == _FUTURE and (match := _FUTURE_SYMBOL.match(self.symbol)):
            contract = f"-{match[2]}"
        else:
            return None
        found = named(self.symbol, self.underlying, self.quote_currency, contract)
        if not is_instrument_id(found.id):
            return None
        return msgspec.structs.replace(
            found,
            price_step=self.tick_size or 0.0,
            size_step=self._size_step(),
            status=_status(self.state),
            contract=INVERSE if self.is_inverse else QUANTO if self.is_quanto else LINEAR,
            contract_size=self._contract_size(),
        )

    def _contract_size(self) -> float:
        """Return what one contract stands for; see `fulltape.records.Instrument`. Spot is counted in parts too."""
        if self.is_inverse:
            settled = self.underlying_to_settle_multiplier
            return (self.multiplier or 0.0) / settled if settled else 0.0
        if self.is_quanto or not self.underlying_to_position_multiplier:
            return 0.0
        return 1.0 / self.underlying_to_position_multiplier

    def _size_step(self) -> float:
        """Return the step in the base currency; 0 where it changes with the price."""
        if self.is_inverse or self.is_quanto or not self.lot_size or not self.underlying_to_position_multiplier:
            return 0.0
        return self.lot_size / self.underlying_to_position_multiplier


class InstrumentUpdate(msgspec.Struct, frozen=True):
    """A sparse update: ``{"symbol":"ETHUSD","openInterest":58922153}``."""

    symbol: str
    state: str = ""

    @property
    def status(self) -> str:
        """The state in fulltape's terms."""
        return _status(self.state)


class Filter(msgspec.Struct, frozen=True, gc=False):
    """What a partial is of: ``{"symbol":"XBTUSD"}``."""

    symbol: str = ""


class Frame(msgspec.Struct, frozen=True):
    """Any frame: rows of a table, or an answer: ``{"success":true,"subscribe":"trade:XBTUSD","request":{…}}``."""

    table: str = ""
    action: Literal["", "partial", "insert", "update", "delete"] = ""
    data: msgspec.Raw = msgspec.Raw()
    filter: Filter = Filter()
    subscribe: str = ""
    unsubscribe: str = ""
    error: str = ""
    status: int = 400
    info: str = ""


class _Data(msgspec.Struct, frozen=True, gc=False, tag_field="table"):
    """Rows of a table, decoded at once."""

    action: Action


class Trades(_Data, frozen=True, gc=False, tag="trade"):
    """Trades, of a partial those before the subscription."""

    data: list[TradeRow]


class Quotes(_Data, frozen=True, gc=False, tag="quote"):
    """Quotes."""

    data: list[QuoteRow]


class Levels(_Data, frozen=True, gc=False, tag="orderBookL2"):
    """Levels of books; a partial names its symbol, as the book can be empty."""

    data: list[BookRow]
    filter: Filter = Filter()


class Bins(_Data, frozen=True, gc=False, tag="tradeBin1m"):
    """Bars."""

    data: list[BinRow]


class Instruments(_Data, frozen=True, gc=False, tag="instrument"):
    """Instruments, whole or the figures that changed: which of them, the action tells."""

    data: msgspec.Raw


Message = Trades | Quotes | Levels | Bins | Instruments


def instrument_of_symbol(symbol: str) -> Instrument:
    """Return the instrument of a symbol by the venue's naming: see docs/venues/bitmex.md. Raises ValueError.

    Contracts on Bitcoin against a state's money are inverse, of one unit of it; how much any other is, only the venue's
    list tells.
    """
    base, _, quote = symbol.partition("_")
    future = _FUTURE_SYMBOL.match(symbol)
    if quote:
        found = named(symbol, base, quote, "")
    elif future is not None:
        # A future without a quote currency in its name is priced in dollars if it is Bitcoin's, else in Bitcoin.
        pair = split_pair(future[1], _QUOTES) or (future[1], "USD" if future[1] == "XBT" else "XBT")
        found = named(symbol, *pair, f"-{future[2]}")
    elif (pair_of_perpetual := split_pair(symbol, _QUOTES)) is not None:
        found = named(symbol, *pair_of_perpetual, "-PERP")
    else:
        raise ValueError(f"not a {NAME} instrument: {symbol!r} (they look like XBTUSD, XBTM26 or XBT_USDT)")
    if not is_instrument_id(found.id):
        raise ValueError(f"not a {NAME} instrument: {symbol!r}")
    if found.base == "BTC" and found.quote in _STATES_MONEY:
        return msgspec.structs.replace(found, contract=INVERSE, contract_size=1.0)
    return msgspec.structs.replace(found, contract=LINEAR)


def named(symbol: str, base: str, quote: str, contract: str) -> Instrument:
    """Return an instrument without steps. The venue calls Bitcoin XBT."""
    base, quote = ("BTC" if currency == "XBT" else currency for currency in (base, quote))
    name = instrument_id(base, f"{quote}{contract}", NAME)
    return Instrument(id=name, venue=NAME, venue_symbol=symbol, base=base, quote=quote)


def _status(state: str) -> str:
    return "online" if state == "Open" else state.lower()
