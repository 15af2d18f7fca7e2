"""Binance spot's REST interface, spoken by the simulated venue. Pure: a path and a query in, an answer out.

Facts are those of https://developers.binance.com/docs/binance-spot-api-docs/rest-api.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from fulltape.clock import SECOND_NS
from fulltape.sim import binance_wire as wire
from fulltape.sim.base import Reply, Rest
from fulltape.sim.history import MINUTE_S, MinuteBar, PastTrade, bars_of, fill_up, roll_up
from fulltape.sim.instruments import Listing
from fulltape.sim.market import Market
from fulltape.sim.queries import whole

BARS_S: Final = {
    "1s": 1,
    "1m": 60,
    "3m": 180,
    "5m": 300,
    "15m": 900,
    "30m": 1_800,
    "1h": 3_600,
    "2h": 7_200,
    "4h": 14_400,
    "6h": 21_600,
    "8h": 28_800,
    "12h": 43_200,
    "1d": 86_400,
}
MOST_TRADES: Final = 1_000
MOST_BARS: Final = 1_000
MOST_LEVELS: Final = 5_000
_MS_NS: Final = 1_000_000
_NEWEST: Final = 1 << 62
_LATEST_MS: Final = 1 << 43

_Query = Mapping[str, str]


class _RefusedError(Exception):
    """A request answered with a code and a message."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class BinanceRest(Rest):
    """Answers GET requests from a market."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._symbols = {wire.symbol_of(listing): i for i, listing in enumerate(market.listings)}
        self._routes: Mapping[str, Callable[[_Query], object]] = {
            "/api/v3/ping": lambda query: {},
            "/api/v3/time": lambda query: {"serverTime": wire.ms(market.now_ns)},
            "/api/v3/exchangeInfo": self._info,
            "/api/v3/depth": self._depth,
            "/api/v3/trades": self._newest_trades,
            "/api/v3/historicalTrades": self._trades,
            "/api/v3/aggTrades": self._merged_trades,
            "/api/v3/klines": self._bars,
        }

    def get(self, path: str, query: _Query) -> Reply:
        """Answer one request; whatever is asked, this returns an answer."""
        if path not in self._routes:
            return Reply(404, wire.encode({"code": -1000, "msg": f"Path {path} not found."}))
        try:
            return Reply(200, wire.encode(self._routes[path](query)))
        except _RefusedError as refused:
            return Reply(400, wire.encode({"code": refused.code, "msg": str(refused)}))
        except ValueError as invalid:
            name = str(invalid).partition(" ")[0]
            return Reply(400, wire.encode({"code": -1100, "msg": f"Illegal characters found in parameter '{name}'."}))

    def _product(self, query: _Query) -> int:
        symbol = query.get("symbol", "")
        if not symbol:
            raise _RefusedError(-1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.")
        if symbol not in self._symbols:
            raise _RefusedError(-1121, "Invalid symbol.")
        return self._symbols[symbol]

    def _info(self, query: _Query) -> object:
        products = [self._product(query)] if "symbol" in query else range(len(self._market.listings))
        return {
            "timezone": "UTC",
            "serverTime": wire.ms(self._market.now_ns),
            "rateLimits": [],
            "exchangeFilters": [],
            "symbols": [wire.instrument(self._market.listings[product]) for product in products],
        }

    def _depth(self, query: _Query) -> object:
        product = self._product(query)
        limit = min(whole(query, "limit", 100), MOST_LEVELS)
        return wire.book(self._market.listings[product], self._market.book(product), limit)

    def _newest_trades(self, query: _Query) -> object:
        product = self._product(query)
        trades = self._market.trades(product, _NEWEST, _limit(query))[::-1]
        return [wire.past_trade(self._market.listings[product], traded) for traded in trades]

    def _trades(self, query: _Query) -> object:
        """Oldest first, from an id on; the newest if none is given."""
        product = self._product(query)
        if not query.get("fromId"):
            return self._newest_trades(query)
        trades = self._from(product, whole(query, "fromId", 0), _limit(query))
        return [wire.past_trade(self._market.listings[product], traded) for traded in trades]

    def _merged_trades(self, query: _Query) -> object:
        """Oldest first: from an id on, or from one time to another, both included, or the newest."""
        product, limit, market = self._product(query), _limit(query), self._market
        if query.get("fromId"):
            trades = self._from(product, whole(query, "fromId", 0), limit)
        elif query.get("startTime") or query.get("endTime"):
            end = min(whole(query, "endTime", _LATEST_MS), _LATEST_MS)
            after = market.first_id_after(product, (end + 1) * _MS_NS - 1)
            start = min(whole(query, "startTime", 0), _LATEST_MS)
            first = market.first_id_after(product, start * _MS_NS - 1) if start else max(after - limit, 0)
            trades = [traded for traded in self._from(product, first, limit) if traded.trade_id < after]
        else:
            trades = market.trades(product, _NEWEST, limit)[::-1]
        return [wire.past_merged_trade(market.listings[product], traded) for traded in trades]

    def _from(self, product: int, first: int, limit: int) -> list[PastTrade]:
        page = self._market.trades(product, min(first + limit, _NEWEST), limit)
        return [traded for traded in page[::-1] if traded.trade_id >= first]

    def _bars(self, query: _Query) -> object:
        """Oldest first: from ``startTime`` on, else those up to ``endTime``, both of them included."""
        product, name = self._product(query), query.get("interval", "")
        if name not in BARS_S:
            raise _RefusedError(-1120, "Invalid interval.")
        length, now = BARS_S[name], self._market.now_ns // SECOND_NS
        limit = max(1, min(whole(query, "limit", 500), MOST_BARS))
        last = min(whole(query, "endTime", _LATEST_MS) // 1_000, now) // length * length
        if query.get("startTime"):
            first = -(-whole(query, "startTime", 0) // (1_000 * length)) * length
            last = min(last, first + (limit - 1) * length)
        else:
            first = last - (limit - 1) * length
        listing, made = self._market.listings[product], self._made(product, first, last + length, length)
        return [_bar(listing, bar, length) for bar in fill_up(made, length, last + length)]

    def _made(self, product: int, start_s: int, end_s: int, length_s: int) -> list[MinuteBar]:
        """Return bars, oldest first; those shorter than a minute as far back as trades are kept."""
        market = self._market
        if length_s >= MINUTE_S:
            return roll_up(market.bars(product, start_s, end_s), length_s)[::-1]
        first, after = (market.first_id_after(product, time * SECOND_NS - 1) for time in (start_s, end_s))
        return bars_of(market.trades(product, after, after - first)[::-1], length_s)


def _limit(query: _Query) -> int:
    return min(whole(query, "limit", 500), MOST_TRADES)


def _bar(listing: Listing, bar: MinuteBar, length_s: int) -> list[object]:
    return [
        bar.start * 1_000,
        *wire.bar_texts(listing, bar),
        (bar.start + length_s) * 1_000 - 1,
        wire.value_text(listing, bar.value),
        bar.trades,
        wire.size_text(listing, bar.bought),
        wire.value_text(listing, bar.bought_value),
        "0",
    ]
