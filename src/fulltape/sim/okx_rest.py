"""OKX's public REST interface, spoken by the simulated venue. Pure: a path and a query in, an answer out.

Facts are those of https://www.okx.com/docs-v5/en/#order-book-trading-market-data. A refusal has status 200 and a code
that is not 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from fulltape.clock import SECOND_NS
from fulltape.sim import okx_wire as wire
from fulltape.sim.base import Reply, Rest
from fulltape.sim.history import fill_up, roll_up
from fulltape.sim.market import Market
from fulltape.sim.queries import whole

BARS_S: Final = {
    "1m": 60,
    "3m": 180,
    "5m": 300,
    "15m": 900,
    "30m": 1_800,
    "1H": 3_600,
    "2H": 7_200,
    "4H": 14_400,
    "6Hutc": 21_600,
    "12Hutc": 43_200,
    "1Dutc": 86_400,
    "1Wutc": 604_800,
}
_MS_NS: Final = 1_000_000
_NEWEST: Final = 1 << 62
_PAGES: Final = {"trades": 500, "history-trades": 100, "candles": 300, "history-candles": 100}


class _RefusedError(Exception):
    """A request answered with a code and a message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class OkxRest(Rest):
    """Answers GET requests from a market."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._symbols = {wire.symbol_of(listing): i for i, listing in enumerate(market.listings)}
        self._routes: Mapping[str, Callable[[Mapping[str, str]], list[object]]] = {
            "/api/v5/public/time": self._time,
            "/api/v5/public/instruments": self._instruments,
            "/api/v5/market/trades": self._newest_trades,
            "/api/v5/market/history-trades": self._trades,
            "/api/v5/market/candles": lambda query: self._bars(query, _PAGES["candles"]),
            "/api/v5/market/history-candles": lambda query: self._bars(query, _PAGES["history-candles"]),
            "/api/v5/market/books": self._book,
        }

    def get(self, path: str, query: Mapping[str, str]) -> Reply:
        """Answer one request; whatever is asked, this returns an answer."""
        if path not in self._routes:
            return Reply(404, wire.encode({"code": "404", "msg": "Not Found", "data": []}))
        try:
            return Reply(200, wire.encode({"code": "0", "msg": "", "data": self._routes[path](query)}))
        except _RefusedError as refused:
            return Reply(200, wire.encode({"code": refused.code, "msg": str(refused), "data": []}))
        except ValueError as invalid:
            name = str(invalid).partition(" ")[0]
            return Reply(200, wire.encode({"code": "51000", "msg": f"Parameter {name} error", "data": []}))

    def _product(self, query: Mapping[str, str]) -> int:
        symbol = query.get("instId", "")
        if not symbol:
            raise _RefusedError("50014", "Parameter instId cannot be empty.")
        if symbol not in self._symbols:
            raise _RefusedError("51001", "Instrument ID, Instrument ID code, or Spread ID doesn't exist.")
        return self._symbols[symbol]

    def _time(self, query: Mapping[str, str]) -> list[object]:
        return [{"ts": wire.ms_text(self._market.now_ns)}]

    def _instruments(self, query: Mapping[str, str]) -> list[object]:
        kind = query.get("instType", "")
        if not kind:
            raise _RefusedError("50014", "Parameter instType cannot be empty.")
        if kind not in {"SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION"}:
            raise _RefusedError("51000", "Parameter instType error")
        if kind != "SPOT":
            return []
        chosen = [self._product(query)] if query.get("instId") else range(len(self._market.listings))
        return [wire.instrument(self._market.listings[product]) for product in chosen]

    def _newest_trades(self, query: Mapping[str, str]) -> list[object]:
        product = self._product(query)
        limit = min(whole(query, "limit", 100), _PAGES["trades"])
        listing = self._market.listings[product]
        return [wire.trade(listing, traded) for traded in self._market.trades(product, _NEWEST, limit)]

    def _trades(self, query: Mapping[str, str]) -> list[object]:
        """Newest first: ``after`` means older, ``before`` newer than an id (type 1) or a time (type 2)."""
        product = self._product(query)
        kind, after = query.get("type", "1"), whole(query, "after", _NEWEST)
        before, limit = whole(query, "before", 0), min(whole(query, "limit", 100), _PAGES["history-trades"])
        if kind not in {"1", "2"}:
            raise _RefusedError("51000", "Parameter type error")
        if kind == "2":
            after, before = self._id_at(product, after), self._id_at(product, before + 1) - 1 if before else 0
        page = self._market.trades(product, after, limit)
        return [wire.trade(self._market.listings[product], traded) for traded in page if traded.trade_id > before]

    def _id_at(self, product: int, ms: int) -> int:
        """Return the first trade of a millisecond or after it."""
        return self._market.first_id_after(product, min(ms, 1 << 43) * _MS_NS - 1)

    def _bars(self, query: Mapping[str, str], most: int) -> list[object]:
        """Newest first: those before ``after`` and after ``before``, both in ms."""
        product, name = self._product(query), query.get("bar", "1m")
        if name not in BARS_S:
            raise _RefusedError("51000", "Parameter bar error")
        length, now = BARS_S[name], self._market.now_ns // SECOND_NS
        end = min(-(-whole(query, "after", _NEWEST) // (1_000 * length)) * length, now // length * length + length)
        first = max(whole(query, "before", 0) // (1_000 * length) + 1, end // length - most) * length
        limit = min(whole(query, "limit", 100), most)
        made = roll_up(self._market.bars(product, first, end), length)[::-1]
        bars = fill_up(made, length, end)[::-1][:limit]
        return [wire.candle(self._market.listings[product], bar, bar.start + length <= now) for bar in bars]

    def _book(self, query: Mapping[str, str]) -> list[object]:
        product = self._product(query)
        depth = min(whole(query, "sz", 1), 400)
        return [wire.book(self._market.listings[product], self._market.book(product), depth)]
