"""LiveCoinWatch: https://livecoinwatch.github.io/lcw-api-docs/. An aggregator: rates of coins over all venues, by REST.

This file says where it is, what to poll and how to ask for history. Its answers and their parser are in
`fulltape.venues.livecoinwatch_feed`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any, Final, NoReturn, TypeVar

import msgspec

from fulltape.clock import SECOND_NS
from fulltape.errors import ConfigError, MalformedFrame
from fulltape.records import COINS, Batch, Instrument, Origin, instrument_id
from fulltape.records.frames import Connection
from fulltape.records.instrument import is_instrument_id
from fulltape.venues.base import (
    Channel,
    Credentials,
    IdRule,
    Polling,
    RestLimits,
    RestRequest,
    Subscription,
    Symbols,
    TradesPage,
    VenueSpec,
)
from fulltape.venues.feed import check_subscription
from fulltape.venues.livecoinwatch_feed import (
    KEY_VARIABLE,
    NAME,
    POLL_PATH,
    CoinRow,
    LiveCoinWatchParser,
    Refusal,
    put_coins,
)
from fulltape.venues.pages import decode_page, finish_page, page_rows

T = TypeVar("T")

_MS_NS: Final = 1_000_000
_DAY_NS: Final = 86_400 * SECOND_NS
_NOON_NS: Final = _DAY_NS // 2
_WITHIN_NS: Final = 600 * SECOND_NS
_MAX_CODES: Final = 100
_SYMBOL: Final = re.compile(r"([A-Z0-9][A-Z0-9.$+_]*)-([A-Z]{3,6})\Z", re.ASCII)
_COINS: Final = ("BTC", "ETH", "USDT", "XRP", "SOL", "USDC", "DOGE", "LINK", "AAVE", "FDUSD")

SPEC: Final = VenueSpec(
    name=NAME,
    ws_url="",
    rest_url="https://api.livecoinwatch.com",
    hosts=("api.livecoinwatch.com",),
    channels=frozenset({Channel.COINS}),
    keyed_channels=frozenset({Channel.COINS}),
    default_channels=(Channel.COINS,),
    default_symbols=tuple(f"{code}-USD" for code in _COINS),
    trade_ids=IdRule.OPAQUE,
    # One connection counts the credits; its list of instruments has the largest 100 only.
    max_symbols=10_000,
    lists_all=False,
    rest_limits=RestLimits(requests_per_s=1, burst=1),
    max_messages_per_s=1,
    silence_s=120,
    stale_s=120,
    credential_variables=(KEY_VARIABLE,),
    credential_headers=("x-api-key",),
    # 8,640 polls a day: the rest is for restarts and history.
    polling=Polling(every_s=10, credits_per_day=10_000, reserve=500),
)
"""LiveCoinWatch's constants."""


class _Listed(msgspec.Struct, frozen=True):
    code: str


class _Credits(msgspec.Struct, frozen=True):
    left: Annotated[int, msgspec.Meta(ge=0)] = msgspec.field(name="dailyCreditsRemaining")


class _Point(msgspec.Struct, frozen=True):
    date: Annotated[int, msgspec.Meta(ge=0, le=2**42)]
    rate: float | None
    volume: float | None = None
    cap: float | None = None
    liquidity: float | None = None


class _History(msgspec.Struct, frozen=True):
    history: list[_Point]


