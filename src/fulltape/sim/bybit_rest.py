"""Bybit's v5 REST interface, spoken by the simulated venue. Pure: a path and a query in, an answer out.

Facts are those of https://bybit-exchange.github.io/docs/v5/market/kline. A refusal has status 200 and a code that is
not 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from fulltape.clock import SECOND_NS
from fulltape.sim import bybit_wire as wire
from fulltape.sim.base import Reply, Rest
from fulltape.sim.history import fill_up, roll_up
from fulltape.sim.market import Market
from fulltape.sim.queries import whole

BARS_S: Final = {
    "1": 60,
    "3": 180,
    "5": 300,
    "15": 900,
    "30": 1_800,
    "60": 3_600,
    "120": 7_200,
    "240": 14_400,
    "360": 21_600,
    "720": 43_200,
    "D": 86_400,
}
MOST_TRADES: Final = {wire.SPOT: 60, wire.LINEAR: 1_000}
MOST_BARS: Final = 1_000
MOST_LEVELS: Final = 1_000
_BAD_PARAMETER: Final = 10001
_NEWEST: Final = 1 << 62
_LATEST_MS: Final = 1 << 43

_Query = Mapping[str, str]


class BybitRest(Rest):
    """Answers GET requests from the market of one category."""

    def __init__(self, market: Market, category: str) -> None:
        self._market = market
        self._category = category
        self._symbols = {wire.symbol_of(listing): i for i, listing in enumerate(market.listings)}
        self._routes: Mapping[str, Callable[[_Query], object]] = {
            "/v5/market/time": self._time,
            "/v5/market/instruments-info": self._instruments,
            "/v5/market/recent-trade": self._trades,
            "/v5/market/kline": self._bars,
            "/v5/market/orderbook": self._book,
        }

    def get(self, path: str, query: _Query) -> Reply:
        """Answer one request; whatever is asked, this returns an answer."""
        if path not in self._routes:
            return Reply(404, b"")
        try:
            code, words, result = 0, "OK", self._routes[path](query)
        except ValueError as invalid:
            code, words, result = _BAD_PARAMETER, f"params error: {invalid}", {}
        outer = {"retCode": code, "retMsg": words, "result": result, "retExtInfo": {}}
        return Reply(200, wire.encode(outer | {"time": wire.ms(self._market.now_ns)}))

    def _product(self, query: _Query) -> int:
        if query.get("category", wire.SPOT) != self._category:
            raise ValueError("Invalid category")
        symbol = query.get("symbol", "")
        if symbol not in self._symbols:
            raise ValueError("Symbol Invalid")
        return self._symbols[symbol]

    def _time(self, query: _Query) -> object:
        now = self._market.now_ns
        return {"timeSecond": str(now // SECOND_NS), "timeNano": str(now)}

    def _instruments(self, query: _Query) -> object:
        if query.get("category") != self._category:
            raise ValueError("Invalid category")
        products = [self._product(query)] if query.get("symbol") else range(len(self._market.listings))
        rows = [wire.instrument(self._category, self._market.listings[product]) for product in products]
        return {"category": self._category, "list": rows, "nextPageCursor": ""}

    def _trades(self, query: _Query) -> object:
        """Return the newest trades, newest first; there is no way to older ones."""
        product, most = self._product(query), MOST_TRADES[self._category]
        page = self._market.trades(product, _NEWEST, min(whole(query, "limit", min(most, 500)), most))
        listing = self._market.listings[product]
        return {"category": self._category, "list": [wire.past_trade(self._category, listing, one) for one in page]}

    def _bars(self, query: _Query) -> object:
        """Return the newest ``limit`` of the bars from ``start`` to ``end``, both included, newest first."""
        product, name = self._product(query), query.get("interval", "")
        if name not in BARS_S:
            raise ValueError("Invalid period!")
        length, now = BARS_S[name], self._market.now_ns // SECOND_NS
        limit = max(1, min(whole(query, "limit", 200), MOST_BARS))
        last = min(whole(query, "end", _LATEST_MS) // 1_000, now) // length * length
        first = max(-(-whole(query, "start", 0) // (1_000 * length)) * length, last - (limit - 1) * length)
        made = roll_up(self._market.bars(product, first, last + length), length)[::-1]
        listing = self._market.listings[product]
        rows = [wire.bar(listing, bar) for bar in fill_up(made, length, last + length)[::-1]]
        return {"category": self._category, "symbol": wire.symbol_of(listing), "list": rows}

    def _book(self, query: _Query) -> object:
        product = self._product(query)
        book = self._market.book(product)
        limit = max(1, min(whole(query, "limit", 1), MOST_LEVELS))
        cut = type(book)(book.sequence, book.time, book.bids[:limit], book.asks[:limit])
        time = wire.ms(book.time)
        return wire.book(self._market.listings[product], cut, book.sequence) | {"ts": time, "cts": time}
