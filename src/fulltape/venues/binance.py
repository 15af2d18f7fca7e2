"""Binance spot: https://developers.binance.com/docs/binance-spot-api-docs.

This file says where the venue is, how to subscribe and how to ask for history. The messages are in
`fulltape.venues.binance_wire`, the parser in `fulltape.venues.binance_feed`.
"""

from __future__ import annotations

from typing import Any, Final, TypeVar

import msgspec
import numpy as np

from fulltape.clock import SECOND_NS
from fulltape.errors import ConfigError, MalformedFrame
from fulltape.records import BARS, TRADES, Batch, Instrument, Origin, instrument_id
from fulltape.records.frames import Connection
from fulltape.venues.base import (
    Channel,
    Credentials,
    HistorySpec,
    IdRule,
    Keepalive,
    Paging,
    RestLimits,
    RestRequest,
    Subscription,
    Symbols,
    TradesPage,
    VenueSpec,
)
from fulltape.venues.binance_feed import BinanceParser
from fulltape.venues.binance_wire import (
    BAR_INTERVALS,
    DEPTH_PATH,
    NAME,
    STREAMS,
    TAKER,
    Epoch,
    Id,
    refusal,
    to_epoch_ms,
    to_ns,
)
from fulltape.venues.feed import check_subscription
from fulltape.venues.pages import bar_range, decode_page, finish_page, page_rows
from fulltape.venues.pairs import split_pair

T = TypeVar("T")

_MAX_BARS: Final = 1_000
_MAX_TRADES: Final = 1_000
_MAX_LEVELS: Final = 5_000
_MAX_STREAMS: Final = 1_024
_STREAMS_AT_ONCE: Final = 200
_QUOTES: Final = (
    *("USDT", "USDC", "FDUSD", "TUSD", "BUSD", "USD1", "DAI", "BTC", "ETH", "BNB", "SOL", "XRP", "TRX", "DOGE"),
    *("EUR", "EURI", "GBP", "TRY", "BRL", "AUD", "JPY", "MXN", "PLN", "ARS", "ZAR", "IDR", "COP", "CZK", "RON", "UAH"),
)

SPEC: Final = VenueSpec(
    name=NAME,
    ws_url="wss://stream.binance.com:9443/stream",
    rest_url="https://api.binance.com",
    hosts=(
        "stream.binance.com",
        "data-stream.binance.vision",
        "stream.testnet.binance.vision",
        "api.binance.com",
        "api-gcp.binance.com",
        "api1.binance.com",
        "api2.binance.com",
        "api3.binance.com",
        "api4.binance.com",
        "data-api.binance.vision",
        "testnet.binance.vision",
    ),
    channels=frozenset(STREAMS),
    keyed_channels=frozenset(),
    default_channels=(Channel.TRADES, Channel.QUOTES, Channel.TICKERS, Channel.BOOK),
    default_symbols=tuple(
        f"{base}USDT"
        for base in ("BTC", "ETH", "SOL", "XRP", "DOGE", "ADA", "AVAX", "LINK", "LTC", "BCH", "DOT", "UNI")
    ),
    trade_ids=IdRule.CONTIGUOUS,
    history=HistorySpec(bars=tuple(BAR_INTERVALS), bars_at_once=_MAX_BARS, trades=Paging.BACK_BY_ID),
    # 6,000 units of weight a minute: trades cost 25, a whole book 250.
    rest_limits=RestLimits(requests_per_s=2, burst=10),
    # The venue closes above 5, and its own pings, which must be answered, count.
    max_messages_per_s=4,
    silence_s=30,
    stale_s=60,
    # Asked for its answer: without one a quiet market could not be told from a dead line.
    keepalive=Keepalive(b'{"method":"GET_PROPERTY","params":["combined"],"id":0}', every_s=10),
    books_by_rest=True,
    # Its futures have trades without "M" and best quotes with a type.
    signs=(b'"M":true}}', b'"M":false}}', b'@bookTicker","data":{"u":'),
)
"""Binance spot's constants."""


class _Filter(msgspec.Struct, frozen=True, rename="camel"):
    filter_type: str
    tick_size: float = 0.0
    step_size: float = 0.0


class _Symbol(msgspec.Struct, frozen=True, rename="camel"):
    symbol: str
    status: str
    base_asset: str
    quote_asset: str
    filters: list[_Filter] = []

    def instrument(self) -> Instrument:
        return Instrument(
            id=instrument_id(self.base_asset, self.quote_asset, NAME),
            venue=NAME,
            venue_symbol=self.symbol,
            base=self.base_asset,
            quote=self.quote_asset,
            price_step=max((one.tick_size for one in self.filters if one.filter_type == "PRICE_FILTER"), default=0.0),
            size_step=max((one.step_size for one in self.filters if one.filter_type == "LOT_SIZE"), default=0.0),
            status="online" if self.status == "TRADING" else self.status.lower(),
        )


class _ExchangeInfo(msgspec.Struct, frozen=True):
    symbols: list[_Symbol]


