"""Coinbase Exchange: https://docs.cdp.coinbase.com/exchange.

This file says where the venue is, how to subscribe and how to ask for history. The feed's messages are in
`fulltape.venues.coinbase_wire`, its parser in `fulltape.venues.coinbase_feed`.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import hashlib
import hmac
from typing import Annotated, Any, Final, TypeVar

import msgspec
import numpy as np

from fulltape.clock import SECOND_NS
from fulltape.errors import ConfigError, MalformedFrame
from fulltape.records import BARS, TRADES, Batch, Instrument, Origin, instrument_id
from fulltape.records.columns import NULL_INT
from fulltape.records.frames import Connection
from fulltape.records.instrument import is_instrument_id
from fulltape.venues.base import (
    Channel,
    Credentials,
    HistorySpec,
    IdRule,
    Paging,
    RestLimits,
    RestRequest,
    Subscription,
    Symbols,
    TradesPage,
    VenueSpec,
)
from fulltape.venues.coinbase_feed import CoinbaseParser
from fulltape.venues.coinbase_wire import CHANNEL_NAMES, NAME, TAKER_OF_MAKER, Id, Product, Side
from fulltape.venues.feed import check_subscription
from fulltape.venues.pages import bar_range, decode_page, finish_page, page_rows

T = TypeVar("T")

_BAR_SECONDS: Final = (60, 300, 900, 3_600, 21_600, 86_400)
_MAX_BARS: Final = 300
_MAX_TRADES: Final = 1_000
_KEYED: Final = frozenset((Channel.BOOK_FULL,))
_NEED_NO_SYMBOLS: Final = frozenset((Channel.STATUS, Channel.RFQ))

SPEC: Final = VenueSpec(
    name=NAME,
    ws_url="wss://ws-feed.exchange.coinbase.com",
    rest_url="https://api.exchange.coinbase.com",
    hosts=(
        "ws-feed.exchange.coinbase.com",
        "ws-direct.exchange.coinbase.com",
        "api.exchange.coinbase.com",
        "ws-feed.pro.coinbase.com",
        "api.pro.coinbase.com",
        "ws-feed-public.sandbox.exchange.coinbase.com",
        "ws-direct.sandbox.exchange.coinbase.com",
        "api-public.sandbox.exchange.coinbase.com",
    ),
    channels=frozenset(CHANNEL_NAMES),
    keyed_channels=_KEYED,
    default_channels=(Channel.TRADES, Channel.TICKERS, Channel.BOOK, Channel.HEARTBEATS),
    default_symbols=tuple(
        f"{base}-USD"
        for base in ("BTC", "ETH", "SOL", "XRP", "DOGE", "ADA", "AVAX", "LINK", "LTC", "BCH", "DOT", "UNI")
    ),
    trade_ids=IdRule.CONTIGUOUS,
    history=HistorySpec(bars=_BAR_SECONDS, bars_at_once=_MAX_BARS, trades=Paging.BACK_BY_ID),
    rest_limits=RestLimits(requests_per_s=10, burst=15),
    max_messages_per_s=10,
    silence_s=5,
    stale_s=30,
    credential_variables=("FULLTAPE_COINBASE_KEY", "FULLTAPE_COINBASE_SECRET", "FULLTAPE_COINBASE_PASSPHRASE"),
)
"""Coinbase Exchange's constants."""


class _Trade(msgspec.Struct, frozen=True, gc=False):
    trade_id: Id
    side: Side
    size: float
    price: float
    time: str


_Bar = tuple[Annotated[int, msgspec.Meta(ge=0, le=2**33)], float, float, float, float, float]


class _Problem(msgspec.Struct, frozen=True):
    message: str


