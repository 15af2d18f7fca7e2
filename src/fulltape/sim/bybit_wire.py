"""The frames of Bybit v5's public topics, written from what the simulated market did.

Field by field as in https://bybit-exchange.github.io/docs/v5/websocket/public/trade: figures are text, times are
milliseconds, over REST as text.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from fulltape.sim.events import Book, Quote, Trade
from fulltape.sim.history import MINUTE_S, Day, MinuteBar, PastTrade
from fulltape.sim.instruments import Listing, decimal_text, step_text
from fulltape.sim.texts import short
from fulltape.sim.told import LevelNews, by_side

SPOT: Final = "spot"
LINEAR: Final = "linear"
QUOTE: Final = "USDT"

Row = dict[str, Any]

_MS_NS: Final = 1_000_000
_FIRST_SPOT_ID: Final = 2_290_000_000_000_000_000
_CONTRACTS: Final = uuid.uuid5(uuid.NAMESPACE_DNS, "linear.sim.fulltape.invalid")

encode = msgspec.json.Encoder().encode


def symbol_of(listing: Listing) -> str:
    """Return ``BTCUSDT``, the name of the pair and of the contract on it."""
    return f"{listing.base}{QUOTE}"


def ms(time_ns: int) -> int:
    """Return a time as the venue writes it."""
    return time_ns // _MS_NS


def trade_id(category: str, listing: Listing, number: int) -> str:
    """Return the venue's id of a trade: digits on the spot market, a UUID of contracts."""
    if category == SPOT:
        return str(_FIRST_SPOT_ID + number)
    return str(uuid.uuid5(_CONTRACTS, f"{symbol_of(listing)}/{number}"))


def message(topic: str, kind: str, now_ns: int, data: object, **more: int) -> bytes:
    """Write data of a topic."""
    return encode({"topic": topic, "type": kind, "ts": ms(now_ns), "data": data} | more)


def answer(operation: str, request_id: str, connection: str, *, problem: str = "", words: str = "") -> bytes:
    """Write the answer to a request, a refusal if there is a problem."""
    return encode(
        {
            "success": not problem,
            "ret_msg": problem or words or operation,
            "conn_id": connection,
            "req_id": request_id,
            "op": operation,
        }
    )


def trade(category: str, listing: Listing, traded: Trade, direction: str) -> Row:
    """Return a row of ``publicTrade``; ``S`` is the taker's side."""
    row: Row = {
        "T": ms(traded.time),
        "s": symbol_of(listing),
        "S": "Buy" if traded.maker_sells else "Sell",
        "v": listing.size_text(traded.size),
        "p": listing.price_text(traded.price),
        "i": trade_id(category, listing, traded.trade_id),
        "BT": False,
        "RPI": False,
        "seq": traded.sequence,
    }
    return row | ({"L": direction} if category == LINEAR else {})


def book(listing: Listing, whole: Book, update: int) -> Row:
    """Return a book, or what of it a topic shows."""
    return _book(listing, whole.bids, whole.asks, update, whole.sequence)


def changes(listing: Listing, news: Iterable[LevelNews], now: Book, update: int) -> Row:
    """Return the new sizes of levels."""
    return _book(listing, *by_side(news), update, now.sequence)


def ticker(category: str, listing: Listing, quote: Quote, last: Trade, day: Day) -> Row:
    """Return the rolling day; only contracts have best levels here, and a mark price, which is the middle."""
    price = listing.price_text
    row: Row = {
        "symbol": symbol_of(listing),
        "lastPrice": price(last.price),
        "highPrice24h": price(day.high),
        "lowPrice24h": price(day.low),
        "prevPrice24h": price(day.open),
        "volume24h": listing.size_text(day.volume),
        "turnover24h": value_text(listing, day.value),
        "price24hPcnt": f"{last.price / day.open - 1:.4f}",
    }
    if category == SPOT:
        return row | {"usdIndexPrice": price(last.price)}
    middle = price((quote.bid + quote.ask) // 2)
    return row | {
        "markPrice": middle,
        "indexPrice": middle,
        "fundingRate": "0.0001",
        "bid1Price": price(quote.bid),
        "bid1Size": listing.size_text(quote.bid_size),
        "ask1Price": price(quote.ask),
        "ask1Size": listing.size_text(quote.ask_size),
    }


def kline(listing: Listing, bar: MinuteBar, now_ns: int, *, is_final: bool) -> Row:
    """Return a bar of one minute."""
    start = bar.start * 1_000
    prices = {name: listing.price_text(getattr(bar, name)) for name in ("open", "close", "high", "low")}
    figures = {"volume": listing.size_text(bar.volume), "turnover": value_text(listing, bar.value)}
    times = {"start": start, "end": start + MINUTE_S * 1_000 - 1, "interval": "1"}
    return times | prices | figures | {"confirm": is_final, "timestamp": ms(now_ns)}


def past_trade(category: str, listing: Listing, traded: PastTrade) -> Row:
    """Return a trade as it is over REST."""
    return {
        "execId": trade_id(category, listing, traded.trade_id),
        "symbol": symbol_of(listing),
        "price": listing.price_text(traded.price),
        "size": listing.size_text(traded.size),
        "side": "Buy" if traded.maker_sells else "Sell",
        "time": str(ms(traded.time)),
        "isBlockTrade": False,
        "isRPITrade": False,
    }


def bar(listing: Listing, rolled: MinuteBar) -> list[str]:
    """Return a bar as it is over REST."""
    prices = [listing.price_text(ticks) for ticks in (rolled.open, rolled.high, rolled.low, rolled.close)]
    return [str(rolled.start * 1_000), *prices, listing.size_text(rolled.volume), value_text(listing, rolled.value)]


def instrument(category: str, listing: Listing) -> Row:
    """Return a row of ``instruments-info``."""
    step, tick = step_text(listing.size_decimals), step_text(listing.price_decimals)
    row: Row = {
        "symbol": symbol_of(listing),
        "baseCoin": listing.base,
        "quoteCoin": QUOTE,
        "status": "Trading",
        "priceFilter": {"tickSize": tick},
    }
    if category == SPOT:
        return row | {"lotSizeFilter": {"basePrecision": step, "quotePrecision": "0.00000001", "minOrderQty": step}}
    return row | {
        "contractType": "LinearPerpetual",
        "settleCoin": QUOTE,
        "deliveryTime": "0",
        "lotSizeFilter": {"qtyStep": step, "minOrderQty": step},
    }


def value_text(listing: Listing, value: int) -> str:
    """Write a number of price steps times size steps as an exact decimal."""
    return short(decimal_text(value, listing.price_decimals + listing.size_decimals))


def _book(
    listing: Listing, bids: list[tuple[int, int]], asks: list[tuple[int, int]], update: int, sequence: int
) -> Row:
    sides = {
        name: [[listing.price_text(price), listing.size_text(size) if size else "0"] for price, size in side]
        for name, side in (("b", bids), ("a", asks))
    }
    return {"s": symbol_of(listing)} | sides | {"u": update, "seq": sequence}
