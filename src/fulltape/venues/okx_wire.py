"""OKX v5's messages: what each looks like, on the stream and over REST alike.

https://www.okx.com/docs-v5/en/#order-book-trading-market-data. Prices, sizes, ids and times (ms) are texts.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal

import msgspec

from fulltape.records import AggressorSide, Instrument
from fulltape.records.instrument import INVERSE, LINEAR, instrument_id
from fulltape.venues.base import Channel

NAME: Final = "OKX"
CHANNEL_NAMES: Final = {
    Channel.TRADES: "trades",
    Channel.TRADES_ALL: "trades-all",
    Channel.TICKERS: "tickers",
    Channel.QUOTES: "bbo-tbt",
    Channel.BOOK: "books",
    Channel.BARS: "candle1m",
    Channel.STATUS: "instruments",
}
"""The venue's names of channels."""

MS_NS: Final = 1_000_000
TAKER: Final = {"buy": int(AggressorSide.BUY), "sell": int(AggressorSide.SELL)}
_SYMBOL: Final = re.compile(r"([A-Z0-9]+)-([A-Z0-9]+)(?:-(SWAP|\d{6}))?\Z", re.ASCII)

Id = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Ms = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
SeqId = Annotated[int, msgspec.Meta(ge=-1, le=2**53)]
Action = Literal["snapshot", "update"]
RawLevel = tuple[float, float, str, str]
"""Price, size, a field out of use, number of orders."""
Candle = tuple[Ms, float, float, float, float, float, float, float, Literal["0", "1"]]
"""Start, open, high, low, close, volume, volume in currency, in quote currency, whether it is finished.

Of a contract the first volume counts contracts and the second is in base, of spot they are in base and in quote.
"""


