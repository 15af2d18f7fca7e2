"""What happens in the simulated market. Prices and sizes are whole numbers of the listing's steps; times are ns UTC.

``product`` is the listing's place in the market.
"""

from __future__ import annotations

import msgspec


class Trade(msgspec.Struct, frozen=True, gc=False):
    """One match. ``maker_sells`` is the side of the resting order."""

    product: int
    trade_id: int
    price: int
    size: int
    maker_sells: bool
    maker_order: int
    taker_order: int
    sequence: int
    time: int


class LevelChange(msgspec.Struct, frozen=True, gc=False):
    """The new size of a price level, 0 if it is gone."""

    product: int
    is_ask: bool
    price: int
    size: int
    time: int


class Quote(msgspec.Struct, frozen=True, gc=False):
    """The best levels after an order had all its trades."""

    product: int
    bid: int
    bid_size: int
    ask: int
    ask_size: int
    time: int


class RfqTrade(msgspec.Struct, frozen=True, gc=False):
    """An off-book print, with an id space of its own."""

    product: int
    trade_id: int
    price: int
    size: int
    is_buy: bool
    maker_order: int
    taker_order: int
    time: int


class AuctionState(msgspec.Struct, frozen=True, gc=False):
    """What an opening auction says once a second while it collects."""

    product: int
    sequence: int
    quote: Quote
    open_price: int
    open_size: int
    time: int


Event = Trade | LevelChange | Quote | RfqTrade | AuctionState


class Book(msgspec.Struct, frozen=True):
    """All levels of a product as (price, size), best first."""

    sequence: int
    time: int
    bids: list[tuple[int, int]]
    asks: list[tuple[int, int]]
