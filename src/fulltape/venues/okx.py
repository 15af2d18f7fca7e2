"""OKX v5: https://www.okx.com/docs-v5/en/.

This file says where the venue is, how to subscribe and how to ask for history. The messages are in
`fulltape.venues.okx_wire`, the feed's parser is in `fulltape.venues.okx_feed`.
"""

from __future__ import annotations

from typing import Final, TypeVar

import msgspec

from fulltape.errors import MalformedFrame
from fulltape.records import BARS, BOOK_DELTAS, QUOTES, TICKERS, TRADES, Batch, Instrument, Origin
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
from fulltape.venues.okx_feed import OkxParser, put_bars
from fulltape.venues.okx_wire import (
    CHANNEL_NAMES,
    MS_NS,
    NAME,
    TAKER,
    Candle,
    InstrumentRow,
    TradeRow,
    instrument_of_symbol,
)
from fulltape.venues.pages import bar_range, decode_page, finish_page, page_rows, refuse_others

T = TypeVar("T")

_BUSINESS: Final = "wss://ws.okx.com:8443/ws/v5/business"
# Bars of a day are asked for in UTC: OKX's own day begins at 16:00 UTC.
_BARS: Final = {
    60: "1m",
    180: "3m",
    300: "5m",
    900: "15m",
    1_800: "30m",
    3_600: "1H",
    7_200: "2H",
    14_400: "4H",
    21_600: "6Hutc",
    43_200: "12Hutc",
    86_400: "1Dutc",
}
_INSTRUMENTS: Final = "/api/v5/public/instruments"
_MAX_BARS: Final = 100
_MAX_TRADES: Final = 100
_NOISE: Final = 1e-6  # volumes are rounded
_MAX_ARGS: Final = 500  # a subscription is at most 64 KiB

SPEC: Final = VenueSpec(
    name=NAME,
    ws_url="wss://ws.okx.com:8443/ws/v5/public",
    rest_url="https://www.okx.com",
    hosts=(
        "ws.okx.com",
        "www.okx.com",
        "openapi.okx.com",
        "wspap.okx.com",
        "us.okx.com",
        "wsus.okx.com",
        "eea.okx.com",
        "wseea.okx.com",
    ),
    channels=frozenset(CHANNEL_NAMES),
    keyed_channels=frozenset(),
    default_channels=(Channel.TRADES, Channel.TICKERS, Channel.BOOK),
    default_symbols=tuple(f"{base}-USDT" for base in ("BTC", "ETH", "SOL", "XRP", "DOGE", "ADA", "AVAX", "LINK")),
    trade_ids=IdRule.INCREASING,
    history=HistorySpec(bars=tuple(_BARS), bars_at_once=_MAX_BARS, trades=Paging.BACK_BY_ID),
    rest_limits=RestLimits(requests_per_s=10, burst=10),
    max_messages_per_s=3,
    silence_s=30,
    stale_s=60,
    channel_urls={Channel.TRADES_ALL: _BUSINESS, Channel.BARS: _BUSINESS},
    keepalive=Keepalive(b"ping", 20),
    more_instruments=tuple(RestRequest(_INSTRUMENTS, {"instType": kind}) for kind in ("SWAP", "FUTURES")),
    contract_kinds=frozenset((TRADES.name, QUOTES.name, TICKERS.name, BOOK_DELTAS.name)),
)
"""OKX's constants."""


class _Page(msgspec.Struct, frozen=True):
    code: str
    msg: str = ""
    data: msgspec.Raw = msgspec.Raw(b"[]")


