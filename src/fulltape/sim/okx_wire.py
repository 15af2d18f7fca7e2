"""The frames of OKX's v5 public channels, written from what the simulated market did.

Field by field as in https://www.okx.com/docs-v5/en/#order-book-trading-market-data: every figure is text without zeros
at its end, times are milliseconds as text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from fulltape.sim.events import Book, Quote, Trade
from fulltape.sim.history import Day, MinuteBar, PastTrade
from fulltape.sim.instruments import Listing, decimal_text, step_text
from fulltape.sim.texts import short
from fulltape.sim.told import LevelNews, by_side

FIRST_PREVIOUS: Final = -1
"""What a snapshot has for the number of the message before it."""

QUOTE: Final = "USDT"

Arg = dict[str, str]

_MS_NS: Final = 1_000_000

encode = msgspec.json.Encoder().encode


def symbol_of(listing: Listing) -> str:
    """Return ``BTC-USDT``: what the market prices in dollars is priced in Tether here."""
    return f"{listing.base}-{QUOTE}"


def ms_text(time_ns: int) -> str:
    """Return a time as the venue writes it."""
    return str(time_ns // _MS_NS)


def event(name: str, arg: Arg, connection: str) -> bytes:
    """Write a confirmation."""
    return encode({"event": name, "arg": arg, "connId": connection})


def error(code: str, message: str, connection: str) -> bytes:
    """Write a refusal."""
    return encode({"event": "error", "msg": message, "code": code, "connId": connection})


def data(arg: Arg, rows: object, action: str = "") -> bytes:
    """Write rows of a channel; only those of ``books`` have an action."""
    return encode({"arg": arg} | ({"action": action} if action else {}) | {"data": rows})


def trade(listing: Listing, traded: Trade | PastTrade) -> dict[str, str]:
    """Return a trade; ``side`` is the taker's."""
    return {
        "instId": symbol_of(listing),
        "tradeId": str(traded.trade_id),
        "px": short(listing.price_text(traded.price)),
        "sz": short(listing.size_text(traded.size)),
        "side": "buy" if traded.maker_sells else "sell",
        "ts": ms_text(traded.time),
    }


def merged_trade(listing: Listing, traded: Trade) -> dict[str, object]:
    """Return a row of ``trades``: what one taker did at one price, which here is always one match."""
    return trade(listing, traded) | {"count": "1", "source": "0", "seqId": traded.sequence}


def ticker(listing: Listing, quote: Quote, trade: Trade, day: Day) -> dict[str, str]:
    """Return the best levels, the last trade and the rolling day; ``volCcy24h`` is in the quote currency."""
    prices = {
        "last": trade.price,
        "askPx": quote.ask,
        "bidPx": quote.bid,
        "open24h": day.open,
        "high24h": day.high,
        "low24h": day.low,
    }
    sizes = {"lastSz": trade.size, "askSz": quote.ask_size, "bidSz": quote.bid_size, "vol24h": day.volume}
    return {
        "instType": "SPOT",
        "instId": symbol_of(listing),
        **{name: short(listing.price_text(ticks)) for name, ticks in prices.items()},
        **{name: short(listing.size_text(lots)) for name, lots in sizes.items()},
        "volCcy24h": value_text(listing, day.value),
        "ts": ms_text(quote.time),
    }


def book(listing: Listing, book: Book, depth: int) -> dict[str, object]:
    """Return the best levels of a book as they are."""
    bids, asks = ([_level(listing, *level) for level in side[:depth]] for side in (book.bids, book.asks))
    return {"asks": asks, "bids": bids, "ts": ms_text(book.time), "seqId": book.sequence}


def first_book(listing: Listing, told: Book) -> dict[str, object]:
    """Return the snapshot that changes follow."""
    return book(listing, told, len(told.bids) + len(told.asks)) | {"checksum": 0, "prevSeqId": FIRST_PREVIOUS}


def changes(listing: Listing, previous: int, now: Book, news: Iterable[LevelNews]) -> dict[str, object]:
    """Return the new sizes of levels, and the number of the message that they follow."""
    bids, asks = ([_level(listing, *level) for level in side] for side in by_side(news))
    return {
        "asks": asks,
        "bids": bids,
        "ts": ms_text(now.time),
        "checksum": 0,
        "prevSeqId": previous,
        "seqId": now.sequence,
    }


def candle(listing: Listing, bar: MinuteBar, is_final: bool) -> list[str]:
    """Return a candle: start, prices, volume, its value twice, and whether it is finished."""
    value = value_text(listing, bar.value)
    prices = [short(listing.price_text(ticks)) for ticks in (bar.open, bar.high, bar.low, bar.close)]
    return [str(bar.start * 1_000), *prices, short(listing.size_text(bar.volume)), value, value, str(int(is_final))]


def instrument(listing: Listing) -> dict[str, str]:
    """Return what the venue tells of an instrument, on the socket as over REST."""
    return {
        "instType": "SPOT",
        "instId": symbol_of(listing),
        "baseCcy": listing.base,
        "quoteCcy": QUOTE,
        "tickSz": step_text(listing.price_decimals),
        "lotSz": step_text(listing.size_decimals),
        "minSz": step_text(listing.size_decimals),
        "ctVal": "",
        "ctMult": "",
        "listTime": "1548133413000",
        "state": "live",
    }


def value_text(listing: Listing, value: int) -> str:
    """Write a number of price steps times size steps as an exact decimal."""
    return short(decimal_text(value, listing.price_decimals + listing.size_decimals))


def _level(listing: Listing, price: int, size: int) -> Sequence[str]:
    return (short(listing.price_text(price)), short(listing.size_text(size)), "0", "1" if size else "0")