class TradeRow(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A trade, or on channel ``trades`` all that one taker's order made at one price.

    ``{"instId":"BTC-USDT","tradeId":"130639474","px":"42219.9","sz":"0.12060306","side":"buy","ts":"1630048897897"}``
    """

    inst_id: str
    trade_id: Id
    px: float
    sz: float
    side: Literal["buy", "sell"]
    ts: Ms


class TickerRow(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """The rolling day: figures that do not exist are empty texts.

    ``{"instType":"SPOT","instId":"BTC-USDT","last":"9999.99","lastSz":"0.1","askPx":"9999.99","askSz":"11",…}``
    """

    inst_id: str
    last: float
    ts: Ms
    last_sz: str = ""
    ask_px: str = ""
    ask_sz: str = ""
    bid_px: str = ""
    bid_sz: str = ""
    open24h: str = ""
    high24h: str = ""
    low24h: str = ""
    vol24h: str = ""
    vol_ccy24h: str = ""

    def volume(self) -> str:
        """Return the day's volume in the base currency: of a contract ``vol24h`` counts contracts."""
        return self.vol_ccy24h if is_contract(self.inst_id) else self.vol24h


class BookRow(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Levels of ``books`` and ``bbo-tbt``: ``{"asks":[["8476.98","415","0","13"]],"bids":[…],"ts":"1597026383085",…}``.

    An update follows the message whose ``seqId`` is its ``prevSeqId``. The checksum is always 0 by now.
    """

    ts: Ms
    bids: list[RawLevel]
    asks: list[RawLevel]
    seq_id: SeqId | None = None
    prev_seq_id: SeqId | None = None


class InstrumentRow(msgspec.Struct, frozen=True, rename="camel"):
    """An instrument of the channel ``instruments`` or of ``GET /api/v5/public/instruments``.

    ``{"instType":"SPOT","instId":"BTC-USDT","baseCcy":"BTC","quoteCcy":"USDT","tickSz":"0.1","lotSz":"0.00000001",…}``,
    ``{"instType":"SWAP","instId":"BTC-USDT-SWAP","ctType":"linear","ctVal":"0.01","ctMult":"1","lotSz":"1",…}``.
    """

    inst_id: str
    tick_sz: float
    lot_sz: float
    state: str
    ct_type: str = ""
    ct_val: str = ""
    ct_mult: str = ""

    def instrument(self) -> Instrument | None:
        """Return it in fulltape's terms; None if its name is not one that fulltape reads, as those of options."""
        try:
            found = instrument_of_symbol(self.inst_id)
            contract_size = float(self.ct_val or 0) * float(self.ct_mult or 1)
        except ValueError:
            return None
        contract = self.ct_type or found.contract
        return msgspec.structs.replace(
            found,
            price_step=self.tick_sz,
            size_step=self._size_step(contract, contract_size),
            status="online" if self.state == "live" else self.state,
            contract=contract,
            contract_size=contract_size,
        )

    def _size_step(self, contract: str, contract_size: float) -> float:
        """Return the step in the base currency; 0 where it changes with the price."""
        if contract == INVERSE:
            return 0.0
        return self.lot_sz * contract_size if contract == LINEAR else self.lot_sz


class Arg(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """What was subscribed to: ``{"channel":"trades","instId":"BTC-USDT"}``."""

    channel: str
    inst_id: str = ""


class _Data(msgspec.Struct, frozen=True, gc=False):
    arg: Arg


class Trades(_Data, frozen=True, gc=False):
    """Trades that are made now."""

    data: list[TradeRow]


class FirstTrades(Trades, frozen=True, gc=False):
    """The first push after a confirmation, which is the newest trade before it; it comes like any other."""


class Books(_Data, frozen=True, gc=False):
    """A book, or changes of one."""

    action: Action
    data: list[BookRow]


class Quotes(_Data, frozen=True, gc=False):
    """Books of a level a side, which always come whole."""

    data: list[BookRow]


class Tickers(_Data, frozen=True, gc=False):
    """Tickers."""

    data: list[TickerRow]


class Bars(_Data, frozen=True, gc=False):
    """Bars, most of them still being made."""

    data: list[Candle]


class Instruments(_Data, frozen=True, gc=False):
    """Instruments, all of them or those that changed."""

    data: list[InstrumentRow]


Message = Trades | Books | Quotes | Tickers | Bars | Instruments


class Frame(msgspec.Struct, frozen=True):
    """Any frame: rows of a channel, or an answer: ``{"event":"subscribe","arg":{"channel":"trades",…},…}``."""

    arg: Arg | None = None
    event: str = ""
    action: str = ""
    code: str = ""
    msg: str = ""
    data: msgspec.Raw = msgspec.Raw()


class LooseBook(msgspec.Struct, frozen=True, rename="camel"):
    """A `BookRow` whose levels may be anything."""

    ts: Ms
    bids: list[Any]
    asks: list[Any]
    seq_id: SeqId | None = None
    prev_seq_id: SeqId | None = None


def is_contract(inst_id: str) -> bool:
    """Return whether an instrument is a contract: ``BTC-USDT-SWAP``, ``BTC-USD-260327``."""
    return inst_id.count("-") > 1


def instrument_of_symbol(symbol: str) -> Instrument:
    """Return the instrument of ``BTC-USDT``, ``BTC-USDT-SWAP`` (a perpetual) or ``BTC-USD-260327`` (a future).

    A contract against USD is inverse, of 100 USD if it is on Bitcoin, else of 10; how much any other is only the
    venue's list tells. Raises ValueError.
    """
    match = _SYMBOL.match(symbol)
    if match is None:
        raise ValueError(f"not an {NAME} instrument: {symbol!r} (they look like BTC-USDT or BTC-USDT-SWAP)")
    base, quote, term = match.groups()
    product = quote if term is None else f"{quote}-{'PERP' if term == 'SWAP' else term}"
    found = Instrument(instrument_id(base, product, NAME), NAME, symbol, base, quote)
    if term is None:
        return found
    if quote != "USD":
        return msgspec.structs.replace(found, contract=LINEAR)
    return msgspec.structs.replace(found, contract=INVERSE, contract_size=100.0 if base == "BTC" else 10.0)
