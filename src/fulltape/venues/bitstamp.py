"""Bitstamp: https://www.bitstamp.net/api/ and https://www.bitstamp.net/websocket/v2/.

This file says where the venue is, how to subscribe and how to ask for history. The feed's messages and its parser
are in `fulltape.venues.bitstamp_feed`.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
import numpy as np

from fulltape.clock import SECOND_NS
from fulltape.errors import MalformedFrame
from fulltape.records import BARS, TRADES, Batch, Instrument, Origin, instrument_id
from fulltape.records.columns import NULL_INT
from fulltape.records.frames import Connection
from fulltape.records.instrument import is_instrument_id
from fulltape.venues.base import (
    Channel,
    Credentials,
    HistorySpec,
    IdRule,
    Keepalive,
    RestLimits,
    RestRequest,
    Subscription,
    Symbols,
    TradesPage,
    VenueSpec,
)
from fulltape.venues.bitstamp_feed import BOOK_PATH, CHANNEL_NAMES, NAME, TAKER, BitstampParser, Id
from fulltape.venues.feed import check_subscription
from fulltape.venues.pages import bar_range, decode_page, finish_page, page_rows
from fulltape.venues.pairs import split_pair

_QUOTES: Final = ("USD", "EUR", "GBP", "BTC", "ETH", "USDT", "USDC")
_BARS: Final = (60, 180, 300, 900, 1_800, 3_600, 7_200, 14_400, 21_600, 43_200, 86_400)
_MAX_BARS: Final = 1_000

SPEC: Final = VenueSpec(
    name=NAME,
    ws_url="wss://ws.bitstamp.net",
    rest_url="https://www.bitstamp.net",
    hosts=("ws.bitstamp.net", "www.bitstamp.net"),
    channels=frozenset(CHANNEL_NAMES),
    keyed_channels=frozenset(),
    default_channels=(Channel.TRADES, Channel.BOOK),
    default_symbols=("btcusd", "btceur", "ethusd", "etheur", "solusd", "xrpusd", "xrpeur", "ltcusd"),
    trade_ids=IdRule.INCREASING,
    history=HistorySpec(bars=_BARS, bars_at_once=_MAX_BARS),
    rest_limits=RestLimits(requests_per_s=10, burst=10),
    max_messages_per_s=10,
    silence_s=30,
    stale_s=120,
    keepalive=Keepalive(b'{"event":"bts:heartbeat"}', 10),
    books_by_rest=True,
)
"""Bitstamp's constants."""

Seconds = Annotated[int, msgspec.Meta(ge=0, le=2**33)]


class _Trade(msgspec.Struct, frozen=True, gc=False):
    tid: Id
    date: Seconds
    type: Literal[0, 1]
    price: float
    amount: float


class _Bar(msgspec.Struct, frozen=True, gc=False):
    timestamp: Seconds
    open: float
    high: float
    low: float
    close: float
    volume: float


class _Bars(msgspec.Struct, frozen=True):
    ohlc: list[_Bar]


class _BarPage(msgspec.Struct, frozen=True):
    data: _Bars


class _Pair(msgspec.Struct, frozen=True):
    name: str
    url_symbol: str
    base_decimals: Annotated[int, msgspec.Meta(ge=0, le=18)]
    counter_decimals: Annotated[int, msgspec.Meta(ge=0, le=18)]
    trading: str = "Enabled"


