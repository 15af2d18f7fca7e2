"""Alpaca's crypto REST interface, spoken by the simulated venue. Pure: a request in, an answer out.

Facts are those of https://docs.alpaca.markets/reference/cryptobars. The list of pairs lies on another server of the
real venue; here it lies on the same one.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from typing import Final

from fulltape.clock import SECOND_NS
from fulltape.sim import alpaca_wire as wire
from fulltape.sim.alpaca import KEY_HEADERS, PATH
from fulltape.sim.base import Reply, Request, Rest
from fulltape.sim.history import MINUTE_S, fill_up, roll_up
from fulltape.sim.instruments import step_text
from fulltape.sim.market import Market
from fulltape.sim.queries import moment, whole

MOST_ROWS: Final = 10_000
_DEFAULT_ROWS: Final = 1_000
_ASSETS: Final = "/v2/assets"
_DAY_NS: Final = 86_400 * SECOND_NS
_TIMEFRAME: Final = re.compile(r"(\d{1,2})(Min|T|Hour|H|Day|D)\Z", re.ASCII)
_UNITS_S: Final = {"M": MINUTE_S, "T": MINUTE_S, "H": 3_600, "D": 86_400}

Rows = dict[str, list[wire.Message]]
Page = tuple[list[tuple[int, wire.Message]], bool]
Reader = Callable[[int, Mapping[str, str], int, int], Page]
"""Rows of one product, each with its mark, and whether there are more: given the query, how many, and the last mark."""


class AlpacaRest(Rest):
    """Answers GET requests from a market; only the list of pairs needs a key, whichever it is."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._symbols = {wire.symbol_of(listing): i for i, listing in enumerate(market.listings)}
        self._routes: Mapping[str, Callable[[Mapping[str, str]], object]] = {
            f"{PATH}/trades": lambda query: self._paged("trades", query, self._trades),
            f"{PATH}/bars": lambda query: self._paged("bars", query, self._bars),
            f"{PATH}/latest/orderbooks": self._books,
            f"{PATH}/latest/quotes": self._quotes,
            _ASSETS: self._assets,
        }

    def answer(self, request: Request) -> Reply:
        """Answer one request; whatever is asked, this returns an answer."""
        if request.path == _ASSETS and not all(request.headers.get(name) for name in KEY_HEADERS):
            return _refusal(403, "forbidden.")
        return super().answer(request)

    def get(self, path: str, query: Mapping[str, str]) -> Reply:
        """Answer a GET request."""
        if path not in self._routes:
            return _refusal(404, "endpoint not found.")
        try:
            return Reply(200, wire.encode_json(self._routes[path](query)))
        except ValueError as invalid:
            return _refusal(400, str(invalid))

    def _chosen(self, query: Mapping[str, str]) -> list[str]:
        if not query.get("symbols"):
            raise ValueError("symbols is required")
        asked = query["symbols"].split(",")
        if bad := [symbol for symbol in asked if "/" not in symbol]:
            raise ValueError(f"invalid symbol: {bad[0]}")
        return sorted({symbol for symbol in asked if symbol in self._symbols})

    def _assets(self, query: Mapping[str, str]) -> object:
        return [
            {
                "class": "crypto",
                "exchange": "CRYPTO",
                "symbol": wire.symbol_of(listing),
                "name": f"{listing.name} / US Dollar",
                "status": "active",
                "tradable": True,
                "fractionable": True,
                "min_order_size": step_text(listing.size_decimals),
                "min_trade_increment": step_text(listing.size_decimals),
                "price_increment": step_text(listing.price_decimals),
            }
            for listing in self._market.listings
        ]

    def _books(self, query: Mapping[str, str]) -> object:
        books = {}
        for symbol in self._chosen(query):
            product = self._symbols[symbol]
            book = wire.book(self._market.listings[product], self._market.book(product))
            books[symbol] = {name: book[name] for name in ("t", "b", "a")}
        return {"orderbooks": books}

    def _quotes(self, query: Mapping[str, str]) -> object:
        products = {symbol: self._symbols[symbol] for symbol in self._chosen(query)}
        quotes = {
            symbol: wire.quote(self._market.listings[product], self._market.quote(product))
            for symbol, product in products.items()
        }
        return {"quotes": quotes}

    def _paged(self, name: str, query: Mapping[str, str], read: Reader) -> object:
        """Return a page over all symbols, in their order; its token says where the next one begins."""
        left = min(whole(query, "limit", _DEFAULT_ROWS) or _DEFAULT_ROWS, MOST_ROWS)
        first, mark = _read_token(query.get("page_token", ""))
        found: Rows = {}
        token = None
        for symbol in self._chosen(query):
            if symbol < first or token is not None:
                continue
            rows, has_more = read(self._symbols[symbol], query, left, mark if symbol == first else -1)
            left -= len(rows)
            if rows:
                found[symbol] = [row for _, row in rows]
            if has_more:
                token = _write_token(symbol, rows[-1][0] if rows else (mark if symbol == first else -1))
        return {name: found, "next_page_token": token}

    def _trades(self, product: int, query: Mapping[str, str], most: int, mark: int) -> Page:
        """Return trades after the one with id ``mark``, in the order asked for, and whether there are more."""
        start, end = self._range(query)
        first, after = (self._market.first_id_after(product, bound) for bound in (start - 1, end))
        is_newest_first = _is_newest_first(query)
        if mark >= 0:
            first, after = (first, min(after, mark)) if is_newest_first else (max(first, mark + 1), after)
        count = max(min(most, after - first), 0)
        newest = after if is_newest_first else first + count
        page = self._market.trades(product, newest, count)
        listing = self._market.listings[product]
        rows = [(traded.trade_id, wire.trade(listing, traded)) for traded in page]
        return rows if is_newest_first else rows[::-1], after - first > count

    def _bars(self, product: int, query: Mapping[str, str], most: int, mark: int) -> Page:
        """Return bars after the one that starts at ``mark`` (s), in the order asked for, and whether there are more."""
        length = _timeframe(query)
        start, end = (bound // SECOND_NS for bound in self._range(query))
        made = roll_up(self._market.bars(product, start // length * length, end + length), length)[::-1]
        bars = [one for one in fill_up(made, length, end + 1) if start <= one.start <= end]
        is_newest_first = _is_newest_first(query)
        if is_newest_first:
            bars = bars[::-1]
        if mark >= 0:
            bars = [one for one in bars if (one.start < mark if is_newest_first else one.start > mark)]
        listing = self._market.listings[product]
        return [(one.start, wire.bar(listing, one)) for one in bars[:most]], len(bars) > most

    def _range(self, query: Mapping[str, str]) -> tuple[int, int]:
        now = self._market.now_ns
        return moment(query, "start", now // _DAY_NS * _DAY_NS), min(moment(query, "end", now), now)


def _timeframe(query: Mapping[str, str]) -> int:
    text = query.get("timeframe", "")
    match = _TIMEFRAME.match(text)
    if match is None or not int(match[1]):
        raise ValueError(f"invalid timeframe: {text}")
    return int(match[1]) * _UNITS_S[match[2][0]]


def _is_newest_first(query: Mapping[str, str]) -> bool:
    return query.get("sort", "asc") == "desc"


def _write_token(symbol: str, mark: int) -> str:
    return base64.urlsafe_b64encode(f"{symbol}|{mark}".encode()).decode()


def _read_token(token: str) -> tuple[str, int]:
    """Return the symbol that a page begins in, and the last row before it. Raises ValueError."""
    if not token:
        return "", -1
    try:
        symbol, _, mark = base64.urlsafe_b64decode(token.encode()).decode().partition("|")
        return symbol, int(mark)
    except ValueError:
        raise ValueError("invalid page_token") from None


def _refusal(status: int, message: str) -> Reply:
    return Reply(status, wire.encode_json({"message": message}))