class Coinbase:
    """Coinbase Exchange."""

    spec: VenueSpec = SPEC

    def subscribe_frames(self, subscription: Subscription, credentials: Credentials | None, now_ns: int) -> list[bytes]:
        """Return one frame, signed if there is a key.

        Heartbeats always come along: without them a quiet market could not be told from a dead line.
        """
        check_subscription(SPEC, subscription, without=_NEED_NO_SYMBOLS)
        message: dict[str, Any] = {"type": "subscribe", **_wanted(subscription)}
        heartbeat = CHANNEL_NAMES[Channel.HEARTBEATS]
        if subscription.symbols and heartbeat not in message["channels"]:
            message["channels"].append(heartbeat)
        keyed = [channel for channel in subscription.channels if channel in _KEYED]
        if credentials is not None:
            message |= _signature(credentials, now_ns)
        elif keyed:
            names = ", ".join(SPEC.credential_variables)
            raise ConfigError(f"{NAME}: channel {keyed[0]} needs a key: set the environment variables {names}")
        return [msgspec.json.encode(message)]

    def unsubscribe_frames(self, subscription: Subscription) -> list[bytes]:
        """Return one frame."""
        return [msgspec.json.encode({"type": "unsubscribe", **_wanted(subscription)})]

    def parser(self, symbols: Symbols, connection: Connection) -> CoinbaseParser:
        """Return a parser for one connection."""
        return CoinbaseParser(symbols, connection)

    def instrument(self, venue_symbol: str) -> Instrument:
        """Return the instrument of ``BTC-USD``; its steps are not known yet."""
        base, _, quote = venue_symbol.partition("-")
        name = instrument_id(base, quote, NAME)
        if "-" in quote or not is_instrument_id(name):
            raise ValueError(f"not a {NAME} product: {venue_symbol!r} (they look like BTC-USD)")
        return Instrument(id=name, venue=NAME, venue_symbol=venue_symbol, base=base, quote=quote)

    def instruments_request(self) -> RestRequest:
        """Describe ``GET /products``."""
        return RestRequest("/products")

    def parse_instruments(self, body: bytes) -> list[Instrument]:
        """Parse a list of products."""
        return [product.instrument() for product in _decode(body, list[Product])]

    def trades_request(self, venue_symbol: str, cursor: str | None, limit: int) -> RestRequest:
        """Describe a page of trades. ``before`` pages the wrong way (newest first), so only ``after`` is used."""
        query = {"limit": str(min(limit, _MAX_TRADES))}
        if cursor is not None:
            query["after"] = cursor
        return RestRequest(f"/products/{venue_symbol}/trades", query)

    def parse_trades(self, body: bytes, code: int, ingest_time: int, limit: int) -> TradesPage:
        """Parse a page. Only an empty page or id 1 ends the history: a short page proves nothing."""
        trades = _decode(body, list[_Trade])[::-1]
        rows = page_rows(TRADES, len(trades), code, ingest_time)
        rows.ids("trade_id", [trade.trade_id for trade in trades])
        rows.positive("price", [trade.price for trade in trades])
        rows.positive("size", [trade.size for trade in trades])
        rows.put("aggressor_side", [TAKER_OF_MAKER[trade.side] for trade in trades])
        rows.times([trade.time for trade in trades])
        rows.put("origin", [int(Origin.REFILL)] * len(trades))
        oldest = min((trade.trade_id for trade in trades), default=0)
        return TradesPage(finish_page(rows), str(oldest) if oldest > 1 else None)

    def bars_request(self, venue_symbol: str, interval_s: int, start_ns: int, end_ns: int) -> RestRequest:
        """Describe at most 300 bars. The venue's range includes both ends, ours ends before ``end_ns``."""
        starts = bar_range(NAME, interval_s, start_ns, end_ns, (_BAR_SECONDS, _MAX_BARS))
        query = {"granularity": str(interval_s), "start": _iso(starts[0]), "end": _iso(starts[-1])}
        return RestRequest(f"/products/{venue_symbol}/candles", query)

    def parse_bars(self, body: bytes, code: int, interval_s: int, ingest_time: int) -> Batch:
        """Parse bars: ``[start, low, high, open, close, volume]``, newest first, minutes without trades left out."""
        bars = _decode(body, list[_Bar])[::-1]
        rows = page_rows(BARS, len(bars), code, ingest_time)
        rows.put("interval", [interval_s] * len(bars))
        rows.counted_times([bar[0] for bar in bars], SECOND_NS, "start")
        for place, name in enumerate(("low", "high", "open", "close", "volume"), start=1):
            rows.positive(name, [bar[place] for bar in bars])
        rows.put("vwap", np.full(len(bars), np.nan))
        rows.put("trades", np.full(len(bars), NULL_INT))
        return finish_page(rows)

    def book_request(self, venue_symbol: str) -> RestRequest:
        """Describe the whole book by price level."""
        return RestRequest(f"/products/{venue_symbol}/book", {"level": "2"})


def _wanted(subscription: Subscription) -> dict[str, list[str]]:
    # Products are named once, at the root: named per channel as well, the venue refuses " is not a valid product".
    wanted = {"channels": [CHANNEL_NAMES[channel] for channel in subscription.channels]}
    return {"product_ids": list(subscription.symbols), **wanted} if subscription.symbols else wanted


def _signature(credentials: Credentials, now_ns: int) -> dict[str, str]:
    """Return the fields that sign a subscription: https://docs.cdp.coinbase.com/exchange/websocket-feed/authentication."""
    timestamp = str(now_ns // SECOND_NS)
    try:
        secret = base64.b64decode(credentials.secret, validate=True)
    except binascii.Error:
        raise ConfigError(
            f"{SPEC.credential_variables[1]} is not base64; copy the secret as the venue showed it"
        ) from None
    digest = hmac.digest(secret, f"{timestamp}GET/users/self/verify".encode(), hashlib.sha256)
    return {
        "key": credentials.key,
        "passphrase": credentials.passphrase,
        "timestamp": timestamp,
        "signature": base64.b64encode(digest).decode(),
    }


def _iso(seconds: int) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _decode(body: bytes, kind: type[T]) -> T:
    """Decode a REST answer. Raises MalformedFrame, with the venue's own words if it sent an error."""
    try:
        return decode_page(body, kind)
    except MalformedFrame as error:
        problem = error
    try:
        words = decode_page(body, _Problem).message
    except MalformedFrame:
        raise problem from None
    raise MalformedFrame("venue_error", words)