class Bitstamp:
    """Bitstamp, spot."""

    spec: VenueSpec = SPEC

    def subscribe_frames(self, subscription: Subscription, credentials: Credentials | None, now_ns: int) -> list[bytes]:
        """Return one frame for each pair of channel and instrument: the venue takes no lists."""
        check_subscription(SPEC, subscription)
        return _frames("bts:subscribe", subscription)

    def unsubscribe_frames(self, subscription: Subscription) -> list[bytes]:
        """Return one frame for each pair of channel and instrument."""
        return _frames("bts:unsubscribe", subscription)

    def parser(self, symbols: Symbols, connection: Connection) -> BitstampParser:
        """Return a parser for one connection."""
        return BitstampParser(symbols, connection)

    def instrument(self, venue_symbol: str) -> Instrument:
        """Return the instrument of ``btcusd``, by the longest quote currency that it ends with."""
        pair = split_pair(venue_symbol.upper(), _QUOTES) if venue_symbol.islower() else None
        if pair is None:
            raise ValueError(f"not a {NAME} pair: {venue_symbol!r} (they look like btcusd)")
        base, quote = pair
        name = instrument_id(base, quote, NAME)
        return Instrument(id=name, venue=NAME, venue_symbol=venue_symbol, base=base, quote=quote)

    def instruments_request(self) -> RestRequest:
        """Describe the list of pairs."""
        return RestRequest("/api/v2/trading-pairs-info/")

    def parse_instruments(self, body: bytes) -> list[Instrument]:
        """Parse a list of pairs, named like ``BTC/USD``."""
        found = []
        for pair in decode_page(body, list[_Pair]):
            base, _, quote = pair.name.partition("/")
            name = instrument_id(base, quote, NAME)
            if not is_instrument_id(name):
                raise MalformedFrame("malformed_body", f"a pair named {pair.name!r}")
            steps = (10.0**-pair.counter_decimals, 10.0**-pair.base_decimals)
            status = "online" if pair.trading == "Enabled" else pair.trading.lower()
            found.append(Instrument(name, NAME, pair.url_symbol, base, quote, *steps, status))
        return found

    def trades_request(self, venue_symbol: str, cursor: str | None, limit: int) -> RestRequest:
        """Describe the trades of the last day, which is all there is: older ones cannot be asked for."""
        return RestRequest(f"/api/v2/transactions/{venue_symbol}/", {"time": "day"})

    def parse_trades(self, body: bytes, code: int, ingest_time: int, limit: int) -> TradesPage:
        """Parse a page, whose times are whole seconds."""
        trades = decode_page(body, list[_Trade])[::-1]
        rows = page_rows(TRADES, len(trades), code, ingest_time)
        rows.ids("trade_id", [trade.tid for trade in trades])
        rows.positive("price", [trade.price for trade in trades])
        rows.positive("size", [trade.amount for trade in trades])
        rows.put("aggressor_side", [TAKER[trade.type] for trade in trades])
        rows.counted_times([trade.date for trade in trades], SECOND_NS)
        rows.put("origin", [int(Origin.REFILL)] * len(trades))
        return TradesPage(finish_page(rows), None)

    def bars_request(self, venue_symbol: str, interval_s: int, start_ns: int, end_ns: int) -> RestRequest:
        """Describe at most 1,000 bars; the venue's range includes both ends."""
        starts = bar_range(NAME, interval_s, start_ns, end_ns, (_BARS, _MAX_BARS))
        query = {"step": interval_s, "limit": _MAX_BARS, "start": starts[0], "end": starts[-1]}
        return RestRequest(f"/api/v2/ohlc/{venue_symbol}/", {name: str(value) for name, value in query.items()})

    def parse_bars(self, body: bytes, code: int, interval_s: int, ingest_time: int) -> Batch:
        """Parse bars."""
        bars = sorted(decode_page(body, _BarPage).data.ohlc, key=lambda bar: bar.timestamp)
        rows = page_rows(BARS, len(bars), code, ingest_time)
        rows.counted_times([bar.timestamp for bar in bars], SECOND_NS, "start")
        rows.put("interval", np.full(len(bars), interval_s))
        for name in ("open", "high", "low", "close"):
            rows.positive(name, [getattr(bar, name) for bar in bars])
        rows.volumes("volume", [bar.volume for bar in bars])
        rows.put("vwap", np.full(len(bars), np.nan))
        rows.put("trades", np.full(len(bars), NULL_INT))
        return finish_page(rows)

    def book_request(self, venue_symbol: str) -> RestRequest:
        """Describe the whole book by price level."""
        return RestRequest(f"{BOOK_PATH}{venue_symbol}/", {"group": "1"})


def _frames(event: str, subscription: Subscription) -> list[bytes]:
    return [
        msgspec.json.encode({"event": event, "data": {"channel": f"{CHANNEL_NAMES[channel]}_{symbol}"}})
        for channel in subscription.channels
        for symbol in subscription.symbols
    ]
