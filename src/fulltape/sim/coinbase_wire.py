"""The frames of Coinbase Exchange's WebSocket feed, written from what the simulated market did.

Field by field as in https://docs.cdp.coinbase.com/exchange/websocket-feed/channels: prices and sizes are text,
ids and sequences are numbers, times are RFC 3339 with six digits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from fulltape.clock import format_rfc3339
from fulltape.sim.events import AuctionState, Book, LevelChange, Quote, RfqTrade, Trade
from fulltape.sim.history import Day
from fulltape.sim.instruments import Listing, step_text

_UUID_FACTOR = 0x9E3779B97F4A7C15F39CC0605CEDC835  # odd, so different numbers give different ids

encode = msgspec.json.Encoder().encode


class _Match(msgspec.Struct, frozen=True):
    type: str
    trade_id: int
    maker_order_id: str
    taker_order_id: str
    side: str
    size: str
    price: str
    product_id: str
    sequence: int
    time: str


class _Ticker(msgspec.Struct, frozen=True, tag="ticker"):
    sequence: int
    product_id: str
    price: str
    open_24h: str
    volume_24h: str
    low_24h: str
    high_24h: str
    volume_30d: str
    best_bid: str
    best_bid_size: str
    best_ask: str
    best_ask_size: str
    side: str
    time: str
    trade_id: int
    last_size: str


def order_id(product: int, number: int) -> str:
    """Return the UUID of a product's order."""
    digits = f"{(product + 1 << 64 | number) * _UUID_FACTOR % (1 << 128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def micros_text(time_ns: int) -> str:
    """Return an RFC 3339 time with six digits, as the venue writes event times."""
    return f"{format_rfc3339(time_ns)[:26]}Z"


def error(message: str, reason: str = "") -> bytes:
    """Write an error."""
    return encode({"type": "error", "message": message} | ({"reason": reason} if reason else {}))


def subscriptions(channels: Mapping[str, Sequence[str]]) -> bytes:
    """Write the acknowledgement: everything the connection is subscribed to now."""
    rows = [{"name": name, "product_ids": symbols, "account_ids": None} for name, symbols in channels.items()]
    return encode({"type": "subscriptions", "channels": rows})


def match(listing: Listing, trade: Trade, kind: Literal["match", "last_match"]) -> bytes:
    """Write a trade; ``side`` is the MAKER's."""
    return encode(
        _Match(
            type=kind,
            trade_id=trade.trade_id,
            maker_order_id=order_id(trade.product, trade.maker_order),
            taker_order_id=order_id(trade.product, trade.taker_order),
            side="sell" if trade.maker_sells else "buy",
            size=listing.size_text(trade.size),
            price=listing.price_text(trade.price),
            product_id=listing.symbol,
            sequence=trade.sequence,
            time=micros_text(trade.time),
        )
    )


def ticker(listing: Listing, quote: Quote, trade: Trade, day: Day) -> bytes:
    """Write the summary after an order's last trade; ``side`` is the TAKER's."""
    return encode(
        _Ticker(
            sequence=trade.sequence,
            product_id=listing.symbol,
            price=listing.price_text(trade.price),
            open_24h=listing.price_text(day.open),
            volume_24h=listing.size_text(day.volume),
            low_24h=listing.price_text(day.low),
            high_24h=listing.price_text(day.high),
            volume_30d=listing.size_text(day.volume_30d),
            best_bid=listing.price_text(quote.bid),
            best_bid_size=listing.size_text(quote.bid_size),
            best_ask=listing.price_text(quote.ask),
            best_ask_size=listing.size_text(quote.ask_size),
            side="buy" if trade.maker_sells else "sell",
            time=micros_text(trade.time),
            trade_id=trade.trade_id,
            last_size=listing.size_text(trade.size),
        )
    )


def heartbeat(listing: Listing, last_trade_id: int, sequence: int, time_ns: int) -> bytes:
    """Write a heartbeat."""
    return encode(
        {
            "type": "heartbeat",
            "last_trade_id": last_trade_id,
            "product_id": listing.symbol,
            "sequence": sequence,
            "time": micros_text(time_ns),
        }
    )


def snapshot(listing: Listing, book: Book) -> bytes:
    """Write all levels."""
    bids, asks = (
        [[listing.price_text(price), listing.size_text(size)] for price, size in levels]
        for levels in (book.bids, book.asks)
    )
    return encode({"type": "snapshot", "product_id": listing.symbol, "asks": asks, "bids": bids})


def l2update(listing: Listing, changes: Sequence[LevelChange]) -> bytes:
    """Write new absolute level sizes; the time is that of the newest change."""
    rows = [
        ["sell" if change.is_ask else "buy", listing.price_text(change.price), listing.size_text(change.size)]
        for change in changes
    ]
    time = micros_text(max(change.time for change in changes))
    return encode({"type": "l2update", "product_id": listing.symbol, "changes": rows, "time": time})


def rfq_match(listing: Listing, trade: RfqTrade) -> bytes:
    """Write an off-book print; its side is in capitals, as seen live."""
    return encode(
        {
            "type": "rfq_match",
            "maker_order_id": order_id(trade.product, trade.maker_order),
            "taker_order_id": order_id(trade.product, trade.taker_order),
            "time": micros_text(trade.time),
            "trade_id": trade.trade_id,
            "product_id": listing.symbol,
            "size": listing.size_text(trade.size),
            "price": listing.price_text(trade.price),
            "side": "BUY" if trade.is_buy else "SELL",
        }
    )


def auction(listing: Listing, state: AuctionState) -> bytes:
    """Write an auction's state; its time field is called ``timestamp``."""
    return encode(
        {
            "type": "auction",
            "product_id": listing.symbol,
            "sequence": state.sequence,
            "auction_state": "collection",
            "best_bid_price": listing.price_text(state.quote.bid),
            "best_bid_size": listing.size_text(state.quote.bid_size),
            "best_ask_price": listing.price_text(state.quote.ask),
            "best_ask_size": listing.size_text(state.quote.ask_size),
            "open_price": listing.price_text(state.open_price),
            "open_size": listing.size_text(state.open_size),
            "can_open": "yes",
            "timestamp": micros_text(state.time),
        }
    )


def status(listings: Iterable[Listing]) -> bytes:
    """Write the state of every product and currency."""
    rows = tuple(listings)
    products = [{**product(listing), "type": "spot"} for listing in rows]
    assets = {listing.base: (listing.name, listing.size_decimals) for listing in rows} | {"USD": ("US Dollar", 2)}
    currencies = [
        {
            "id": code,
            "name": name,
            "display_name": name,
            "min_size": step_text(decimals),
            "status": "online",
            "status_message": "",
            "max_precision": step_text(decimals),
            "convertible_to": [],
            "details": {},
            "default_network": "",
            "supported_networks": [],
        }
        for code, (name, decimals) in assets.items()
    ]
    return encode({"type": "status", "products": products, "currencies": currencies})


def product(listing: Listing) -> dict[str, object]:
    """Return what the venue tells of a product, on the socket as over REST."""
    return {
        "id": listing.symbol,
        "base_currency": listing.base,
        "quote_currency": listing.quote,
        "base_increment": step_text(listing.size_decimals),
        "quote_increment": step_text(listing.price_decimals),
        "display_name": f"{listing.base}-{listing.quote}",
        "status": "online",
        "status_message": "",
        "min_market_funds": "1",
        "post_only": False,
        "limit_only": False,
        "cancel_only": False,
        "fx_stablecoin": False,
    }