class LiveCoinWatch:
    """LiveCoinWatch's coins."""

    spec: VenueSpec = SPEC

    def subscribe_frames(self, subscription: Subscription, credentials: Credentials | None, now_ns: int) -> list[bytes]:
        """Return no frames, for there is no stream. Raises ConfigError without a key."""
        self.polls(subscription)
        if credentials is None:
            raise ConfigError(f"{NAME} needs a key: set {KEY_VARIABLE} in the environment")
        return []

    def unsubscribe_frames(self, subscription: Subscription) -> list[bytes]:
        """Return no frames."""
        return []

    def polls(self, subscription: Subscription) -> list[RestRequest]:
        """Return one request for each currency, or several for over 100 coins."""
        check_subscription(SPEC, subscription)
        codes: dict[str, list[str]] = {}
        for symbol in subscription.symbols:
            code, currency = _split(symbol)
            codes.setdefault(currency, []).append(code)
        return [
            _post(POLL_PATH, currency=currency, codes=some, **_order(len(some)), meta=True)
            for currency, every in codes.items()
            for start in range(0, len(every), _MAX_CODES)
            if (some := every[start : start + _MAX_CODES])
        ]

    def parser(self, symbols: Symbols, connection: Connection) -> LiveCoinWatchParser:
        """Return a parser for the answers of one connection."""
        return LiveCoinWatchParser(symbols, connection)

    def instrument(self, venue_symbol: str) -> Instrument:
        """Return the instrument of ``BTC-USD``: the venue's code, a hyphen, the currency."""
        code, currency = _split(venue_symbol)
        return Instrument(instrument_id(code, currency, NAME), NAME, venue_symbol, code, currency)

    def instruments_request(self) -> RestRequest:
        """Describe the list of the 100 largest coins."""
        return _post("/coins/list", currency="USD", **_order(_MAX_CODES), meta=False)

    def parse_instruments(self, body: bytes) -> list[Instrument]:
        """Parse a list of coins; those whose code makes no instrument, such as ``_MOON``, are left out."""
        symbols = [f"{coin.code}-USD" for coin in _decode(body, list[_Listed])]
        return [self.instrument(symbol) for symbol in symbols if _SYMBOL.match(symbol)]

    def credits_request(self) -> RestRequest:
        """Describe the request for what is left; it takes a credit like any other."""
        return _post("/credits")

    def parse_credits(self, body: bytes) -> int:
        """Return how many credits are left."""
        return _decode(body, _Credits).left

    def history_times(self, start_ns: int, end_ns: int) -> Sequence[int]:
        """Return every 12:00 UTC."""
        first = -(-(start_ns - _NOON_NS) // _DAY_NS) * _DAY_NS + _NOON_NS
        return range(first, end_ns, _DAY_NS)

    def history_request(self, venue_symbol: str, time_ns: int) -> RestRequest:
        """Describe the points, 5 minutes apart, from ``time_ns`` on; wide ranges would be thinned out."""
        code, currency = _split(venue_symbol)
        span = {"start": time_ns // _MS_NS, "end": (time_ns + _WITHIN_NS) // _MS_NS}
        return _post("/coins/single/history", currency=currency, code=code, **span, meta=False)

    def parse_history(self, body: bytes, code: int, time_ns: int, ingest_time: int) -> Batch:
        """Return the first point from ``time_ns`` on."""
        inside = [
            point for point in _decode(body, _History).history if time_ns <= point.date * _MS_NS <= time_ns + _WITHIN_NS
        ]
        points = sorted(inside, key=lambda point: point.date)[:1]
        coins = [CoinRow("", point.rate, "", None, point.volume, point.cap, point.liquidity) for point in points]
        rows = page_rows(COINS, len(points), code, ingest_time)
        rows.counted_times([point.date for point in points], _MS_NS)
        rows.put("origin", [int(Origin.REFILL)] * len(points))
        put_coins(rows, coins)
        return finish_page(rows)

    def trades_request(self, venue_symbol: str, cursor: str | None, limit: int) -> RestRequest:
        """Raise ConfigError: an aggregator has no trades."""
        _refuse("trades")

    def parse_trades(self, body: bytes, code: int, ingest_time: int, limit: int) -> TradesPage:
        """Raise MalformedFrame: whatever it is, it is no trades."""
        raise MalformedFrame("not_offered", f"{NAME} has no trades")

    def bars_request(self, venue_symbol: str, interval_s: int, start_ns: int, end_ns: int) -> RestRequest:
        """Raise ConfigError: its history is of moments, not of bars."""
        _refuse("bars")

    def parse_bars(self, body: bytes, code: int, interval_s: int, ingest_time: int) -> Batch:
        """Raise MalformedFrame: whatever it is, it is no bars."""
        raise MalformedFrame("not_offered", f"{NAME} has no bars")

    def book_request(self, venue_symbol: str) -> RestRequest:
        """Raise ConfigError: an aggregator has no book."""
        _refuse("books")


def _split(venue_symbol: str) -> tuple[str, str]:
    """Return code and currency."""
    match = _SYMBOL.match(venue_symbol)
    if match is None or not is_instrument_id(instrument_id(match[1], match[2], NAME)):
        raise ValueError(f"not a {NAME} coin: {venue_symbol!r} (they look like BTC-USD)")
    return match[1], match[2]


def _order(limit: int) -> dict[str, Any]:
    return {"sort": "rank", "order": "ascending", "offset": 0, "limit": limit}


def _post(path: str, **question: Any) -> RestRequest:
    return RestRequest(path, method="POST", body=msgspec.json.encode(question))


def _decode(body: bytes, kind: type[T]) -> T:
    """Decode an answer. Raises MalformedFrame, with the venue's own words if it sent an error."""
    try:
        return decode_page(body, kind)
    except MalformedFrame:
        try:
            problem = msgspec.json.decode(body, type=Refusal).error
        except (msgspec.DecodeError, ValueError, RecursionError):
            problem = None
        if problem is None:
            raise
        raise MalformedFrame("venue_error", problem.words) from None


def _refuse(what: str) -> NoReturn:
    raise ConfigError(f"{NAME} has no {what}: it is an aggregator, follow a venue for them")
