"""The frames of Binance spot's streams, written from what the simulated market did.

Field by field as in https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams: figures are text with
eight decimals, times are milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from fulltape.sim.events import Book, Quote, Trade
from fulltape.sim.history import MINUTE_S, Day, MinuteBar, PastTrade
from fulltape.sim.instruments import Listing, decimal_text

QUOTE: Final = "USDT"
DECIMALS: Final = 8

Row = dict[str, Any]
Changes = Mapping[tuple[bool, int], int]
"""New sizes by side (whether it is the asks) and price."""

_MS_NS: Final = 1_000_000

encode = msgspec.json.Encoder().encode


def symbol_of(listing: Listing) -> str:
    """Return ``BTCUSDT``: what the market prices in dollars is priced in Tether here."""
    return f"{listing.base}{QUOTE}"


def ms(time_ns: int) -> int:
    """Return a time as the venue writes it."""
    return time_ns // _MS_NS


def price_text(listing: Listing, ticks: int) -> str:
    """Write a price."""
    return _padded(ticks, listing.price_decimals)


def size_text(listing: Listing, lots: int) -> str:
    """Write a size."""
    return _padded(lots, listing.size_decimals)


def value_text(listing: Listing, value: int) -> str:
    """Write a number of price steps times size steps, cut after eight decimals."""
    decimals = listing.price_decimals + listing.size_decimals
    return _padded(value, decimals) if decimals <= DECIMALS else _padded(value // 10 ** (decimals - DECIMALS), DECIMALS)


def trade(listing: Listing, traded: Trade) -> Row:
    """Return a row of ``trade``."""
    return _event("trade", listing, traded.time) | {"t": traded.trade_id} | _match(listing, traded)


def merged_trade(listing: Listing, traded: Trade) -> Row:
    """Return a row of ``aggTrade``: what one taker did at one price, which here is always one match."""
    ids = {"a": traded.trade_id, "f": traded.trade_id, "l": traded.trade_id}
    return _event("aggTrade", listing, traded.time) | ids | _match(listing, traded)


def best(listing: Listing, quote: Quote, update: int) -> Row:
    """Return a row of ``bookTicker``, which has no time."""
    return {"u": update, "s": symbol_of(listing)} | _top(listing, quote)


def changes(listing: Listing, now_ns: int, first: int, last: int, sizes: Changes) -> Row:
    """Return changes ``first`` to ``last`` of the book."""
    sides: dict[str, list[list[str]]] = {"b": [], "a": []}
    for (is_ask, price), size in sizes.items():
        sides["a" if is_ask else "b"].append([price_text(listing, price), size_text(listing, size)])
    return _event("depthUpdate", listing, now_ns) | {"U": first, "u": last} | sides


def book(listing: Listing, whole: Book, limit: int) -> Row:
    """Return a book as it is over REST."""
    sides = {"bids": whole.bids, "asks": whole.asks}
    return {"lastUpdateId": whole.sequence} | {
        name: [[price_text(listing, price), size_text(listing, size)] for price, size in side[:limit]]
        for name, side in sides.items()
    }


def ticker(listing: Listing, quote: Quote, last: Trade, day: Day, now_ns: int) -> Row:
    """Return the rolling day."""
    prices = {"p": last.price - day.open, "x": day.open, "c": last.price, "o": day.open, "h": day.high, "l": day.low}
    return (
        _event("24hrTicker", listing, now_ns)
        | {name: price_text(listing, ticks) for name, ticks in prices.items()}
        | {"P": f"{100 * (last.price / day.open - 1):.3f}", "Q": size_text(listing, last.size)}
        | {"w": f"{day.value / max(day.volume, 1) / 10**listing.price_decimals:.{DECIMALS}f}"}
        | {"v": size_text(listing, day.volume), "q": value_text(listing, day.value)}
        | {"O": ms(now_ns) - 86_400_000, "C": ms(now_ns), "L": last.trade_id}
        | _top(listing, quote)
    )


def kline(listing: Listing, bar: MinuteBar, first_id: int, now_ns: int, *, is_closed: bool) -> Row:
    """Return a bar of one minute and the ids of its trades, -1 if it has none."""
    ids = (first_id, first_id + bar.trades - 1) if bar.trades else (-1, -1)
    start = bar.start * 1_000
    figures = {"t": start, "T": start + MINUTE_S * 1_000 - 1, "s": symbol_of(listing), "i": "1m"}
    figures |= {"f": ids[0], "L": ids[1]}
    figures |= dict(zip("ohlcv", bar_texts(listing, bar), strict=True))
    bought = {"V": size_text(listing, bar.bought), "Q": value_text(listing, bar.bought_value)}
    figures |= {"n": bar.trades, "x": is_closed, "q": value_text(listing, bar.value)} | bought | {"B": "0"}
    return _event("kline", listing, now_ns) | {"k": figures}


def bar_texts(listing: Listing, bar: MinuteBar) -> list[str]:
    """Return open, high, low, close and volume."""
    prices = [price_text(listing, ticks) for ticks in (bar.open, bar.high, bar.low, bar.close)]
    return [*prices, size_text(listing, bar.volume)]


def past_trade(listing: Listing, traded: PastTrade) -> Row:
    """Return a trade as it is over REST."""
    return {
        "id": traded.trade_id,
        "price": price_text(listing, traded.price),
        "qty": size_text(listing, traded.size),
        "quoteQty": value_text(listing, traded.price * traded.size),
        "time": ms(traded.time),
        "isBuyerMaker": not traded.maker_sells,
        "isBestMatch": True,
    }


def past_merged_trade(listing: Listing, traded: PastTrade) -> Row:
    """Return a merged trade as it is over REST."""
    ids = {"a": traded.trade_id, "f": traded.trade_id, "l": traded.trade_id}
    return ids | _match(listing, traded)


def instrument(listing: Listing) -> Row:
    """Return a row of ``exchangeInfo``."""
    price_step, size_step = price_text(listing, 1), size_text(listing, 1)
    return {
        "symbol": symbol_of(listing),
        "status": "TRADING",
        "baseAsset": listing.base,
        "baseAssetPrecision": DECIMALS,
        "quoteAsset": QUOTE,
        "quotePrecision": DECIMALS,
        "isSpotTradingAllowed": True,
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": price_step, "maxPrice": "1000000.00", "tickSize": price_step},
            {"filterType": "LOT_SIZE", "minQty": size_step, "maxQty": "9000.00", "stepSize": size_step},
        ],
    }


def _event(name: str, listing: Listing, time_ns: int) -> Row:
    return {"e": name, "E": ms(time_ns), "s": symbol_of(listing)}


def _match(listing: Listing, traded: Trade | PastTrade) -> Row:
    figures = {"p": price_text(listing, traded.price), "q": size_text(listing, traded.size), "T": ms(traded.time)}
    return figures | {"m": not traded.maker_sells, "M": True}


def _top(listing: Listing, quote: Quote) -> Row:
    return {
        "b": price_text(listing, quote.bid),
        "B": size_text(listing, quote.bid_size),
        "a": price_text(listing, quote.ask),
        "A": size_text(listing, quote.ask_size),
    }


def _padded(steps: int, decimals: int) -> str:
    sign = "-" if steps < 0 else ""
    return sign + decimal_text(abs(steps) * 10 ** (DECIMALS - decimals), DECIMALS)
