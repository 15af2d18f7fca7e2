"""The frames of Kraken's WebSocket v2, written from what the simulated market did.

Field by field as in https://docs.kraken.com/api/docs/websocket-v2/trade and the pages beside it: prices and sizes are
numbers with all the digits of the instrument's steps, times are RFC 3339 with six digits.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from typing import Final, Literal

import msgspec

from fulltape.sim.events import Book, Quote, Trade
from fulltape.sim.history import Day, MinuteBar, PastTrade
from fulltape.sim.instruments import Listing, decimal_text, step_text
from fulltape.sim.texts import micros_text, number
from fulltape.sim.told import LevelNews, by_side

Kind = Literal["snapshot", "update"]

HEARTBEAT: Final = b'{"channel":"heartbeat"}'
VERSION: Final = "2.0.10"
_CHECKED_LEVELS: Final = 10

encode = msgspec.json.Encoder().encode


def symbol_of(listing: Listing) -> str:
    """Return ``BTC/USD``."""
    return f"{listing.base}/{listing.quote}"


def status(connection_id: int) -> bytes:
    """Write what comes first on a connection."""
    row = {"version": VERSION, "system": "online", "api_version": "v2", "connection_id": connection_id}
    return encode({"channel": "status", "type": "update", "data": [row]})


def data(channel: str, kind: Kind, rows: object) -> bytes:
    """Write rows of a channel."""
    return encode({"channel": channel, "type": kind, "data": rows})


def trade(listing: Listing, traded: Trade | PastTrade) -> dict[str, object]:
    """Return a trade; ``side`` is the taker's."""
    return {
        "symbol": symbol_of(listing),
        "side": "buy" if traded.maker_sells else "sell",
        "price": number(listing.price_text(traded.price)),
        "qty": number(listing.size_text(traded.size)),
        "ord_type": "market",
        "trade_id": traded.trade_id,
        "timestamp": micros_text(traded.time),
    }


def ticker(listing: Listing, quote: Quote, last: int, day: Day) -> dict[str, object]:
    """Return the best levels, the last price and the rolling day."""
    moved = last - day.open
    change = f"{'-' if moved < 0 else ''}{listing.price_text(abs(moved))}"
    return {
        "symbol": symbol_of(listing),
        "bid": number(listing.price_text(quote.bid)),
        "bid_qty": number(listing.size_text(quote.bid_size)),
        "ask": number(listing.price_text(quote.ask)),
        "ask_qty": number(listing.size_text(quote.ask_size)),
        "last": number(listing.price_text(last)),
        "volume": number(listing.size_text(day.volume)),
        "vwap": number(listing.price_text(day.value // max(day.volume, 1))),
        "low": number(listing.price_text(day.low)),
        "high": number(listing.price_text(day.high)),
        "change": number(change),
        "change_pct": round(100 * moved / day.open, 2),
        "timestamp": micros_text(quote.time),
    }


def snapshot(listing: Listing, book: Book) -> dict[str, object]:
    """Return a whole book."""
    return _book(listing, book, book.bids, book.asks)


def changes(listing: Listing, book: Book, news: Iterable[LevelNews]) -> dict[str, object]:
    """Return the new levels of a book; the checksum is that of the book after them."""
    bids, asks = by_side(news)
    return _book(listing, book, bids, asks)


def checksum(listing: Listing, book: Book) -> int:
    """Return the CRC32 over the best ten asks, then bids, each price and size without point and leading zeros.

    https://docs.kraken.com/api/docs/guides/spot-ws-book-v2
    """
    levels = (*book.asks[:_CHECKED_LEVELS], *book.bids[:_CHECKED_LEVELS])
    texts = (text for price, size in levels for text in (listing.price_text(price), listing.size_text(size)))
    return zlib.crc32("".join(text.replace(".", "").lstrip("0") for text in texts).encode())


def bar(listing: Listing, made: MinuteBar, interval_min: int) -> dict[str, object]:
    """Return a candle, finished or not."""
    begin = micros_text(made.start * 1_000_000_000)
    end = micros_text((made.start + interval_min * 60) * 1_000_000_000)
    prices = {name: number(listing.price_text(getattr(made, name))) for name in ("open", "high", "low", "close")}
    return {
        "symbol": symbol_of(listing),
        **prices,
        "trades": made.trades,
        "volume": number(listing.size_text(made.volume)),
        "vwap": number(listing.price_text(made.value // max(made.volume, 1))),
        "interval_begin": f"{begin[:-1]}000Z",
        "interval": interval_min,
        "timestamp": end,
    }


def instruments(listings: Sequence[Listing]) -> dict[str, object]:
    """Return the assets and pairs."""
    decimals = {listing.base: listing.size_decimals for listing in listings} | {one.quote: 4 for one in listings}
    assets = [
        {"id": name, "status": "enabled", "precision": places, "precision_display": min(places, 8), "borrowable": False}
        for name, places in decimals.items()
    ]
    return {"assets": assets, "pairs": [_pair(listing) for listing in listings]}


def _pair(listing: Listing) -> dict[str, object]:
    return {
        "symbol": symbol_of(listing),
        "base": listing.base,
        "quote": listing.quote,
        "status": "online",
        "qty_precision": listing.size_decimals,
        "qty_increment": number(step_text(listing.size_decimals)),
        "qty_min": number(step_text(listing.size_decimals)),
        "price_precision": listing.price_decimals,
        "price_increment": number(step_text(listing.price_decimals)),
        "cost_precision": listing.price_decimals,
        "cost_min": number(decimal_text(1, 0)),
        "marginable": False,
        "has_index": False,
    }


def _book(
    listing: Listing, book: Book, bids: Sequence[tuple[int, int]], asks: Sequence[tuple[int, int]]
) -> dict[str, object]:
    bid_rows, ask_rows = (
        [{"price": number(listing.price_text(price)), "qty": number(listing.size_text(size))} for price, size in levels]
        for levels in (bids, asks)
    )
    return {
        "symbol": symbol_of(listing),
        "bids": bid_rows,
        "asks": ask_rows,
        "checksum": checksum(listing, book),
        "timestamp": micros_text(book.time),
    }
