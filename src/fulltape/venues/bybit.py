"""Bybit v5: https://bybit-exchange.github.io/docs/v5/intro. Its spot market and its linear contracts are two venues.

Both use the same symbols (``BTCUSDT``) on connections of their own, so nothing but the venue tells them apart. The
messages are in `fulltape.venues.bybit_wire`, the parser in `fulltape.venues.bybit_feed`.
"""

from __future__ import annotations

import re
from typing import Final, Literal, TypeVar

import msgspec
import numpy as np

from fulltape.clock import SECOND_NS
from fulltape.errors import ConfigError, MalformedFrame
from fulltape.records import BARS, TRADES, Batch, Instrument, Origin, instrument_id
from fulltape.records.columns import NULL_INT
from fulltape.records.frames import Connection
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
from fulltape.venues.bybit_feed import BybitParser
from fulltape.venues.bybit_wire import BAR_INTERVALS, MILLISECOND_NS, TAKER, TOPICS, Millis, Side
from fulltape.venues.feed import check_subscription
from fulltape.venues.pages import bar_range, decode_page, finish_page, page_rows
from fulltape.venues.pairs import split_pair

T = TypeVar("T")
Category = Literal["spot", "linear"]

_MAX_BARS: Final = 1_000
_MAX_LEVELS: Final = 200
_MAX_TRADES: Final = {"spot": 60, "linear": 1_000}
_QUOTES: Final = (
    "USDT",
    "USDC",
    "USDE",
    "USD1",
    "RLUSD",
    "BTC",
    "ETH",
    "SOL",
    "EUR",
    "GBP",
    "BRL",
    "TRY",
    "PLN",
    "AED",
    "USD",
)
_CONTRACT: Final = re.compile(r"(?P<pair>[A-Z0-9]+?)(?:-(?P<date>\d{1,2}[A-Z]{3}\d{2}))?\Z")


def _spec(name: str, category: Category, signs: tuple[bytes, ...]) -> VenueSpec:
    return VenueSpec(
        name=name,
        ws_url=f"wss://stream.bybit.com/v5/public/{category}",
        rest_url="https://api.bybit.com",
        hosts=("stream.bybit.com", "stream-testnet.bybit.com", "api.bybit.com", "api-testnet.bybit.com"),
        channels=frozenset(TOPICS),
        keyed_channels=frozenset(),
        default_channels=(Channel.TRADES, Channel.QUOTES, Channel.TICKERS, Channel.BOOK),
        default_symbols=tuple(
            f"{base}USDT" for base in ("BTC", "ETH", "SOL", "XRP", "DOGE", "ADA", "AVAX", "LINK", "LTC", "DOT")
        ),
        trade_ids=IdRule.OPAQUE,
        history=HistorySpec(bars=tuple(BAR_INTERVALS), bars_at_once=_MAX_BARS),
        rest_limits=RestLimits(requests_per_s=20, burst=40),
        max_messages_per_s=20,
        # The answer to the ping comes at least this often.
        silence_s=30,
        stale_s=60,
        keepalive=Keepalive(b'{"op":"ping"}', every_s=20),
        signs=signs,
    )


SPOT: Final = _spec("BYBIT", "spot", (b'"usdIndexPrice":"',))
"""The spot market's constants."""
LINEAR: Final = _spec("BYBITLINEAR", "linear", (b'"markPrice":"', b'Tick","i":"'))
"""The constants of contracts that are settled in USDT or USDC."""
_NAMES: Final = {"spot": SPOT.name, "linear": LINEAR.name}


class _Steps(msgspec.Struct, frozen=True, rename="camel"):
    tick_size: float = 0.0
    base_precision: float = 0.0
    qty_step: float = 0.0


class _Symbol(msgspec.Struct, frozen=True, rename="camel"):
    symbol: str
    status: str
    base_coin: str
    quote_coin: str
    price_filter: _Steps = _Steps()
    lot_size_filter: _Steps = _Steps()

    def instrument(self, category: Category) -> Instrument:
        product = self.quote_coin
        if category == "linear":
            # A contract that ends is named after its day, BTCUSDT-25DEC26; one that does not, BTCUSDT or BTCPERP.
            product += f"-{self.symbol.partition('-')[2] or 'PERP'}"
        return Instrument(
            id=instrument_id(self.base_coin, product, _NAMES[category]),
            venue=_NAMES[category],
            venue_symbol=self.symbol,
            base=self.base_coin,
            quote=self.quote_coin,
            price_step=self.price_filter.tick_size,
            size_step=self.lot_size_filter.base_precision or self.lot_size_filter.qty_step,
            status="online" if self.status == "Trading" else self.status.lower(),
        )


class _Symbols(msgspec.Struct, frozen=True, rename={"rows": "list"}):
    category: Category
    rows: list[_Symbol]


class _Trade(msgspec.Struct, frozen=True, rename="camel"):
    exec_id: str
    price: float
    size: float
    side: Side
    time: Millis
    is_block_trade: bool = False


class _Trades(msgspec.Struct, frozen=True, rename={"rows": "list"}):
    rows: list[_Trade]


# Start, open, high, low, close, volume, turnover.
_Bar = tuple[Millis, float, float, float, float, float, float]


class _Bars(msgspec.Struct, frozen=True, rename={"rows": "list"}):
    rows: list[_Bar]


class _Answer(msgspec.Struct, frozen=True, rename="camel"):
    ret_code: int
    ret_msg: str = ""
    result: msgspec.Raw = msgspec.Raw(b"")


