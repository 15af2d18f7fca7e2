"""Frames of every venue: the same seeded trades in each one's own words, and a changed level for every trade."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final, NamedTuple

from fulltape.clock import SECOND_NS, format_rfc3339

_START_MS: Final = 1_763_632_800_000


class Print(NamedTuple):
    """One made-up trade."""

    number: int
    price: str
    size: str
    is_buy: bool
    ms: int

    @property
    def time(self) -> str:
        """RFC 3339."""
        return format_rfc3339(self.ms * SECOND_NS // 1_000)

    @property
    def uuid(self) -> str:
        """An id where the venue uses UUIDs."""
        return f"39744121-c20e-44ba-8cc8-{self.number:012x}"

    def side(self, buy: str, sell: str) -> str:
        """Return the word for the side."""
        return buy if self.is_buy else sell


@dataclass(frozen=True, slots=True)
class Words:
    """How a venue words a trade and a book change, and how its peers find the trade.

    ``row`` takes the trade out of a frame for ccxt's ``parse_trade``. ``ccxt`` and ``cryptofeed`` name the peers'
    classes, empty where they have none. ``old`` words the trade for cryptofeed where that reads an older protocol, and
    ``old_symbol`` is what it calls the symbol.
    """

    venue: str
    symbol: str
    trade: Callable[[Print], Any]
    book: Callable[[Sequence[Print]], Any]
    row: Callable[[Any], Any]
    ccxt: str = ""
    cryptofeed: str = ""
    old: Callable[[Print], Any] | None = None
    old_symbol: str = ""

    def trades(self, count: int) -> list[bytes]:
        """Return ``count`` frames of a trade each."""
        return [_encode(self.trade(one)) for one in prints(count)]

    def old_trades(self, count: int) -> list[bytes]:
        """Return them as cryptofeed reads them."""
        return [_encode((self.old or self.trade)(one)) for one in prints(count)]

    def books(self, count: int, levels: int) -> list[bytes]:
        """Return ``count`` messages of so many levels each: a snapshot and changes that follow each other."""
        made = prints(count * levels)
        return [_encode(self.book(made[i : i + levels])) for i in range(0, len(made), levels)]


def prints(count: int) -> list[Print]:
    """Return seeded trades, the same every time."""
    random = Random(7)
    return [
        Print(
            number,
            f"{91_000 + random.randint(-5_000, 5_000) / 100:.2f}",
            f"{random.randint(1, 10**9) / 1e8:.8f}",
            random.random() < 0.5,
            _START_MS + number,
        )
        for number in range(1, count + 1)
    ]


def _pairs(levels: Sequence[Print], is_bid: bool) -> list[list[str]]:
    return [[p.price, p.size] for p in levels if p.is_buy is is_bid]


def _named(levels: Sequence[Print], is_bid: bool, price: str, size: str) -> list[dict[str, float]]:
    return [{price: float(p.price), size: float(p.size)} for p in levels if p.is_buy is is_bid]


def _is_first(levels: Sequence[Print]) -> bool:
    return levels[0].number == 1


def _encode(message: Any) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode()


def _binance_trade(p: Print) -> Any:
    trade = {"e": "trade", "E": p.ms, "s": "BTCUSDT", "t": p.number, "p": p.price, "q": p.size, "T": p.ms}
    return {"stream": "btcusdt@trade", "data": {**trade, "m": not p.is_buy, "M": True}}


def _binance_merged(p: Print) -> Any:
    trade = {"e": "aggTrade", "E": p.ms, "s": "BTCUSDT", "a": p.number, "p": p.price, "q": p.size, "f": 1, "l": 1}
    return {"stream": "btcusdt@aggTrade", "data": {**trade, "T": p.ms, "m": not p.is_buy, "M": True}}


def _binance_book(levels: Sequence[Print]) -> Any:
    last = levels[-1]
    change = {"e": "depthUpdate", "E": last.ms, "s": "BTCUSDT", "U": levels[0].number, "u": last.number}
    sides = {"b": _pairs(levels, True), "a": _pairs(levels, False)}
    return {"stream": "btcusdt@depth@100ms", "data": change | sides}


def _bitmex_trade(p: Print) -> Any:
    row = {"timestamp": p.time, "symbol": "XBTUSD", "side": p.side("Buy", "Sell"), "size": 100}
    row |= {"price": float(p.price), "tickDirection": "PlusTick", "trdMatchID": p.uuid, "grossValue": 1}
    notional = {"homeNotional": float(p.size), "foreignNotional": 100}
    return {"table": "trade", "action": "insert", "data": [row | notional]}


def _bitmex_book(levels: Sequence[Print]) -> Any:
    rows = [
        {"symbol": "XBTUSD", "id": 10**10 - p.number, "side": p.side("Buy", "Sell"), "size": 100}
        | {"price": float(p.price), "timestamp": p.time}
        for p in levels
    ]
    return {"table": "orderBookL2", "action": "partial" if _is_first(levels) else "insert", "data": rows}


def _bitstamp_trade(p: Print) -> Any:
    micro, amount = str(p.ms * 1_000), float(p.size)
    trade = {"id": p.number, "timestamp": micro[:10], "amount": amount, "amount_str": p.size, "price": float(p.price)}
    trade |= {"price_str": p.price, "type": int(not p.is_buy), "microtimestamp": micro}
    orders = {"buy_order_id": 1443875737346049, "sell_order_id": 1443875731320832}
    return {"data": trade | orders, "channel": "live_trades_btcusd", "event": "trade"}


def _bitstamp_book(levels: Sequence[Print]) -> Any:
    micro = str(levels[-1].ms * 1_000)
    sides = {"bids": _pairs(levels, True), "asks": _pairs(levels, False)}
    data = {"timestamp": micro[:10], "microtimestamp": micro, **sides}
    return {"data": data, "channel": "diff_order_book_btcusd", "event": "data"}


def _bybit_trade(p: Print) -> Any:
    row = {"i": str(2290000000000000000 + p.number), "T": p.ms, "p": p.price, "v": p.size}
    row |= {"S": p.side("Buy", "Sell"), "seq": p.number, "s": "BTCUSDT", "BT": False, "RPI": False}
    return {"topic": "publicTrade.BTCUSDT", "ts": p.ms, "type": "snapshot", "data": [row]}


def _bybit_book(levels: Sequence[Print]) -> Any:
    last = levels[-1]
    sides = {"b": _pairs(levels, True), "a": _pairs(levels, False)}
    data = {"s": "BTCUSDT", **sides, "u": last.number // len(levels) + 1, "seq": last.number}
    kind = "snapshot" if _is_first(levels) else "delta"
    return {"topic": "orderbook.50.BTCUSDT", "ts": last.ms, "type": kind, "data": data, "cts": last.ms}


def _coinbase_trade(p: Print) -> Any:
    ids = {"trade_id": p.number, "maker_order_id": p.uuid, "taker_order_id": p.uuid, "side": p.side("sell", "buy")}
    rest = {"size": p.size, "price": p.price, "product_id": "BTC-USD", "sequence": p.number, "time": p.time}
    return {"type": "match", **ids, **rest}


def _coinbase_advanced(p: Print) -> Any:
    trade = {"product_id": "BTC-USD", "trade_id": str(p.number), "price": p.price, "size": p.size, "time": p.time}
    events = [{"type": "update", "trades": [trade | {"side": p.side("SELL", "BUY")}]}]
    return {"channel": "market_trades", "timestamp": p.time, "sequence_num": p.number, "events": events}


def _coinbase_book(levels: Sequence[Print]) -> Any:
    changes = [[p.side("buy", "sell"), p.price, p.size] for p in levels]
    return {"type": "l2update", "product_id": "BTC-USD", "changes": changes, "time": levels[-1].time}


def _kraken_trade(p: Print) -> Any:
    row = {"symbol": "BTC/USD", "side": p.side("buy", "sell"), "price": float(p.price), "qty": float(p.size)}
    rest = {"ord_type": "market", "trade_id": p.number, "timestamp": p.time}
    return {"channel": "trade", "type": "update", "data": [row | rest]}


def _kraken_v1(p: Print) -> Any:
    return [337, [[p.price, p.size, f"{p.ms / 1e3:.6f}", p.side("b", "s"), "m", ""]], "trade", "XBT/USD"]


def _kraken_book(levels: Sequence[Print]) -> Any:
    sides = {"bids": _named(levels, True, "price", "qty"), "asks": _named(levels, False, "price", "qty")}
    row = {"symbol": "BTC/USD", **sides, "checksum": 2439117997, "timestamp": levels[-1].time}
    return {"channel": "book", "type": "snapshot" if _is_first(levels) else "update", "data": [row]}


def _okx_trade(p: Print) -> Any:
    row = {"instId": "BTC-USDT", "tradeId": str(p.number), "px": p.price, "sz": p.size, "side": p.side("buy", "sell")}
    return {"arg": {"channel": "trades", "instId": "BTC-USDT"}, "data": [row | {"ts": str(p.ms), "count": "1"}]}


def _okx_book(levels: Sequence[Print]) -> Any:
    last, previous = levels[-1], levels[0].number - 1
    asks, bids = ([[*pair, "0", "1"] for pair in _pairs(levels, side)] for side in (False, True))
    row = {"asks": asks, "bids": bids, "ts": str(last.ms), "checksum": 0, "seqId": last.number}
    data = [row | {"prevSeqId": previous or -1}]
    arg = {"channel": "books", "instId": "BTC-USDT"}
    return {"arg": arg, "action": "snapshot" if _is_first(levels) else "update", "data": data}


def _alpaca_trade(p: Print) -> Any:
    figures = {"p": float(p.price), "s": float(p.size), "t": p.time, "i": p.number}
    return [{"T": "t", "S": "BTC/USD", **figures, "tks": p.side("B", "S")}]


def _alpaca_book(levels: Sequence[Print]) -> Any:
    sides = {"b": _named(levels, True, "p", "s"), "a": _named(levels, False, "p", "s")}
    return [{"T": "o", "S": "BTC/USD", "t": levels[-1].time, **sides, **({"r": True} if _is_first(levels) else {})}]


VENUES: Final = (
    Words("COINBASE", "BTC-USD", _coinbase_trade, _coinbase_book, lambda m: m, "coinbaseexchange", "Coinbase",
          _coinbase_advanced),
    Words("ALPACA", "BTC/USD", _alpaca_trade, _alpaca_book, lambda m: m[0], "alpaca"),
    Words("BINANCE", "BTCUSDT", _binance_trade, _binance_book, lambda m: m["data"], "binance", "Binance",
          _binance_merged),
    Words("BITMEX", "XBTUSD", _bitmex_trade, _bitmex_book, lambda m: m["data"][0], "bitmex", "Bitmex"),
    Words("BITSTAMP", "btcusd", _bitstamp_trade, _bitstamp_book, lambda m: m["data"], "bitstamp", "Bitstamp"),
    Words("BYBIT", "BTCUSDT", _bybit_trade, _bybit_book, lambda m: m["data"][0], "bybit", "Bybit",
          old_symbol="BTC/USDT"),
    Words("KRAKEN", "BTC/USD", _kraken_trade, _kraken_book, lambda m: m["data"][0], "", "Kraken", _kraken_v1,
          "XBT/USD"),
    Words("OKX", "BTC-USDT", _okx_trade, _okx_book, lambda m: m["data"][0], "okx", "OKX"),
)  # fmt: skip
"""Every venue that has a stream; Bybit's linear contracts come as its spot does."""
