"""BitMEX's public REST interface, spoken by the simulated venue. Pure: a path and a query in, an answer out.

Facts are those of https://www.bitmex.com/api/explorer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from fulltape.clock import SECOND_NS
from fulltape.sim import bitmex_wire as wire
from fulltape.sim.base import Reply, Rest
from fulltape.sim.bitmex import BINS, bars_before
from fulltape.sim.contracts import Contract, contracts_on
from fulltape.sim.events import Book
from fulltape.sim.history import PastTrade
from fulltape.sim.market import Market
from fulltape.sim.queries import moment, whole
from fulltape.sim.texts import directions

MOST_ROWS: Final = 1_000
_DEFAULT_ROWS: Final = 100
_DEFAULT_DEPTH: Final = 25
_NEWEST: Final = 1 << 62
_ROOT: Final = "/api/v1"


class _RefusedError(Exception):
    """A request answered with a status, a message and the name of the error."""

    def __init__(self, status: int, message: str, name: str = "HTTPError") -> None:
        super().__init__(message)
        self.status = status
        self.name = name


class BitmexRest(Rest):
    """Answers GET requests from a market."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._contracts = {contract.symbol: contract for contract in contracts_on(market.listings)}
        self._routes: Mapping[str, Callable[[Mapping[str, str]], list[wire.Row]]] = {
            f"{_ROOT}/instrument": self._instruments,
            f"{_ROOT}/instrument/active": self._instruments,
            f"{_ROOT}/trade": self._trades,
            f"{_ROOT}/trade/bucketed": self._bins,
            f"{_ROOT}/orderBook/L2": self._book,
        }

    def get(self, path: str, query: Mapping[str, str]) -> Reply:
        """Answer one request; whatever is asked, this returns an answer."""
        try:
            if path not in self._routes:
                raise _RefusedError(404, "Not Found")
            return Reply(200, wire.encode(self._routes[path](query)))
        except _RefusedError as refused:
            return _refusal(refused.status, str(refused), refused.name)
        except ValueError as invalid:
            return _refusal(400, str(invalid), "ValidationError")

    def _chosen(self, query: Mapping[str, str]) -> list[Contract]:
        symbol = query.get("symbol", "")
        return [one for one in self._contracts.values() if symbol in ("", one.symbol)]

    def _contract(self, query: Mapping[str, str]) -> Contract:
        if "symbol" not in query:
            raise _RefusedError(400, "'symbol' is a required arg.", "HTTPError")
        if query["symbol"] not in self._contracts:
            raise _RefusedError(400, "Unknown symbol", "HTTPError")
        return self._contracts[query["symbol"]]

    def _instruments(self, query: Mapping[str, str]) -> list[wire.Row]:
        rows = []
        for contract in self._chosen(query):
            quote, day = self._market.quote(contract.product), self._market.day(contract.product)
            last = self._market.last_trade(contract.product)
            rows.append(wire.instrument(contract, quote, last.price if last else quote.bid, day))
        return rows

    def _trades(self, query: Mapping[str, str]) -> list[wire.Row]:
        """Oldest first, newest first if ``reverse``; ``startTime`` and ``endTime`` include their milliseconds."""
        contract, count, skipped = self._contract(query), _count(query), whole(query, "start", 0)
        product = contract.product
        first, after = 0, self._market.last_id(product) + 1
        if start := moment(query, "startTime", 0):
            first = self._market.first_id_after(product, start - 1)
        if end := moment(query, "endTime", 0):
            after = self._market.first_id_after(product, end // 1_000_000 * 1_000_000 + 999_999)
        if _is_reversed(query):
            return self._rows(contract, after - skipped, min(count, after - skipped - first))[::-1]
        first = max(first, self._market.first_id_after(product, 0)) + skipped
        return self._rows(contract, min(first + count, after), min(count, after - first))

    def _rows(self, contract: Contract, after: int, count: int) -> list[wire.Row]:
        """Return the ``count`` trades before an id, oldest first."""
        if count <= 0:
            return []
        page = self._market.trades(contract.product, after, count + 1)[::-1]
        shown: Sequence[PastTrade] = page[-count:]
        moves = directions([traded.price for traded in (page if len(page) > count else (page[:1] + page))])
        return [wire.trade(contract, traded, move) for traded, move in zip(shown, moves, strict=True)]

    def _bins(self, query: Mapping[str, str]) -> list[wire.Row]:
        """Bars by their ends, both bounds included; the one that is being made is left out."""
        contract, count, skipped = self._contract(query), _count(query), whole(query, "start", 0)
        name = query.get("binSize", "1m")
        if name not in BINS:
            raise _RefusedError(400, f"Invalid binSize: {name}", "HTTPError")
        length, now = BINS[name], self._market.now_ns
        last_end = min(moment(query, "endTime", now), now) // SECOND_NS // length * length
        first_end = -(-moment(query, "startTime", 0) // (SECOND_NS * length)) * length
        bars = bars_before(self._market, contract.product, length, first_end, last_end)
        rows = [wire.trade_bin(contract, bar, before, bar.start + length) for before, bar in bars]
        rows = rows[::-1] if _is_reversed(query) else rows
        return rows[skipped : skipped + count]

    def _book(self, query: Mapping[str, str]) -> list[wire.Row]:
        contract, depth = self._contract(query), whole(query, "depth", _DEFAULT_DEPTH) or None
        book = self._market.book(contract.product)
        return wire.levels(contract, Book(book.sequence, book.time, book.bids[:depth], book.asks[:depth]))


def _count(query: Mapping[str, str]) -> int:
    count = whole(query, "count", _DEFAULT_ROWS)
    if count > MOST_ROWS:
        raise ValueError(f"count must be {MOST_ROWS} or less")
    return count


def _is_reversed(query: Mapping[str, str]) -> bool:
    return query.get("reverse", "false").lower() == "true"


def _refusal(status: int, message: str, name: str) -> Reply:
    return Reply(status, wire.encode({"error": {"message": message, "name": name}}))
