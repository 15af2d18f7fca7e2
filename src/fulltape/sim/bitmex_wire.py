"""The frames of BitMEX's tables, written from what the simulated market did.

Field by field as in https://www.bitmex.com/app/wsAPI and https://www.bitmex.com/api/explorer: figures are numbers,
sizes count contracts, times are RFC 3339 with three digits.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal

import msgspec

from fulltape.clock import SECOND_NS
from fulltape.sim.contracts import Contract
from fulltape.sim.events import Book, Quote, Trade
from fulltape.sim.history import Day, MinuteBar, PastTrade
from fulltape.sim.texts import millis_text, number, short
from fulltape.sim.told import LevelNews

Action = Literal["partial", "insert", "update", "delete"]
Row = dict[str, Any]

TYPES: Final[dict[str, dict[str, str]]] = {
    "trade": {
        "timestamp": "timestamp",
        "symbol": "symbol",
        "side": "symbol",
        "size": "long",
        "price": "float",
        "tickDirection": "symbol",
        "trdMatchID": "guid",
        "grossValue": "long",
        "homeNotional": "float",
        "foreignNotional": "float",
        "trdType": "symbol",
    },
    "quote": {
        "timestamp": "timestamp",
        "symbol": "symbol",
        "bidSize": "long",
        "bidPrice": "float",
        "askPrice": "float",
        "askSize": "long",
    },
    "orderBookL2": {
        "symbol": "symbol",
        "id": "long",
        "side": "symbol",
        "size": "long",
        "price": "float",
        "timestamp": "timestamp",
    },
    "tradeBin": {
        "timestamp": "timestamp",
        "symbol": "symbol",
        "open": "float",
        "high": "float",
        "low": "float",
        "close": "float",
        "trades": "long",
        "volume": "long",
        "vwap": "float",
        "homeNotional": "float",
        "foreignNotional": "float",
    },
    "instrument": {"symbol": "symbol", "state": "symbol", "typ": "symbol", "timestamp": "timestamp"},
}
"""The tables' fields and their types; a table's variants (``orderBookL2_25``) have those of the longest name."""

_KEYS: Final = {"orderBookL2": ["symbol", "id", "side"], "instrument": ["symbol"]}
_MATCH_FACTOR: Final = 0x9E3779B97F4A7C15F39CC0605CEDC835  # odd, so different numbers give different ids

encode = msgspec.json.Encoder().encode


def welcome(now_ns: int) -> bytes:
    """Write what comes first on a connection."""
    return encode(
        {
            "info": "Welcome to the BitMEX Realtime API.",
            "version": "2026-01-01T00:00:00.000Z",
            "timestamp": millis_text(now_ns),
            "docs": "https://www.bitmex.com/app/wsAPI",
            "heartbeatEnabled": False,
            "limit": {"remaining": 59},
        }
    )


def error(status: int, message: str, request: object) -> bytes:
    """Write a refusal."""
    return encode({"status": status, "error": message, "meta": {}, "request": request})


def confirmation(operation: str, topic: str, request: object) -> bytes:
    """Write that a topic is subscribed, or no longer."""
    return encode({"success": True, operation: topic, "request": request})


def rows(table: str, action: Action, data: Sequence[Row]) -> bytes:
    """Write rows of a table."""
    return encode({"table": table, "action": action, "data": data})


def partial(table: str, symbol: str, data: Sequence[Row]) -> bytes:
    """Write what a table holds when it is subscribed."""
    family = next(name for name in sorted(TYPES, key=len, reverse=True) if table.startswith(name))
    head = {
        "table": table,
        "action": "partial",
        "keys": _KEYS.get(family, []),
        "types": TYPES[family],
        "filter": {"symbol": symbol} if symbol else {},
    }
    return encode(head | {"data": data})


def trade(contract: Contract, traded: Trade | PastTrade, direction: str) -> Row:
    """Return a trade; ``side`` is the taker's."""
    size = contract.count(traded.price, traded.size)
    home, foreign = contract.home(traded.price, size), contract.foreign(traded.price, size)
    gross = home * 1e8 if contract.is_inverse else foreign * 1e6
    return {
        "timestamp": millis_text(traded.time),
        "symbol": contract.symbol,
        "side": "Buy" if traded.maker_sells else "Sell",
        "size": size,
        "price": price(contract, traded.price),
        "tickDirection": direction,
        "trdMatchID": match_id(contract, traded.trade_id),
        "grossValue": round(gross),
        "homeNotional": home,
        "foreignNotional": foreign,
        "trdType": "Regular",
    }


def match_id(contract: Contract, trade_id: int) -> str:
    """Return the UUID of a trade."""
    digits = f"{((contract.number + 1 << 64) | trade_id) * _MATCH_FACTOR % (1 << 128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def quote(contract: Contract, best: Quote) -> Row:
    """Return the best levels."""
    return {
        "timestamp": millis_text(best.time),
        "symbol": contract.symbol,
        "bidSize": contract.count(best.bid, best.bid_size),
        "bidPrice": price(contract, best.bid),
        "askPrice": price(contract, best.ask),
        "askSize": contract.count(best.ask, best.ask_size),
    }


