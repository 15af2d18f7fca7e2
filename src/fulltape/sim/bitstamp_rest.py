"""Bitstamp's public REST interface, spoken by the simulated venue. Pure: a path and a query in, an answer out.

Facts are those of https://www.bitstamp.net/api/.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fulltape.clock import SECOND_NS
from fulltape.sim import bitstamp_wire as wire
from fulltape.sim.base import Reply, Rest
from fulltape.sim.history import MinuteBar, fill_up, roll_up
from fulltape.sim.instruments import Listing
from fulltape.sim.market import Market
from fulltape.sim.queries import whole

STEPS: Final = (60, 180, 300, 900, 1_800, 3_600, 7_200, 14_400, 21_600, 43_200, 86_400, 259_200)
MOST_BARS: Final = 1_000
_PERIODS: Final = {"minute": 60, "hour": 3_600, "day": 86_400}
_NEWEST: Final = 1 << 40


class _RefusedError(Exception):
    """A request answered with a status and what is wrong with which field."""

    def __init__(self, status: int, reason: str, field: str = "") -> None:
        super().__init__(reason)
        self.status = status
        self.field = field


class BitstampRest(Rest):
    """Answers GET requests from a market."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._symbols = {wire.symbol_of(listing): i for i, listing in enumerate(market.listings)}

    def get(self, path: str, query: Mapping[str, str]) -> Reply:
        """Answer one request; whatever is asked, this returns an answer."""
        try:
            return Reply(200, wire.encode(self._route([part for part in path.split("/") if part], query)))
        except _RefusedError as refused:
            return _refusal(refused.status, str(refused), refused.field)
        except ValueError as invalid:
            return _refusal(400, str(invalid), str(invalid).partition(" ")[0])

    def _route(self, parts: list[str], query: Mapping[str, str]) -> object:
        match parts:
            case ["api", "v2", "trading-pairs-info"]:
                return [_pair(listing) for listing in self._market.listings]
            case ["api", "v2", "transactions", symbol] if symbol in self._symbols:
                return self._trades(self._symbols[symbol], query)
            case ["api", "v2", "ohlc", symbol] if symbol in self._symbols:
                return self._bars(self._symbols[symbol], query)
            case ["api", "v2", "order_book", symbol] if symbol in self._symbols:
                return wire.book(self._market.listings[self._symbols[symbol]], self._market.book(self._symbols[symbol]))
        raise _RefusedError(404, "Not found.")

    def _trades(self, product: int, query: Mapping[str, str]) -> list[dict[str, str]]:
        """All trades of the last minute, hour or day, newest first."""
        period = query.get("time", "hour")
        if period not in _PERIODS:
            raise _RefusedError(400, f"'{period}' is not a valid choice.", "time")
        start = self._market.now_ns - _PERIODS[period] * SECOND_NS
        first, last = self._market.first_id_after(product, start), self._market.last_id(product)
        listing = self._market.listings[product]
        return [
            {
                "date": str(traded.time // SECOND_NS),
                "tid": str(wire.trade_id(product, traded.trade_id)),
                "amount": listing.size_text(traded.size),
                "type": "0" if traded.maker_sells else "1",
                "price": listing.price_text(traded.price),
            }
            for traded in self._market.trades(product, last + 1, last + 1 - first)
        ]

    def _bars(self, product: int, query: Mapping[str, str]) -> object:
        """At most ``limit`` bars, oldest first: from ``start``, else up to ``end``, both included, else the newest."""
        step, limit = whole(query, "step", 0), whole(query, "limit", 0)
        if step not in STEPS:
            raise _RefusedError(400, f"'{query.get('step', '')}' is not a valid choice.", "step")
        if not 1 <= limit <= MOST_BARS:
            raise _RefusedError(400, f"Ensure this value is between 1 and {MOST_BARS}.", "limit")
        now = self._market.now_ns // SECOND_NS
        last = min(whole(query, "end", _NEWEST), now) // step * step
        if "start" in query:
            first = -(-whole(query, "start", 0) // step) * step
            last = min(last, first + (limit - 1) * step)
        else:
            first = last - (limit - 1) * step
        made = roll_up(self._market.bars(product, first, last + step), step)[::-1]
        listing = self._market.listings[product]
        bars = [_bar(listing, bar) for bar in fill_up(made, step, last + step)]
        return {"data": {"pair": f"{listing.base}/{listing.quote}", "ohlc": bars}}


def _pair(listing: Listing) -> dict[str, Any]:
    return {
        "name": f"{listing.base}/{listing.quote}",
        "url_symbol": wire.symbol_of(listing),
        "base_decimals": listing.size_decimals,
        "counter_decimals": listing.price_decimals,
        "instant_order_counter_decimals": listing.price_decimals,
        "minimum_order": f"10.0 {listing.quote}",
        "trading": "Enabled",
        "instant_and_market_orders": "Enabled",
        "description": f"{listing.name} / {listing.quote}",
    }


def _bar(listing: Listing, bar: MinuteBar) -> dict[str, str]:
    prices = {name: listing.price_text(getattr(bar, name)) for name in ("open", "high", "low", "close")}
    return {"timestamp": str(bar.start), **prices, "volume": listing.size_text(bar.volume)}


def _refusal(status: int, reason: str, field: str) -> Reply:
    if status == 404:
        return Reply(status, wire.encode({"status": "error", "reason": reason}))
    error = {"field": field, "message": reason, "code": "invalid"}
    return Reply(status, wire.encode({"code": f"Invalid {field}", "errors": [error]}))
