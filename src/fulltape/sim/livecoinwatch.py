"""LiveCoinWatch, an aggregator without a stream, as a simulated venue. Pure: a request in, an answer out.

Facts are those of https://livecoinwatch.github.io/lcw-api-docs/. Every question is a POST and takes one of the day's
credits, which come back at 00:00 UTC.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Set
from typing import Any, Final

import msgspec

from fulltape.clock import SECOND_NS
from fulltape.sim.base import Framed, Reply, Request, Rest, Topic
from fulltape.sim.events import Event
from fulltape.sim.history import MINUTE_S
from fulltape.sim.market import Market

CREDITS: Final = 10_000
MOST_COINS: Final = 100
_DAY_S: Final = 86_400
_POINT_S: Final = 300
_NEAR: Final = 0.02
_SPANS_S: Final = {"hour": 3_600, "day": _DAY_S, "week": 7 * _DAY_S, "month": 30 * _DAY_S, "quarter": 91 * _DAY_S}
_SPANS: Final = (*_SPANS_S, "year")
_STATUS: Final = {400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 405: "Method Not Allowed", 429: "Too Many"}
# millions of coins that exist, about as of 2026: the market itself knows no supply
_SUPPLY: Final = {
    "BTC": 20.0,
    "ETH": 120.7,
    "SOL": 560.0,
    "XRP": 60_000.0,
    "DOGE": 152_000.0,
    "ADA": 36_000.0,
    "AVAX": 428.0,
    "LINK": 690.0,
    "LTC": 76.5,
    "BCH": 20.0,
    "DOT": 1_640.0,
    "UNI": 630.0,
}


class _Question(msgspec.Struct, frozen=True):
    currency: str = "USD"
    code: str = ""
    codes: list[str] = []
    start: int = 0
    end: int = 0
    order: str = "ascending"
    offset: int = 0
    limit: int = 10
    meta: bool = False


class _RefusedError(Exception):
    """A request answered with a code and a description."""

    def __init__(self, code: int, description: str) -> None:
        super().__init__(description)
        self.code = code


class NoFeed:
    """The feed of a venue that has no stream."""

    def frames(self, events: Iterable[Event], wanted: Set[Topic]) -> list[Framed]:
        """Return nothing."""
        return []


class LiveCoinWatchRest(Rest):
    """Answers questions about coins, with any key, as long as there are credits."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._products = {listing.base: i for i, listing in enumerate(market.listings)}
        self._day = 0
        self._spent = 0
        self._routes: Mapping[str, Callable[[_Question], object]] = {
            "/credits": self._credits,
            "/coins/single": lambda asked: self._coin(asked.code, asked.meta),
            "/coins/map": self._map,
            "/coins/list": self._list,
            "/coins/single/history": self._history,
        }

    def answer(self, request: Request) -> Reply:
        """Answer one request; whatever is asked, this returns an answer."""
        try:
            return Reply(200, msgspec.json.encode(self._route(request)))
        except _RefusedError as refused:
            problem = {"code": refused.code, "status": _STATUS[refused.code], "description": str(refused)}
            return Reply(refused.code, msgspec.json.encode({"error": problem}))

    def get(self, path: str, query: Mapping[str, str]) -> Reply:
        """Refuse: every question is a POST."""
        return self.answer(Request("GET", path, query))

    def _route(self, request: Request) -> object:
        if request.method != "POST":
            raise _RefusedError(405, "Only POST requests are allowed.")
        if request.path == "/status":
            return {}
        if request.path not in self._routes:
            raise _RefusedError(404, "There is no such endpoint.")
        if not request.headers.get("x-api-key"):
            raise _RefusedError(401, "Your API key is wrong.")
        try:
            asked = msgspec.json.decode(request.body or b"{}", type=_Question)
        except (msgspec.DecodeError, UnicodeDecodeError) as invalid:
            raise _RefusedError(400, str(invalid)) from None
        self._spend()
        if asked.currency != "USD":
            raise _RefusedError(404, f"The simulated market has no prices in {asked.currency}.")
        return self._routes[request.path](asked)

    def _spend(self) -> None:
        day = self._market.now_ns // SECOND_NS // _DAY_S
        if day != self._day:
            self._day, self._spent = day, 0
        if self._spent >= CREDITS:
            raise _RefusedError(429, "You have no credits left today.")
        self._spent += 1

    def _credits(self, asked: _Question) -> object:
        return {"dailyCreditsRemaining": CREDITS - self._spent, "dailyCreditsLimit": CREDITS}

    def _map(self, asked: _Question) -> object:
        ranked = [code for code in self._ranked(asked) if code in asked.codes]
        return [self._coin(code, asked.meta) for code in ranked]

    def _list(self, asked: _Question) -> object:
        chosen = self._ranked(asked)[asked.offset : asked.offset + min(asked.limit, MOST_COINS)]
        return [self._coin(code, asked.meta) for code in chosen]

    def _ranked(self, asked: _Question) -> list[str]:
        ranked = sorted(self._products, key=lambda code: self._rate(code) * _SUPPLY[code], reverse=True)
        return ranked if asked.order == "ascending" else ranked[::-1]

    def _coin(self, code: str, has_meta: bool) -> dict[str, Any]:
        product = self._product(code)
        listing, rate, day = self._market.listings[product], self._rate(code), self._market.day(product)
        dollars = 10.0 ** (listing.price_decimals + listing.size_decimals)
        coin: dict[str, Any] = {
            "code": code,
            "rate": rate,
            "volume": round(day.value / dollars) if day else 0,
            "cap": round(rate * _SUPPLY[code] * 1e6),
            "liquidity": self._liquidity(product),
            "delta": {span: self._change(product, rate, span) for span in _SPANS},
        }
        if has_meta:
            rank = self._ranked(_Question()).index(code) + 1
            supply = {"circulatingSupply": _SUPPLY[code] * 1e6, "totalSupply": None, "maxSupply": None}
            coin |= {"name": listing.name, "symbol": code, "rank": rank, "allTimeHighUSD": None, **supply}
        return coin

    def _history(self, asked: _Question) -> object:
        """Points every 5 minutes, at the price that the minute before closed with."""
        product = self._product(asked.code)
        scale = 10.0 ** self._market.listings[product].price_decimals
        start, end = max(asked.start // 1_000, 0), min(asked.end // 1_000, self._market.now_ns // SECOND_NS)
        closes = {bar.start + MINUTE_S: bar.close for bar in self._market.bars(product, start - MINUTE_S, end)}
        times = range(-(-start // _POINT_S) * _POINT_S, end + 1, _POINT_S)
        points = [
            {"date": time * 1_000, "rate": closes[time] / scale, "volume": None, "cap": None, "liquidity": None}
            for time in times
            if time in closes
        ]
        return {"code": asked.code, "history": points}

    def _product(self, code: str) -> int:
        if code not in self._products:
            raise _RefusedError(404, f"There is no coin {code}.")
        return self._products[code]

    def _rate(self, code: str) -> float:
        """Return the middle between the best bid and ask."""
        product = self._products[code]
        quote = self._market.quote(product)
        return (quote.bid + quote.ask) / 2 / 10.0 ** self._market.listings[product].price_decimals

    def _change(self, product: int, rate: float, span: str) -> float | None:
        """Return the rate now by the rate then, None where nothing is known of then."""
        if span not in _SPANS_S:
            return None
        then = self._market.now_ns // SECOND_NS - _SPANS_S[span]
        bars = self._market.bars(product, then - MINUTE_S, then + MINUTE_S)
        scale = 10.0 ** self._market.listings[product].price_decimals
        return round(rate * scale / bars[-1].close, 4) if bars else None

    def _liquidity(self, product: int) -> int:
        """Return what lies in the book within 2 % of the best prices, in dollars."""
        listing, book = self._market.listings[product], self._market.book(product)
        dollars = 10.0 ** (listing.price_decimals + listing.size_decimals)
        near = [
            price * size
            for levels in (book.bids, book.asks)
            for price, size in levels
            if abs(price - levels[0][0]) <= _NEAR * levels[0][0]
        ]
        return round(sum(near) / dollars)