def levels(contract: Contract, book: Book) -> list[Row]:
    """Return all levels of a book, from the highest price to the lowest."""
    time = millis_text(book.time)
    sides = [*((True, *level) for level in reversed(book.asks)), *((False, *level) for level in book.bids)]
    return [
        _level(contract, is_ask, ticks)
        | {"size": contract.count(ticks, lots), "price": price(contract, ticks), "timestamp": time}
        for is_ask, ticks, lots in sides
    ]


def level_changes(contract: Contract, news: Iterable[LevelNews], time_ns: int) -> dict[Action, list[Row]]:
    """Return the rows of each action, deletions first. Of them only insertions name the price: the id stands for it."""
    time = millis_text(time_ns)
    found: dict[Action, list[Row]] = {"delete": [], "update": [], "insert": []}
    for level in news:
        row = _level(contract, level.is_ask, level.price)
        if not level.size:
            found["delete"].append(row | {"timestamp": time})
            continue
        row |= {"size": contract.count(level.price, level.size)}
        if level.is_new:
            found["insert"].append(row | {"price": price(contract, level.price), "timestamp": time})
        else:
            found["update"].append(row | {"timestamp": time})
    return {action: changed for action, changed in found.items() if changed}


def trade_bin(contract: Contract, bar: MinuteBar, last: int, end_s: int) -> Row:
    """Return a bar, stamped with its end; it opens with ``last``, the price before it."""
    row: Row = {"timestamp": millis_text(end_s * SECOND_NS), "symbol": contract.symbol}
    if not bar.volume:
        row |= {name: price(contract, last) for name in ("open", "high", "low", "close")}
        return row | {"trades": 0, "volume": 0, "vwap": None, "homeNotional": 0, "foreignNotional": 0}
    vwap = max(1, bar.value // bar.volume)
    volume = contract.count(vwap, bar.volume)
    return row | {
        "open": price(contract, last),
        "high": price(contract, max(bar.high, last)),
        "low": price(contract, min(bar.low, last)),
        "close": price(contract, bar.close),
        "trades": bar.trades,
        "volume": volume,
        "vwap": price(contract, vwap),
        "homeNotional": contract.home(vwap, volume),
        "foreignNotional": contract.foreign(vwap, volume),
    }


def instrument(contract: Contract, best: Quote, last: int, day: Day | None) -> Row:
    """Return what the venue tells of an instrument, on the socket as over REST."""
    listing = contract.listing
    row: Row = {
        "symbol": contract.symbol,
        "rootSymbol": contract.underlying,
        "state": "Open",
        "typ": "FFWCSX",
        "underlying": contract.underlying,
        "quoteCurrency": contract.quote,
        "settlCurrency": "XBt" if contract.is_inverse else "USDt",
        "lotSize": 1,
        "tickSize": number(listing.price_text(1)),
        "multiplier": -100_000_000 if contract.is_inverse else 1,
        "isQuanto": False,
        "isInverse": contract.is_inverse,
        "underlyingToPositionMultiplier": None if contract.is_inverse else 10**listing.size_decimals,
        "underlyingToSettleMultiplier": -100_000_000 if contract.is_inverse else None,
        "quoteToSettleMultiplier": None if contract.is_inverse else 1_000_000,
    }
    return row | prices(contract, best, last) | ({} if day is None else _rolling(contract, day))


def prices(contract: Contract, best: Quote, last: int) -> Row:
    """Return the fields of an instrument that change all the time."""
    return {
        "symbol": contract.symbol,
        "lastPrice": price(contract, last),
        "bidPrice": price(contract, best.bid),
        "askPrice": price(contract, best.ask),
        "timestamp": millis_text(best.time),
    }


def price(contract: Contract, ticks: int) -> msgspec.Raw:
    """Return a price as a number."""
    return number(short(contract.listing.price_text(ticks)))


def _rolling(contract: Contract, day: Day) -> Row:
    vwap = max(1, day.value // max(day.volume, 1))
    volume = contract.count(vwap, day.volume)
    return {
        "prevPrice24h": price(contract, day.open),
        "highPrice": price(contract, day.high),
        "lowPrice": price(contract, day.low),
        "vwap": price(contract, vwap),
        "volume24h": volume,
        "homeNotional24h": contract.home(vwap, volume),
        "foreignNotional24h": contract.foreign(vwap, volume),
    }


def _level(contract: Contract, is_ask: bool, ticks: int) -> Row:
    return {"symbol": contract.symbol, "id": contract.level_id(ticks), "side": "Sell" if is_ask else "Buy"}
