"""Kraken spot: https://docs.kraken.com/api/docs/websocket-v2/trade and https://docs.kraken.com/api/docs/rest-api/.

This file says where the venue is, how to subscribe and how to ask for history. The messages are in
`fulltape.venues.kraken_wire`, the feed's parser is in `fulltape.venues.kraken_feed`.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
import numpy as np

from fulltape.books.checksum import crc32_of_best_ten
from fulltape.clock import SECOND_NS
from fulltape.errors import MalformedFrame
from fulltape.records import BARS, TRADES, Batch, Instrument, Origin, instrument_id
from fulltape.records.frames import Connection
from fulltape.records.instrument import is_instrument_id
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
from fulltape.venues.feed import check_subscription
from fulltape.venues.kraken_feed import KrakenParser
from fulltape.venues.kraken_wire import CHANNEL_NAMES, NAME, TAKER, Id
from fulltape.venues.pages import bar_range, decode_page, finish_page, page_rows

T = TypeVar("T")

_BARS: Final = {60: 1, 300: 5, 900: 15, 1_800: 30, 3_600: 60, 14_400: 240, 86_400: 1_440, 604_800: 10_080}
_MAX_BARS: Final = 720
_MAX_TRADES: Final = 1_000
_DEPTH: Final = 100
_SIDES: Final = {"b": TAKER["buy"], "s": TAKER["sell"]}
_SYMBOL: Final = re.compile(r"([A-Z0-9.]+)/([A-Z0-9.]+)\Z", re.ASCII)
# The REST interface still has its own names for these.
_REST_NAMES: Final = {"BTC": "XBT", "DOGE": "XDG"}
_NAMES_OF_REST: Final = {rest: name for name, rest in _REST_NAMES.items()}

SPEC: Final = VenueSpec(
    name=NAME,
    ws_url="wss://ws.kraken.com/v2",
    rest_url="https://api.kraken.com",
    hosts=("ws.kraken.com", "beta-ws.kraken.com", "api.kraken.com"),
    channels=frozenset(CHANNEL_NAMES),
    keyed_channels=frozenset(),
    default_channels=(Channel.TRADES, Channel.TICKERS, Channel.BOOK),
    default_symbols=tuple(f"{base}/USD" for base in ("BTC", "ETH", "SOL", "XRP", "DOGE", "ADA", "AVAX", "LINK")),
    trade_ids=IdRule.INCREASING,
    history=HistorySpec(bars=tuple(_BARS), bars_at_once=_MAX_BARS, bars_kept=_MAX_BARS, trades=Paging.FORWARD),
    rest_limits=RestLimits(requests_per_s=1, burst=1),
    max_messages_per_s=5,
    silence_s=10,
    stale_s=60,
    keepalive=Keepalive(b'{"method":"ping"}', 20),
    book_depth=_DEPTH,
    book_checksum=crc32_of_best_ten,
)
"""Kraken's constants."""

_Decimals = Annotated[int, msgspec.Meta(ge=0, le=18)]
_Seconds = Annotated[int, msgspec.Meta(ge=0, le=2**33)]
_Trade = tuple[float, float, Decimal, Literal["b", "s"], str, str, Id]
"""Price, size, time (s), taker's side, kind of order, something else, id."""
_Bar = tuple[_Seconds, float, float, float, float, float, float, Id]
"""Start, open, high, low, close, VWAP, volume, number of trades."""


class _Page(msgspec.Struct, frozen=True):
    error: list[str]
    result: dict[str, msgspec.Raw] = {}


class _Pair(msgspec.Struct, frozen=True):
    wsname: str = ""
    tick_size: float = 0.0
    lot_decimals: _Decimals = 0
    pair_decimals: _Decimals | None = None
    status: str = "online"

    def instrument(self) -> Instrument:
        """Return it in fulltape's terms; its id is none if the stream does not have it."""
        base, _, quote = self.wsname.partition("/")
        base, quote = (_NAMES_OF_REST.get(currency, currency) for currency in (base, quote))
        return Instrument(
            id=instrument_id(base, quote, NAME),
            venue=NAME,
            venue_symbol=f"{base}/{quote}",
            base=base,
            quote=quote,
            price_step=self.tick_size,
            size_step=10.0**-self.lot_decimals,
            status=self.status,
            price_digits=-1 if self.pair_decimals is None else self.pair_decimals,
            size_digits=self.lot_decimals,
        )


