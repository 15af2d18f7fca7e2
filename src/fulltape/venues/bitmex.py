"""BitMEX, which closed on 2026-09-23: for recordings and simulators.

https://www.bitmex.com/app/apiOverview. This file says where the venue was, how to subscribe and how to ask for
history. Its messages are in `fulltape.venues.bitmex_wire`, the feed's parser in `fulltape.venues.bitmex_feed`.
"""

from __future__ import annotations

from typing import Final, TypeVar

import msgspec

from fulltape.clock import SECOND_NS, format_rfc3339
from fulltape.errors import MalformedFrame
from fulltape.records import BARS, BOOK_DELTAS, QUOTES, TRADES, Batch, Instrument, Origin
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
from fulltape.venues.bitmex_feed import BitmexParser, put_bins, put_trades
from fulltape.venues.bitmex_wire import (
    CHANNEL_NAMES,
    NAME,
    BinRow,
    InstrumentRow,
    TradeRow,
    instrument_of_symbol,
)
from fulltape.venues.feed import check_subscription
from fulltape.venues.pages import bar_range, decode_page, finish_page, page_rows, refuse_others

T = TypeVar("T")

_BARS: Final = {60: "1m", 300: "5m", 3_600: "1h", 86_400: "1d"}
_MAX_ROWS: Final = 1_000
_MAX_ARGS: Final = 20

SPEC: Final = VenueSpec(
    name=NAME,
    ws_url="wss://ws.bitmex.com/realtime",
    rest_url="https://www.bitmex.com",
    hosts=("ws.bitmex.com", "www.bitmex.com", "ws.testnet.bitmex.com", "testnet.bitmex.com"),
    channels=frozenset(CHANNEL_NAMES),
    keyed_channels=frozenset(),
    default_channels=(Channel.TRADES, Channel.QUOTES, Channel.BOOK, Channel.BARS),
    default_symbols=("XBTUSD", "XBTUSDT", "ETHUSD", "ETHUSDT", "SOLUSDT", "XRPUSDT"),
    trade_ids=IdRule.OPAQUE,
    history=HistorySpec(bars=tuple(_BARS), bars_at_once=_MAX_ROWS, trades=Paging.BACK_BY_TIME),
    rest_limits=RestLimits(requests_per_s=0.5, burst=5),
    max_messages_per_s=10,
    silence_s=15,
    stale_s=60,
    keepalive=Keepalive(b"ping", 5),
    # Of trades and bars a row says itself how much it is in base.
    contract_kinds=frozenset((QUOTES.name, BOOK_DELTAS.name)),
)
"""BitMEX's constants."""


class _Words(msgspec.Struct, frozen=True):
    message: str


class _Problem(msgspec.Struct, frozen=True):
    error: _Words


class Bitmex:
    """BitMEX."""

    spec: VenueSpec = SPEC

    def subscribe_frames(self, subscription: Subscription, credentials: Credentials | None, now_ns: int) -> list[bytes]:
        """Return frames of at most 20 topics each, the most that the venue takes."""
        check_subscription(SPEC, subscription, without=(Channel.STATUS,))
        return _frames("subscribe", subscription)

    def unsubscribe_frames(self, subscription: Subscription) -> list[bytes]:
        """Return frames of at most 20 topics each."""
        return _frames("unsubscribe", subscription)

    def parser(self, symbols: Symbols, connection: Connection) -> BitmexParser:
        """Return a parser for one connection."""
        return BitmexParser(symbols, connection)

    def instrument(self, venue_symbol: str) -> Instrument:
        """Return the instrument of ``XBTUSD`` (a perpetual), ``XBTM26`` (a future) or ``XBT_USDT`` (spot)."""
        return instrument_of_symbol(venue_symbol)

    def instruments_request(self) -> RestRequest:
        """Describe the list of active instruments."""
        return RestRequest("/api/v1/instrument/active")

    def parse_instruments(self, body: bytes) -> list[Instrument]:
        """Parse a list of instruments; indices are left out."""
        found = [row.instrument() for row in _rows(body, list[InstrumentRow])]
        return [instrument for instrument in found if instrument is not None]

    def trades_request(self, venue_symbol: str, cursor: str | None, limit: int) -> RestRequest:
        """Describe a page of trades. Ids tell no order here, so the cursor is a time, and its trades come again."""
        query = {"symbol": venue_symbol, "count": str(min(limit, _MAX_ROWS)), "reverse": "true"}
        if cursor is not None:
            query["endTime"] = cursor
        return RestRequest("/api/v1/trade", query)

    def parse_trades(self, body: bytes, code: int, ingest_time: int, limit: int) -> TradesPage:
        """Parse a page. One that is not full ends the history; one of a single time hides what comes before it."""
        page = _rows(body, list[TradeRow])[::-1]
        trades = [row for row in page if row.size != 0]
        refuse_others(trade.symbol for trade in trades)
        rows = page_rows(TRADES, len(trades), code, ingest_time)
        put_trades(rows, trades)
        rows.put("origin", [int(Origin.REFILL)] * len(trades))
        is_full = len(page) >= min(limit, _MAX_ROWS)
        if is_full and page[0].timestamp == page[-1].timestamp:
            raise MalformedFrame("page_of_one_time", f"{len(page)} trades at {page[0].timestamp}")
        return TradesPage(finish_page(rows), page[0].timestamp if is_full else None)

    def bars_request(self, venue_symbol: str, interval_s: int, start_ns: int, end_ns: int) -> RestRequest:
        """Describe at most 1,000 bars; the venue's times are those of their ends."""
        starts = bar_range(NAME, interval_s, start_ns, end_ns, (_BARS, _MAX_ROWS))
        query = {
            "symbol": venue_symbol,
            "binSize": _BARS[interval_s],
            "count": str(_MAX_ROWS),
            "startTime": format_rfc3339((starts[0] + interval_s) * SECOND_NS),
            "endTime": format_rfc3339((starts[-1] + interval_s) * SECOND_NS),
        }
        return RestRequest("/api/v1/trade/bucketed", query)

    def parse_bars(self, body: bytes, code: int, interval_s: int, ingest_time: int) -> Batch:
        """Parse bars; one without prices is left out."""
        bins = [one for one in _rows(body, list[BinRow]) if one.close is not None]
        refuse_others(one.symbol for one in bins)
        rows = page_rows(BARS, len(bins), code, ingest_time)
        put_bins(rows, bins, interval_s)
        return finish_page(rows)

    def book_request(self, venue_symbol: str) -> RestRequest:
        """Describe the whole book."""
        return RestRequest("/api/v1/orderBook/L2", {"symbol": venue_symbol, "depth": "0"})


def _frames(operation: str, subscription: Subscription) -> list[bytes]:
    topics = []
    for channel in subscription.channels:
        name = CHANNEL_NAMES[channel]
        topics += [f"{name}:{symbol}" for symbol in subscription.symbols] or [name]
    return [
        msgspec.json.encode({"op": operation, "args": topics[first : first + _MAX_ARGS]})
        for first in range(0, len(topics), _MAX_ARGS)
    ]


def _rows(body: bytes, kind: type[T]) -> T:
    """Return the rows of an answer. Raises MalformedFrame, with the venue's own words if it sent an error."""
    try:
        return decode_page(body, kind)
    except MalformedFrame as error:
        try:
            words = msgspec.json.decode(body, type=_Problem).error.message
        except (msgspec.DecodeError, ValueError, RecursionError):
            raise error from None
    raise MalformedFrame("venue_error", words)