class Bybit:
    """One market of Bybit."""

    def __init__(self, spec: VenueSpec, category: Category) -> None:
        self.spec: VenueSpec = spec
        self._category: Category = category

    def subscribe_frames(self, subscription: Subscription, credentials: Credentials | None, now_ns: int) -> list[bytes]:
        """Return a frame for each topic: so each is confirmed or refused by itself, under its own name."""
        return self._frames("subscribe", subscription)

    def unsubscribe_frames(self, subscription: Subscription) -> list[bytes]:
        """Return a frame for each topic."""
        return self._frames("unsubscribe", subscription)

    def parser(self, symbols: Symbols, connection: Connection) -> BybitParser:
        """Return a parser for one connection."""
        return BybitParser(symbols, connection)

    def instrument(self, venue_symbol: str) -> Instrument:
        """Return the instrument of ``BTCUSDT`` by its well-known quote currency; its steps are not known yet.

        Contracts may be ``BTCPERP`` (against USDC) and ``BTCUSDT-25DEC26`` as well.
        """
        match = _CONTRACT.match(venue_symbol)
        is_linear = self._category == "linear"
        if match is not None and (is_linear or match["date"] is None):
            name = match["pair"]
            if is_linear and match["date"] is None and name.endswith("PERP"):
                name = f"{name.removesuffix('PERP')}USDC"
            if (pair := split_pair(name, _QUOTES)) is not None:
                return _Symbol(venue_symbol, "Trading", *pair).instrument(self._category)
        raise ValueError(f"not a {self.spec.name} symbol: {venue_symbol!r} (they look like BTCUSDT)")

    def instruments_request(self) -> RestRequest:
        """Describe the list of instruments that are traded; all fit one page."""
        return self._request("instruments-info", status="Trading", limit="1000")

    def parse_instruments(self, body: bytes) -> list[Instrument]:
        """Parse a list of instruments, of the market that it says it is of."""
        answer = _decode(body, _Symbols)
        return [symbol.instrument(answer.category) for symbol in answer.rows]

    def trades_request(self, venue_symbol: str, cursor: str | None, limit: int) -> RestRequest:
        """Describe the newest trades. Raises ConfigError for older ones, which the venue does not give."""
        if cursor is not None:
            raise ConfigError(f"{self.spec.name} gives its newest trades only, none before a certain one")
        most = min(limit, _MAX_TRADES[self._category])
        return self._request("recent-trade", symbol=venue_symbol, limit=str(most))

    def parse_trades(self, body: bytes, code: int, ingest_time: int, limit: int) -> TradesPage:
        """Parse the newest trades, newest first, without block trades, which were made off the book."""
        trades = [trade for trade in _decode(body, _Trades).rows[::-1] if not trade.is_block_trade]
        rows = page_rows(TRADES, len(trades), code, ingest_time)
        rows.text_ids("trade_id", [trade.exec_id for trade in trades])
        rows.positive("price", [trade.price for trade in trades])
        rows.positive("size", [trade.size for trade in trades])
        rows.put("aggressor_side", [TAKER[trade.side] for trade in trades])
        rows.counted_times([trade.time for trade in trades], MILLISECOND_NS)
        rows.put("origin", np.full(len(trades), Origin.REFILL))
        return TradesPage(finish_page(rows), None)

    def bars_request(self, venue_symbol: str, interval_s: int, start_ns: int, end_ns: int) -> RestRequest:
        """Describe at most 1,000 bars. The venue's range includes both ends, ours ends before ``end_ns``."""
        starts = bar_range(self.spec.name, interval_s, start_ns, end_ns, (tuple(BAR_INTERVALS), _MAX_BARS))
        start, end = (str(time * SECOND_NS // MILLISECOND_NS) for time in (starts[0], starts[-1]))
        interval = BAR_INTERVALS[interval_s]
        return self._request("kline", symbol=venue_symbol, interval=interval, start=start, end=end, limit="1000")

    def parse_bars(self, body: bytes, code: int, interval_s: int, ingest_time: int) -> Batch:
        """Parse bars, newest first; minutes without trades have volume 0."""
        bars = _decode(body, _Bars).rows[::-1]
        rows = page_rows(BARS, len(bars), code, ingest_time)
        rows.put("interval", np.full(len(bars), interval_s))
        rows.counted_times([bar[0] for bar in bars], MILLISECOND_NS, "start")
        for place, name in enumerate(("open", "high", "low", "close"), start=1):
            rows.positive(name, [bar[place] for bar in bars])
        rows.volumes("volume", [bar[5] for bar in bars])
        rows.figures("vwap", [bar[6] / bar[5] if bar[5] else None for bar in bars], zero_is_null=True)
        rows.put("trades", np.full(len(bars), NULL_INT))
        return finish_page(rows)

    def book_request(self, venue_symbol: str) -> RestRequest:
        """Describe the book, 200 levels a side."""
        return self._request("orderbook", symbol=venue_symbol, limit=str(_MAX_LEVELS))

    def _request(self, what: str, **query: str) -> RestRequest:
        return RestRequest(f"/v5/market/{what}", {"category": self._category, **query})

    def _frames(self, op: str, subscription: Subscription) -> list[bytes]:
        check_subscription(self.spec, subscription)
        if {Channel.BOOK, Channel.BOOK_FULL} <= set(subscription.channels):
            raise ConfigError(f"{self.spec.name}: book and book_full are one book in two depths: choose one of them")
        topics = [f"{TOPICS[channel]}.{symbol}" for channel in subscription.channels for symbol in subscription.symbols]
        return [msgspec.json.encode({"op": op, "req_id": topic, "args": [topic]}) for topic in topics]


def _decode(body: bytes, kind: type[T]) -> T:
    """Decode the result of an answer. Raises MalformedFrame, with the venue's own words if it sent an error."""
    answer = decode_page(body, _Answer)
    if answer.ret_code:
        raise MalformedFrame("venue_error", f"{answer.ret_code}: {answer.ret_msg}")
    return decode_page(bytes(answer.result), kind)