class Kraken:
    """Kraken spot, WebSocket v2."""

    spec: VenueSpec = SPEC

    def subscribe_frames(self, subscription: Subscription, credentials: Credentials | None, now_ns: int) -> list[bytes]:
        """Return one frame for each channel; the venue answers for each instrument."""
        check_subscription(SPEC, subscription, without=(Channel.STATUS,))
        return _frames("subscribe", subscription)

    def unsubscribe_frames(self, subscription: Subscription) -> list[bytes]:
        """Return one frame for each channel."""
        return _frames("unsubscribe", subscription)

    def parser(self, symbols: Symbols, connection: Connection) -> KrakenParser:
        """Return a parser for one connection."""
        return KrakenParser(symbols, connection)

    def instrument(self, venue_symbol: str) -> Instrument:
        """Return the instrument of ``BTC/USD``."""
        match = _SYMBOL.match(venue_symbol)
        name = instrument_id(match[1], match[2], NAME) if match is not None else ""
        if match is None or not is_instrument_id(name):
            raise ValueError(f"not a {NAME} pair: {venue_symbol!r} (they look like BTC/USD)")
        return Instrument(id=name, venue=NAME, venue_symbol=venue_symbol, base=match[1], quote=match[2])

    def instruments_request(self) -> RestRequest:
        """Describe the list of pairs."""
        return RestRequest("/0/public/AssetPairs")

    def parse_instruments(self, body: bytes) -> list[Instrument]:
        """Parse a list of pairs; those that the stream does not have are left out."""
        found = [decode_page(bytes(raw), _Pair).instrument() for raw in _result(body).values()]
        return [instrument for instrument in found if is_instrument_id(instrument.id)]

    def trades_request(self, venue_symbol: str, cursor: str | None, limit: int) -> RestRequest:
        """Describe the newest trades, or those after a time: the venue pages forward only."""
        query = {"pair": _rest_pair(venue_symbol), "count": str(min(limit, _MAX_TRADES))}
        if cursor is not None:
            query["since"] = cursor
        return RestRequest("/0/public/Trades", query)

    def parse_trades(self, body: bytes, code: int, ingest_time: int, limit: int) -> TradesPage:
        """Parse a page, oldest first. One that is not full is the newest."""
        trades: list[_Trade] = _only(body, list[_Trade])
        rows = page_rows(TRADES, len(trades), code, ingest_time)
        rows.ids("trade_id", [trade[6] for trade in trades])
        rows.positive("price", [trade[0] for trade in trades])
        rows.positive("size", [trade[1] for trade in trades])
        rows.put("aggressor_side", [_SIDES[trade[3]] for trade in trades])
        rows.counted_times([_ns(trade[2]) for trade in trades], 1)
        rows.put("origin", [int(Origin.REFILL)] * len(trades))
        page = finish_page(rows)
        is_full = len(page) >= min(limit, _MAX_TRADES)
        return TradesPage(page, None, str(page["event_time"].max()) if is_full else None)

    def bars_request(self, venue_symbol: str, interval_s: int, start_ns: int, end_ns: int) -> RestRequest:
        """Describe at most 720 bars. The venue gives only its newest 720, whatever it is asked for."""
        starts = bar_range(NAME, interval_s, start_ns, end_ns, (_BARS, _MAX_BARS))
        minutes = str(_BARS[interval_s])
        query = {"pair": _rest_pair(venue_symbol), "interval": minutes, "since": str(starts[0] - 1)}
        return RestRequest("/0/public/OHLC", query)

    def parse_bars(self, body: bytes, code: int, interval_s: int, ingest_time: int) -> Batch:
        """Parse bars, oldest first; the last one, which is not finished, is left out."""
        bars: list[_Bar] = _only(body, list[_Bar])[:-1]
        rows = page_rows(BARS, len(bars), code, ingest_time)
        rows.counted_times([bar[0] for bar in bars], SECOND_NS, "start")
        rows.put("interval", np.full(len(bars), interval_s))
        for place, name in enumerate(("open", "high", "low", "close"), start=1):
            rows.positive(name, [bar[place] for bar in bars])
        rows.figures("vwap", [bar[5] for bar in bars], zero_is_null=True)
        rows.volumes("volume", [bar[6] for bar in bars])
        rows.put("trades", [bar[7] for bar in bars])
        return finish_page(rows)

    def book_request(self, venue_symbol: str) -> RestRequest:
        """Describe the book to the depth that the stream has."""
        return RestRequest("/0/public/Depth", {"pair": _rest_pair(venue_symbol), "count": str(_DEPTH)})


def _frames(method: str, subscription: Subscription) -> list[bytes]:
    frames = []
    for number, channel in enumerate(subscription.channels, start=1):
        params: dict[str, Any] = {"channel": CHANNEL_NAMES[channel]}
        if channel is not Channel.STATUS:
            params["symbol"] = list(subscription.symbols)
        if channel is Channel.BOOK:
            params["depth"] = _DEPTH
        elif channel is Channel.BARS:
            params["interval"] = 1
        elif channel is Channel.TICKERS:
            params["event_trigger"] = "bbo"
        if method == "subscribe":
            params["snapshot"] = True
        frames.append(msgspec.json.encode({"method": method, "params": params, "req_id": number}))
    return frames


def _ns(seconds: Decimal) -> int:
    """Return a time in ns, 0 for what is none."""
    return int(min(max(seconds, Decimal(0)), Decimal(2**33)) * SECOND_NS) if seconds.is_finite() else 0


def _rest_pair(venue_symbol: str) -> str:
    """Return ``XBTUSD`` for ``BTC/USD``."""
    return "".join(_REST_NAMES.get(currency, currency) for currency in venue_symbol.split("/"))


def _result(body: bytes) -> dict[str, msgspec.Raw]:
    """Return an answer by pair. Raises MalformedFrame, with the venue's own words if it sent an error."""
    page = decode_page(body, _Page)
    if page.error:
        raise MalformedFrame("venue_error", "; ".join(page.error)[:200])
    return {name: raw for name, raw in page.result.items() if name != "last"}


def _only(body: bytes, kind: type[T]) -> T:
    """Return what an answer says of its only pair, which it may call by another name than it was asked with."""
    found = list(_result(body).values())
    if len(found) != 1:
        raise MalformedFrame("malformed_body", f"{len(found)} pairs instead of 1")
    return decode_page(bytes(found[0]), kind)