class Okx:
    """OKX v5, public channels."""

    spec: VenueSpec = SPEC

    def subscribe_frames(self, subscription: Subscription, credentials: Credentials | None, now_ns: int) -> list[bytes]:
        """Return frames of at most 500 pairs of channel and instrument each."""
        check_subscription(SPEC, subscription, without=(Channel.STATUS,))
        return _frames("subscribe", subscription)

    def unsubscribe_frames(self, subscription: Subscription) -> list[bytes]:
        """Return frames of at most 500 pairs of channel and instrument each."""
        return _frames("unsubscribe", subscription)

    def parser(self, symbols: Symbols, connection: Connection) -> OkxParser:
        """Return a parser for one connection."""
        return OkxParser(symbols, connection)

    def instrument(self, venue_symbol: str) -> Instrument:
        """Return the instrument of ``BTC-USDT``, ``BTC-USDT-SWAP`` (a perpetual) or ``BTC-USD-260327`` (a future)."""
        return instrument_of_symbol(venue_symbol)

    def instruments_request(self) -> RestRequest:
        """Describe the list of spot instruments."""
        return RestRequest(_INSTRUMENTS, {"instType": "SPOT"})

    def parse_instruments(self, body: bytes) -> list[Instrument]:
        """Parse a list of instruments."""
        instruments = [row.instrument() for row in _rows(body, list[InstrumentRow])]
        return [one for one in instruments if one is not None and is_instrument_id(one.id)]

    def trades_request(self, venue_symbol: str, cursor: str | None, limit: int) -> RestRequest:
        """Describe a page of trades by id. ``after`` means older: the venue counts pages from now back."""
        query = {"instId": venue_symbol, "type": "1", "limit": str(min(limit, _MAX_TRADES))}
        if cursor is not None:
            query["after"] = cursor
        return RestRequest("/api/v5/market/history-trades", query)

    def parse_trades(self, body: bytes, code: int, ingest_time: int, limit: int) -> TradesPage:
        """Parse a page. Only an empty page ends the history, which reaches three months back."""
        trades = _rows(body, list[TradeRow])[::-1]
        refuse_others(trade.inst_id for trade in trades)
        rows = page_rows(TRADES, len(trades), code, ingest_time)
        rows.ids("trade_id", [trade.trade_id for trade in trades])
        rows.positive("price", [trade.px for trade in trades])
        rows.positive("size", [trade.sz for trade in trades])
        rows.put("aggressor_side", [TAKER[trade.side] for trade in trades])
        rows.counted_times([trade.ts for trade in trades], MS_NS)
        rows.put("origin", [int(Origin.REFILL)] * len(trades))
        oldest = min((trade.trade_id for trade in trades), default=None)
        return TradesPage(finish_page(rows), None if oldest is None else str(oldest))

    def bars_request(self, venue_symbol: str, interval_s: int, start_ns: int, end_ns: int) -> RestRequest:
        """Describe at most 100 bars; the venue's bounds are both exclusive."""
        starts = bar_range(NAME, interval_s, start_ns, end_ns, (_BARS, _MAX_BARS))
        query = {
            "instId": venue_symbol,
            "bar": _BARS[interval_s],
            "before": str(starts[0] * 1_000 - 1),
            "after": str(starts[-1] * 1_000 + 1),
            "limit": str(_MAX_BARS),
        }
        return RestRequest("/api/v5/market/history-candles", query)

    def parse_bars(self, body: bytes, code: int, interval_s: int, ingest_time: int) -> Batch:
        """Parse bars, newest first; one that is not finished is left out."""
        bars = [bar for bar in _rows(body, list[Candle])[::-1] if bar[8] == "1"]
        rows = page_rows(BARS, len(bars), code, ingest_time)
        put_bars(rows, bars, interval_s)
        rows.volumes("volume", [_volume(bar) for bar in bars])
        return finish_page(rows)

    def book_request(self, venue_symbol: str) -> RestRequest:
        """Describe the book of 400 levels a side, which is what the stream keeps."""
        return RestRequest("/api/v5/market/books", {"instId": venue_symbol, "sz": "400"})


def _frames(operation: str, subscription: Subscription) -> list[bytes]:
    args: list[dict[str, str]] = []
    for channel in subscription.channels:
        if channel is Channel.STATUS:
            args.append({"channel": CHANNEL_NAMES[channel], "instType": "SPOT"})
        else:
            args += [{"channel": CHANNEL_NAMES[channel], "instId": symbol} for symbol in subscription.symbols]
    return [
        msgspec.json.encode({"op": operation, "args": args[first : first + _MAX_ARGS]})
        for first in range(0, len(args), _MAX_ARGS)
    ]


def _volume(bar: Candle) -> float:
    """Return a bar's volume in base, told by the figures: the answer does not say whose bar it is.

    Of spot the second and third volumes are both in quote, and the first one times a price between low and high; of a
    contract the second is in base.
    """
    _, _, high, low, _, volume, in_currency, in_quote, _ = bar
    is_spot = in_currency == in_quote and low * volume * (1 - _NOISE) <= in_quote <= high * volume * (1 + _NOISE)
    return volume if is_spot else in_currency


def _rows(body: bytes, kind: type[T]) -> T:
    """Return the rows of an answer. Raises MalformedFrame, with the venue's own words if it sent an error."""
    page = decode_page(body, _Page)
    if page.code != "0":
        raise MalformedFrame("venue_error", f"{page.code} {page.msg}")
    return decode_page(bytes(page.data), kind)
