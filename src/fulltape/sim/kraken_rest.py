"""Kraken's public REST interface, spoken by the simulated venue. Pure: a path and a query in, an answer out.

Facts are those of https://docs.kraken.com/api/docs/rest-api/. Every answer has status 200; an error is a word in it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from fulltape.clock import SECOND_NS
from fulltape.sim.base import Reply, Rest
from fulltape.sim.history import MINUTE_S, MinuteBar, PastTrade, fill_up
from fulltape.sim.instruments import Listing, step_text
from fulltape.sim.kraken import INTERVALS, newest_bars
from fulltape.sim.kraken_wire import encode
from fulltape.sim.market import Market
from fulltape.sim.queries import whole
from fulltape.sim.texts import micros_text, number

MOST_TRADES: Final = 1_000
MOST_BARS: Final = 720
MOST_LEVELS: Final = 500
_NEWEST: Final = 1 << 62
_NAMES: Final = {"BTC": "XBT", "DOGE": "XDG"}
_WITH_PREFIX: Final = frozenset({"XBT", "ETH", "LTC", "XRP"})  # only the oldest assets have one


class _RefusedError(Exception):
    """A request answered with an error; the text is what the venue calls it."""


class KrakenRest(Rest):
    """Answers GET requests from a market."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._pairs = {name: i for i, listing in enumerate(market.listings) for name in _names(listing)}
        self._routes: Mapping[str, Callable[[Mapping[str, str]], object]] = {
            "/0/public/Time": self._time,
            "/0/public/AssetPairs": self._asset_pairs,
            "/0/public/Trades": self._trades,
            "/0/public/OHLC": self._bars,
            "/0/public/Depth": self._book,
        }

    def get(self, path: str, query: Mapping[str, str]) -> Reply:
        """Answer one request; whatever is asked, this returns an answer."""
        try:
            if path not in self._routes:
                raise _RefusedError("EGeneral:Unknown method")
            return Reply(200, encode({"error": [], "result": self._routes[path](query)}))
        except _RefusedError as refused:
            return Reply(200, encode({"error": [str(refused)]}))
        except ValueError as invalid:
            return Reply(200, encode({"error": [f"EGeneral:Invalid arguments:{invalid}"]}))

    def _product(self, query: Mapping[str, str]) -> int:
        name = query.get("pair", "")
        if name not in self._pairs:
            raise _RefusedError("EQuery:Unknown asset pair" if name else "EGeneral:Invalid arguments")
        return self._pairs[name]

    def _time(self, query: Mapping[str, str]) -> object:
        now = self._market.now_ns
        return {"unixtime": now // SECOND_NS, "rfc1123": micros_text(now)}

    def _asset_pairs(self, query: Mapping[str, str]) -> object:
        named = [self._product({"pair": name}) for name in query.get("pair", "").split(",") if name]
        products = named or range(len(self._market.listings))
        return {_names(listing)[0]: _pair(listing) for listing in (self._market.listings[i] for i in products)}

    def _trades(self, query: Mapping[str, str]) -> object:
        """Oldest first: those after ``since``, which is what the page before called its last, or the newest."""
        product = self._product(query)
        count = min(whole(query, "count", MOST_TRADES), MOST_TRADES)
        listing, first = self._market.listings[product], 0
        if "since" in query:
            first, place = self._place(product, whole(query, "since", 0))
            first += place
        newest = min(first + count if first else _NEWEST, self._market.last_id(product) + 1)
        page = [traded for traded in self._market.trades(product, newest, count) if traded.trade_id >= first][::-1]
        last = self._mark(product, page[-1]) if page else query.get("since", "0")
        return {_names(listing)[0]: [_trade(listing, traded) for traded in page], "last": last}

    def _place(self, product: int, mark: int) -> tuple[int, int]:
        """Return the first trade of a mark's microsecond, and how many trades from it on the mark includes.

        Times are whole microseconds, so the digits below tell trades of one time apart.
        """
        time, place = mark - mark % 1_000, mark % 1_000
        first, after = (self._market.first_id_after(product, bound) for bound in (time - 1, time))
        return first, min(place + 1, after - first)

    def _mark(self, product: int, traded: PastTrade) -> str:
        first = self._market.first_id_after(product, traded.time - 1)
        return str(traded.time + min(traded.trade_id - first, 999))

    def _bars(self, query: Mapping[str, str]) -> object:
        product, interval = self._product(query), whole(query, "interval", 1)
        if interval not in INTERVALS:
            raise _RefusedError("EGeneral:Invalid arguments")
        listing, since = self._market.listings[product], whole(query, "since", 0)
        made = newest_bars(self._market, product, interval, MOST_BARS)
        bars = fill_up(made, interval * MINUTE_S, self._market.now_ns // SECOND_NS)
        last = bars[-2].start if len(bars) > 1 else since
        rows = [_bar(listing, bar) for bar in bars if bar.start > since]
        return {_names(listing)[0]: rows, "last": last}

    def _book(self, query: Mapping[str, str]) -> object:
        product = self._product(query)
        count = min(whole(query, "count", 100), MOST_LEVELS)
        listing, book = self._market.listings[product], self._market.book(product)
        sides = {
            name: [
                [listing.price_text(price), listing.size_text(size), book.time // SECOND_NS]
                for price, size in levels[:count]
            ]
            for name, levels in (("asks", book.asks), ("bids", book.bids))
        }
        return {_names(listing)[0]: sides}


def _names(listing: Listing) -> Sequence[str]:
    """Return what the venue calls a pair: its key in answers, and the other spellings it takes."""
    base = _NAMES.get(listing.base, listing.base)
    plain = f"{base}{listing.quote}"
    key = f"X{base}Z{listing.quote}" if base in _WITH_PREFIX else plain
    return key, plain, f"{base}/{listing.quote}", f"{listing.base}/{listing.quote}"


def _pair(listing: Listing) -> dict[str, Any]:
    key, plain, name, _ = _names(listing)
    base = _NAMES.get(listing.base, listing.base)
    return {
        "altname": plain,
        "wsname": name,
        "aclass_base": "currency",
        "base": f"X{base}" if key != plain else base,
        "aclass_quote": "currency",
        "quote": f"Z{listing.quote}",
        "pair_decimals": listing.price_decimals,
        "cost_decimals": listing.price_decimals,
        "lot_decimals": listing.size_decimals,
        "lot_multiplier": 1,
        "ordermin": step_text(listing.size_decimals),
        "tick_size": step_text(listing.price_decimals),
        "status": "online",
    }


def _trade(listing: Listing, traded: PastTrade) -> list[Any]:
    seconds, micros = divmod(traded.time // 1_000, 1_000_000)
    side = "b" if traded.maker_sells else "s"
    price, size = listing.price_text(traded.price), listing.size_text(traded.size)
    return [price, size, number(f"{seconds}.{micros:06d}"), side, "m", "", traded.trade_id]


def _bar(listing: Listing, bar: MinuteBar) -> list[Any]:
    prices = [listing.price_text(ticks) for ticks in (bar.open, bar.high, bar.low, bar.close)]
    vwap = listing.price_text(bar.value // bar.volume if bar.volume else 0)
    return [bar.start, *prices, vwap, listing.size_text(bar.volume), bar.trades]