class _Trade(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    id: Id
    price: float
    qty: float
    time: Epoch
    is_buyer_maker: bool


# Start, open, high, low, close, volume, end, quote volume, trades, and two figures of the takers that are not used.
_Bar = tuple[Epoch, float, float, float, float, float, Epoch, float, Id, Any, Any, Any]


class Binance:
    """Binance spot."""

    spec: VenueSpec = SPEC

    def subscribe_frames(self, subscription: Subscription, credentials: Credentials | None, now_ns: int) -> list[bytes]:
        """Return frames that subscribe, and one that asks what is subscribed: only its answer names the streams."""
        return _request("SUBSCRIBE", _streams(subscription))

    def unsubscribe_frames(self, subscription: Subscription) -> list[bytes]:
        """Return frames that unsubscribe, and one that asks what is left."""
        return _request("UNSUBSCRIBE", _streams(subscription))

    def parser(self, symbols: Symbols, connection: Connection) -> BinanceParser:
        """Return a parser for one connection."""
        return BinanceParser(symbols, connection)

    def instrument(self, venue_symbol: str) -> Instrument:
        """Return the instrument of ``BTCUSDT`` by its well-known quote currency; its steps are not known yet."""
        pair = split_pair(venue_symbol, _QUOTES)
        if pair is None:
            raise ValueError(f"not a {NAME} symbol: {venue_symbol!r} (they look like BTCUSDT)")
        return Instrument(instrument_id(*pair, NAME), NAME, venue_symbol, *pair)

    def instruments_request(self) -> RestRequest:
        """Describe ``GET /api/v3/exchangeInfo``."""
        return RestRequest("/api/v3/exchangeInfo")

    def parse_instruments(self, body: bytes) -> list[Instrument]:
        """Parse the list of symbols."""
        return [symbol.instrument() for symbol in _decode(body, _ExchangeInfo).symbols]

    def trades_request(self, venue_symbol: str, cursor: str | None, limit: int) -> RestRequest:
        """Describe a page of trades. The venue pages forwards from an id, which counts by one, so that can be told."""
        limit = min(limit, _MAX_TRADES)
        query = {"symbol": venue_symbol}
        if cursor is None:
            return RestRequest("/api/v3/trades", query | {"limit": str(limit)})
        first = max(int(cursor) - limit, 0)
        query |= {"fromId": str(first), "limit": str(max(int(cursor) - first, 1))}
        return RestRequest("/api/v3/historicalTrades", query)

    def parse_trades(self, body: bytes, code: int, ingest_time: int, limit: int) -> TradesPage:
        """Parse a page, oldest first. Only an empty page or id 0 ends the history: a short page proves nothing."""
        trades = _decode(body, list[_Trade])
        rows = page_rows(TRADES, len(trades), code, ingest_time)
        rows.ids("trade_id", [trade.id for trade in trades])
        rows.positive("price", [trade.price for trade in trades])
        rows.positive("size", [trade.qty for trade in trades])
        rows.put("aggressor_side", [TAKER[trade.is_buyer_maker] for trade in trades])
        rows.counted_times([to_ns(trade.time) for trade in trades], 1)
        rows.put("origin", np.full(len(trades), Origin.REFILL))
        oldest = min((trade.id for trade in trades), default=0)
        return TradesPage(finish_page(rows), str(oldest) if oldest > 0 else None)

    def bars_request(self, venue_symbol: str, interval_s: int, start_ns: int, end_ns: int) -> RestRequest:
        """Describe at most 1,000 bars. The venue's range includes both ends, ours ends before ``end_ns``."""
        starts = bar_range(NAME, interval_s, start_ns, end_ns, (tuple(BAR_INTERVALS), _MAX_BARS))
        query = {
            "symbol": venue_symbol,
            "interval": BAR_INTERVALS[interval_s],
            "startTime": to_epoch_ms(starts[0] * SECOND_NS),
            "endTime": to_epoch_ms(starts[-1] * SECOND_NS),
            "limit": str(_MAX_BARS),
        }
        return RestRequest("/api/v3/klines", query)

    def parse_bars(self, body: bytes, code: int, interval_s: int, ingest_time: int) -> Batch:
        """Parse bars, oldest first; minutes without trades have volume 0."""
        bars = _decode(body, list[_Bar])
        rows = page_rows(BARS, len(bars), code, ingest_time)
        rows.counted_times([to_ns(bar[0]) for bar in bars], 1, "start")
        rows.put("interval", np.full(len(bars), interval_s))
        for place, name in enumerate(("open", "high", "low", "close"), start=1):
            rows.positive(name, [bar[place] for bar in bars])
        rows.volumes("volume", [bar[5] for bar in bars])
        rows.figures("vwap", [bar[7] / bar[5] if bar[5] else None for bar in bars], zero_is_null=True)
        rows.put("trades", [bar[8] for bar in bars])
        return finish_page(rows)

    def book_request(self, venue_symbol: str) -> RestRequest:
        """Describe the book, 5,000 levels a side: levels beyond are unknown until they change."""
        return RestRequest(DEPTH_PATH, {"symbol": venue_symbol, "limit": str(_MAX_LEVELS)})


def _streams(subscription: Subscription) -> list[str]:
    check_subscription(SPEC, subscription)
    names = [f"{s.lower()}@{STREAMS[channel]}" for channel in subscription.channels for s in subscription.symbols]
    if len(names) > _MAX_STREAMS:
        raise ConfigError(f"{NAME}: {len(names)} streams on one connection, {_MAX_STREAMS} are the most")
    return names


def _request(method: str, streams: list[str]) -> list[bytes]:
    parts = [streams[start : start + _STREAMS_AT_ONCE] for start in range(0, len(streams), _STREAMS_AT_ONCE)]
    requests: list[dict[str, Any]] = [{"method": method, "params": part} for part in parts]
    requests.append({"method": "LIST_SUBSCRIPTIONS"})
    return [msgspec.json.encode(request | {"id": number}) for number, request in enumerate(requests, start=1)]


def _decode(body: bytes, kind: type[T]) -> T:
    """Decode an answer. Raises MalformedFrame, with the venue's own words if it sent an error."""
    try:
        return decode_page(body, kind)
    except MalformedFrame as error:
        raise refusal(body) or error from None
