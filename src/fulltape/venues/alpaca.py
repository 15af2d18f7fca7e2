"""Alpaca crypto: https://docs.alpaca.markets/docs/real-time-crypto-pricing-data and …/reference/cryptobars.

This file says where the venue is, how to subscribe and how to ask for history. The messages are in
`fulltape.venues.alpaca_wire`, the feed's parser is in `fulltape.venues.alpaca_feed`.
"""

from __future__ import annotations

import re
from typing import Any, Final, TypeVar

import msgspec
import numpy as np

from fulltape.clock import SECOND_NS, format_rfc3339
from fulltape.errors import ConfigError, MalformedFrame
from fulltape.records import BARS, TRADES, Batch, Instrument, Origin, instrument_id
from fulltape.records.frames import Connection
from fulltape.records.instrument import is_instrument_id
from fulltape.venues.alpaca_feed import AlpacaParser, put_bars
from fulltape.venues.alpaca_wire import (
    CHANNEL_NAMES,
    KEY_VARIABLES,
    NAME,
    TAKER,
    UNKNOWN_SIDE,
    Count,
    Time,
    times_of,
)
from fulltape.venues.base import (
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
from fulltape.venues.feed import check_subscription
from fulltape.venues.pages import bar_range, decode_page, finish_page, page_rows

T = TypeVar("T")

_TRADING_URL: Final = "https://api.alpaca.markets"
_PATH: Final = "/v1beta3/crypto/us"
_BARS: Final = {60: "1Min", 300: "5Min", 900: "15Min", 1_800: "30Min", 3_600: "1Hour", 14_400: "4Hour", 86_400: "1Day"}
_MAX_BARS: Final = 5_000
_MAX_ROWS: Final = 10_000
_SYMBOL: Final = re.compile(r"([A-Z0-9.]+)/([A-Z0-9.]+)\Z", re.ASCII)

SPEC: Final = VenueSpec(
    name=NAME,
    ws_url=f"wss://stream.data.alpaca.markets{_PATH}",
    rest_url="https://data.alpaca.markets",
    hosts=(
        "stream.data.alpaca.markets",
        "stream.data.sandbox.alpaca.markets",
        "data.alpaca.markets",
        "data.sandbox.alpaca.markets",
        "api.alpaca.markets",
    ),
    channels=frozenset(CHANNEL_NAMES),
    keyed_channels=frozenset(CHANNEL_NAMES),
    default_channels=tuple(CHANNEL_NAMES),
    default_symbols=tuple(f"{base}/USD" for base in ("BTC", "ETH", "LTC", "SOL", "BCH", "PAXG")),
    trade_ids=IdRule.OPAQUE,
    history=HistorySpec(bars=tuple(_BARS), bars_at_once=_MAX_BARS, trades=Paging.FORWARD),
    # An account has one connection: everything goes over it.
    max_symbols=10_000,
    # 200 a minute without a paid plan.
    rest_limits=RestLimits(requests_per_s=3, burst=10),
    max_messages_per_s=5,
    # Bars come every minute, even of a market in which nothing happens.
    silence_s=90,
    stale_s=120,
    credential_variables=KEY_VARIABLES,
    credential_headers=("APCA-API-KEY-ID", "APCA-API-SECRET-KEY"),
    sign_on_frames=1,
)
"""Alpaca's constants."""


class _Trade(msgspec.Struct, frozen=True, gc=False):
    p: float
    s: float
    t: Time
    i: Count
    tks: str = "-"


class _Bar(msgspec.Struct, frozen=True, gc=False):
    o: float
    h: float
    l: float  # noqa: E741 - the venue's own name
    c: float
    v: float
    t: Time
    n: Count
    vw: float | None = None


class _Trades(msgspec.Struct, frozen=True):
    trades: dict[str, list[_Trade]]
    next_page_token: str | None = None


class _Bars(msgspec.Struct, frozen=True):
    bars: dict[str, list[_Bar]]
    next_page_token: str | None = None


class _Asset(msgspec.Struct, frozen=True):
    symbol: str
    status: str
    price_increment: float = 0.0
    min_trade_increment: float = 0.0


class Alpaca:
    """Alpaca crypto, location ``us``."""

    spec: VenueSpec = SPEC

    def subscribe_frames(self, subscription: Subscription, credentials: Credentials | None, now_ns: int) -> list[bytes]:
        """Return the frame that signs on and the one that subscribes. Raises ConfigError without a key."""
        check_subscription(SPEC, subscription)
        if credentials is None:
            raise ConfigError(f"{NAME} needs a key: set {' and '.join(KEY_VARIABLES)} in the environment")
        sign_on = {"action": "auth", "key": credentials.key, "secret": credentials.secret}
        return [msgspec.json.encode(sign_on), _frame("subscribe", subscription)]

    def unsubscribe_frames(self, subscription: Subscription) -> list[bytes]:
        """Return one frame."""
        return [_frame("unsubscribe", subscription)]

    def parser(self, symbols: Symbols, connection: Connection) -> AlpacaParser:
        """Return a parser for one connection."""
        return AlpacaParser(symbols, connection)

    def instrument(self, venue_symbol: str) -> Instrument:
        """Return the instrument of ``BTC/USD``."""
        match = _SYMBOL.match(venue_symbol)
        name = instrument_id(match[1], match[2], NAME) if match is not None else ""
        if match is None or not is_instrument_id(name):
            raise ValueError(f"not an {NAME} pair: {venue_symbol!r} (they look like BTC/USD)")
        return Instrument(id=name, venue=NAME, venue_symbol=venue_symbol, base=match[1], quote=match[2])

    def instruments_request(self) -> RestRequest:
        """Describe the list of pairs, which lies on the trading server and needs a key of it."""
        return RestRequest("/v2/assets", {"asset_class": "crypto"}, base_url=_TRADING_URL)

    def parse_instruments(self, body: bytes) -> list[Instrument]:
        """Parse a list of pairs."""
        found = []
        for asset in decode_page(body, list[_Asset]):
            base, _, quote = asset.symbol.partition("/")
            name = instrument_id(base, quote, NAME)
            if is_instrument_id(name):
                status = "online" if asset.status == "active" else asset.status
                steps = (asset.price_increment, asset.min_trade_increment)
                found.append(Instrument(name, NAME, asset.symbol, base, quote, *steps, status))
        return found

    def trades_request(self, venue_symbol: str, cursor: str | None, limit: int) -> RestRequest:
        """Describe the newest trades of the day, or those after a time: ids tell no order here."""
        query = {
            "symbols": venue_symbol,
            "limit": str(min(limit, _MAX_ROWS)),
            "sort": "desc" if cursor is None else "asc",
        }
        if cursor is not None:
            query["start"] = format_rfc3339(int(cursor) + 1)
        return RestRequest(f"{_PATH}/trades", query)

    def parse_trades(self, body: bytes, code: int, ingest_time: int, limit: int) -> TradesPage:
        """Parse a page, oldest first."""
        page = decode_page(body, _Trades)
        trades = _only(page.trades, [])
        rows = page_rows(TRADES, len(trades), code, ingest_time)
        rows.ids("trade_id", [trade.i for trade in trades])
        rows.positive("price", [trade.p for trade in trades])
        rows.positive("size", [trade.s for trade in trades])
        rows.put("aggressor_side", [TAKER.get(trade.tks, UNKNOWN_SIDE) for trade in trades])
        rows.counted_times(times_of([trade.t for trade in trades]), 1)
        rows.put("origin", [int(Origin.REFILL)] * len(trades))
        found = finish_page(rows)
        found = found.take(np.argsort(found["event_time"], kind="stable"))
        if page.next_page_token is None:
            return TradesPage(found, None)
        if not len(found):
            raise MalformedFrame("paging", "a page without trades is not the last one")
        # Not the venue's token, which lives as long as it likes: trades of the newest time come again.
        return TradesPage(found, None, str(int(found["event_time"][-1]) - 1))

    def bars_request(self, venue_symbol: str, interval_s: int, start_ns: int, end_ns: int) -> RestRequest:
        """Describe at most 5,000 bars; the venue's range includes both ends."""
        starts = bar_range(NAME, interval_s, start_ns, end_ns, (_BARS, _MAX_BARS))
        query = {
            "symbols": venue_symbol,
            "timeframe": _BARS[interval_s],
            "start": format_rfc3339(starts[0] * SECOND_NS),
            # Bars of a day may begin at another hour than the day in UTC: all that begin before the end are wanted.
            "end": format_rfc3339((starts[-1] + interval_s) * SECOND_NS - 1),
            "limit": str(_MAX_ROWS),
            "sort": "asc",
        }
        return RestRequest(f"{_PATH}/bars", query)

    def parse_bars(self, body: bytes, code: int, interval_s: int, ingest_time: int) -> Batch:
        """Parse bars, those of quotes only among them. A page that is not the whole answer is refused."""
        page = decode_page(body, _Bars)
        if page.next_page_token is not None:
            raise MalformedFrame("paging", "bars that should fit into one page do not")
        bars = _only(page.bars, [])
        rows = page_rows(BARS, len(bars), code, ingest_time)
        rows.put("interval", np.full(len(bars), interval_s))
        put_bars(rows, bars)
        return finish_page(rows)

    def book_request(self, venue_symbol: str) -> RestRequest:
        """Describe the whole book."""
        return RestRequest(f"{_PATH}/latest/orderbooks", {"symbols": venue_symbol})


def _frame(action: str, subscription: Subscription) -> bytes:
    symbols = list(subscription.symbols)
    message: dict[str, Any] = {"action": action}
    message.update({CHANNEL_NAMES[channel]: symbols for channel in subscription.channels})
    return msgspec.json.encode(message)


def _only(by_symbol: dict[str, T], default: Any) -> T | Any:
    """Return what an answer says of the only symbol that was asked for; it is left out where there is nothing."""
    if len(by_symbol) > 1:
        raise MalformedFrame("malformed_body", f"{len(by_symbol)} symbols instead of 1")
    return next(iter(by_symbol.values()), default)
