"""Coinbase Exchange's REST interface, spoken by the simulated venue. Pure: a path and a query in, an answer out.

Facts are those of https://docs.cdp.coinbase.com/exchange/reference.
"""

from __future__ import annotations

from collections.abc import Mapping

from fulltape.clock import SECOND_NS, format_rfc3339, parse_rfc3339
from fulltape.sim.base import Reply, Rest
from fulltape.sim.coinbase_wire import encode, micros_text, product
from fulltape.sim.history import MINUTE_S, MinuteBar, roll_up
from fulltape.sim.instruments import Listing
from fulltape.sim.market import Market

GRANULARITIES = (60, 300, 900, 3_600, 21_600, 86_400)
MOST_TRADES = 1_000
MOST_CANDLES = 300
_DEFAULT_CANDLES = 350
_NEWEST = 1 << 62


class _RefusedError(Exception):
    """A request answered with a status and ``{"message": ...}``."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class CoinbaseRest(Rest):
    """Answers GET requests from a market."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._products = {listing.symbol: i for i, listing in enumerate(market.listings)}

    def get(self, path: str, query: Mapping[str, str]) -> Reply:
        """Answer one request; whatever is asked, this returns an answer."""
        try:
            return self._route([part for part in path.split("/") if part], query)
        except _RefusedError as refused:
            return Reply(refused.status, encode({"message": str(refused)}))

    def _route(self, parts: list[str], query: Mapping[str, str]) -> Reply:
        match parts:
            case ["time"]:
                now = self._market.now_ns
                return _ok({"iso": f"{format_rfc3339(now)[:23]}Z", "epoch": now // 1_000_000 / 1_000})
            case ["products"]:
                return _ok([_product(listing) for listing in self._market.listings])
            case ["products", symbol, *rest] if symbol in self._products:
                return self._product(self._products[symbol], rest, query)
        raise _RefusedError(404, "NotFound")

    def _product(self, index: int, rest: list[str], query: Mapping[str, str]) -> Reply:
        match rest:
            case []:
                return _ok(_product(self._market.listings[index]))
            case ["trades"]:
                return self._trades(index, query)
            case ["candles"]:
                return self._candles(index, query)
            case ["book"]:
                return self._book(index, query)
            case ["ticker"]:
                return self._ticker(index)
            case ["stats"]:
                return self._stats(index)
        raise _RefusedError(404, "NotFound")

    def _trades(self, index: int, query: Mapping[str, str]) -> Reply:
        """Newest first. ``before`` gives the newest trades above an id, not the ones next to it."""
        listing = self._market.listings[index]
        limit = min(_whole(query, "limit", MOST_TRADES), MOST_TRADES)
        above = _whole(query, "before", 0)
        page = self._market.trades(index, _whole(query, "after", _NEWEST), limit)
        trades = [trade for trade in page if trade.trade_id > above]
        rows = [
            {
                "trade_id": trade.trade_id,
                "side": "sell" if trade.maker_sells else "buy",
                "size": listing.size_text(trade.size),
                "price": listing.price_text(trade.price),
                "time": micros_text(trade.time),
            }
            for trade in trades
        ]
        if not trades:
            return _ok(rows)
        return _ok(rows, ("CB-BEFORE", str(trades[0].trade_id)), ("CB-AFTER", str(trades[-1].trade_id)))

    def _candles(self, index: int, query: Mapping[str, str]) -> Reply:
        granularity = _whole(query, "granularity", MINUTE_S)
        if granularity not in GRANULARITIES:
            raise _RefusedError(400, "Unsupported granularity")
        newest = self._market.now_ns // SECOND_NS // granularity * granularity
        if "start" in query and "end" in query:
            start, end = _time(query["start"]), _time(query["end"])
            if start > end:
                raise _RefusedError(400, "start must be before end")
            if (end - start) / granularity > MOST_CANDLES:
                raise _RefusedError(
                    400,
                    "granularity too small for the requested time range. "
                    f"Count of aggregations requested exceeds {MOST_CANDLES}",
                )
            first, last = -(-start // granularity) * granularity, end // granularity * granularity
        else:  # one bound alone is ignored
            first, last = newest - (_DEFAULT_CANDLES - 1) * granularity, newest
        bars = self._market.bars(index, first, last + granularity)
        return _ok(_rows(roll_up(bars, granularity), self._market.listings[index]))

    def _book(self, index: int, query: Mapping[str, str]) -> Reply:
        level = _whole(query, "level", 1)
        if level not in {1, 2}:
            raise _RefusedError(400, "Invalid level")
        listing, book = self._market.listings[index], self._market.book(index)
        bids, asks = (
            [
                [listing.price_text(price), listing.size_text(size), 1]
                for price, size in (levels[:1] if level == 1 else levels)
            ]
            for levels in (book.bids, book.asks)
        )
        answer = {"bids": bids, "asks": asks, "sequence": book.sequence, "auction_mode": False, "auction": None}
        return _ok(answer | {"time": format_rfc3339(book.time)})

    def _ticker(self, index: int) -> Reply:
        listing, quote = self._market.listings[index], self._market.quote(index)
        trade, day = self._market.last_trade(index), self._market.day(index)
        if trade is None or day is None:
            raise _RefusedError(404, "NotFound")
        return _ok(
            {
                "ask": listing.price_text(quote.ask),
                "bid": listing.price_text(quote.bid),
                "volume": listing.size_text(day.volume),
                "trade_id": trade.trade_id,
                "price": listing.price_text(trade.price),
                "size": listing.size_text(trade.size),
                "time": format_rfc3339(trade.time),
                "rfq_volume": "0",
            }
        )

    def _stats(self, index: int) -> Reply:
        listing, trade, day = self._market.listings[index], self._market.last_trade(index), self._market.day(index)
        if trade is None or day is None:
            raise _RefusedError(404, "NotFound")
        prices = {"open": day.open, "high": day.high, "low": day.low, "last": trade.price}
        volumes = {"volume": day.volume, "volume_30day": day.volume_30d}
        return _ok(
            {name: listing.price_text(ticks) for name, ticks in prices.items()}
            | {name: listing.size_text(lots) for name, lots in volumes.items()}
        )


def _ok(answer: object, *headers: tuple[str, str]) -> Reply:
    return Reply(200, encode(answer), headers)


def _product(listing: Listing) -> dict[str, object]:
    return product(listing) | {
        "margin_enabled": False,
        "trading_disabled": False,
        "max_slippage_percentage": "0.02000000",
        "auction_mode": False,
        "high_bid_limit_percentage": "",
    }


def _rows(bars: list[MinuteBar], listing: Listing) -> list[list[float]]:
    """Return ``[time, low, high, open, close, volume]`` of each bar: numbers, and low before high."""
    price, size = 10**listing.price_decimals, 10**listing.size_decimals
    return [[b.start, b.low / price, b.high / price, b.open / price, b.close / price, b.volume / size] for b in bars]


def _whole(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise _RefusedError(400, f"{name} must be a whole number")
    return int(text)


def _time(text: str) -> int:
    """Return the second of an ISO 8601 time or of unix seconds."""
    if text.isascii() and text.isdigit() and len(text) < 12:
        return int(text)
    for zone in ("", "Z"):
        try:
            return parse_rfc3339(text + zone) // SECOND_NS
        except ValueError:
            continue
    raise _RefusedError(400, "Invalid time")
