"""The frames of Bitstamp's WebSocket v2, written from what the simulated market did.

Field by field as in https://www.bitstamp.net/websocket/v2/: figures are text with all their digits, of a trade also
numbers; times are seconds and microseconds as text.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from fulltape.clock import SECOND_NS
from fulltape.sim.events import Book, Trade
from fulltape.sim.instruments import Listing
from fulltape.sim.told import LevelNews, by_side

_US_NS: Final = 1_000
_ID_STEP: Final = 64  # more than there are pairs: ids of one pair grow and skip, as the venue counts all pairs together

_TAKER_LEAD: Final = 1_000_000  # of a trade's two orders the taker's is the later one

encode = msgspec.json.Encoder().encode


def symbol_of(listing: Listing) -> str:
    """Return ``btcusd``."""
    return f"{listing.base}{listing.quote}".lower()


def trade_id(product: int, number: int) -> int:
    """Return the venue's id of a product's trade."""
    return number * _ID_STEP + product


def times(time_ns: int) -> dict[str, str]:
    """Return a time as the venue writes it: twice."""
    return {"timestamp": str(time_ns // SECOND_NS), "microtimestamp": str(time_ns // _US_NS)}


def message(event: str, channel: str, data: object) -> bytes:
    """Write a message."""
    return encode({"event": event, "channel": channel, "data": data})


def error(words: str) -> bytes:
    """Write a refusal."""
    return message("bts:error", "", {"code": None, "message": words})


def trade(listing: Listing, traded: Trade) -> dict[str, Any]:
    """Return a trade; ``type`` is 0 where the taker bought."""
    price, amount = listing.price_text(traded.price), listing.size_text(traded.size)
    taker_buys, taker = traded.maker_sells, traded.taker_order + _TAKER_LEAD
    buyer, seller = (taker, traded.maker_order) if taker_buys else (traded.maker_order, taker)
    return {
        "id": trade_id(traded.product, traded.trade_id),
        **times(traded.time),
        "amount": float(amount),
        "amount_str": amount,
        "price": float(price),
        "price_str": price,
        "type": 0 if taker_buys else 1,
        "buy_order_id": buyer,
        "sell_order_id": seller,
    }


def changes(listing: Listing, now_ns: int, news: Iterable[LevelNews]) -> dict[str, Any]:
    """Return the new sizes of levels."""
    return times(now_ns) | _sides(listing, *by_side(news))


def book(listing: Listing, whole: Book) -> dict[str, Any]:
    """Return a book, on the socket as over REST."""
    return times(whole.time) | _sides(listing, whole.bids, whole.asks)


def _sides(listing: Listing, bids: list[tuple[int, int]], asks: list[tuple[int, int]]) -> dict[str, Any]:
    return {
        name: [[listing.price_text(price), listing.size_text(size)] for price, size in side]
        for name, side in (("bids", bids), ("asks", asks))
    }
