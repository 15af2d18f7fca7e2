"""BitMEX's WebSocket tables, spoken by the simulated venue.

Pure: `Session` turns what a client says into answers, `Feed` turns what the market did into frames. Facts are those
of https://www.bitmex.com/app/wsAPI. Nothing here is shared with the connector that reads it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from itertools import pairwise
from typing import Final

import msgspec

from fulltape.clock import SECOND_NS
from fulltape.sim import base
from fulltape.sim import bitmex_wire as wire
from fulltape.sim.base import Framed, Topic
from fulltape.sim.contracts import Contract, contracts_on
from fulltape.sim.events import Event, Trade
from fulltape.sim.history import MinuteBar, PastTrade, fill_up, roll_up
from fulltape.sim.market import Market
from fulltape.sim.texts import directions
from fulltape.sim.told import ALL_LEVELS, Digest, ToldBooks, Tops

BINS: Final = {"1m": 60, "5m": 300, "1h": 3_600, "1d": 86_400}
_BOOKS: Final = {"orderBookL2": ALL_LEVELS, "orderBookL2_25": 25}
_BIN_TABLES: Final = {f"tradeBin{name}": length for name, length in BINS.items()}
_TABLES: Final = frozenset({"trade", "quote", "instrument", *_BOOKS, *_BIN_TABLES})
_MOST_ARGS: Final = 20
_MOST_BINS: Final = 100_000
_UNKNOWN_SYMBOL: Final = (
    "Unknown or expired symbol: {}. Please see the documentation at https://www.bitmex.com/app/wsAPI."
)


class _Request(msgspec.Struct, frozen=True):
    op: str
    args: list[str] | str = []


_decode_request = msgspec.json.Decoder(_Request).decode


class Session(base.Session):
    """What one connection is subscribed to: each topic is confirmed by itself, a bad one spoils its whole request."""

    def __init__(self, feed: Feed, connected_ns: int) -> None:
        super().__init__()
        self._feed = feed
        self._connected_ns = connected_ns

    def greet(self) -> list[bytes]:
        """Return what a new connection is sent unasked."""
        return [wire.welcome(self._connected_ns)]

    def answer(self, payload: bytes) -> list[bytes]:
        """Return the frames that answer a client's message; each confirmation is followed by the table."""
        if payload == b"ping":
            return [b"pong"]
        try:
            request = _decode_request(payload)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return [wire.error(400, "Unrecognized request.", payload[:200].decode(errors="replace"))]
        if request.op not in {"subscribe", "unsubscribe"}:
            return [wire.error(400, f"Unknown or invalid operation: {request.op}", request)]
        names = [request.args] if isinstance(request.args, str) else request.args
        if problem := self._problem(names):
            return [wire.error(400, problem, request)]
        return [frame for name in names for frame in self._change(name, request)]

    def _problem(self, names: Sequence[str]) -> str:
        """Return what is wrong with a request's topics, or nothing."""
        if len(names) > _MOST_ARGS:
            return f"Too many args sent. Max length is {_MOST_ARGS}."
        for table, _, symbol in (name.partition(":") for name in names):
            if table not in _TABLES:
                return f"Unknown table: {table}"
            if symbol and symbol not in self._feed.contracts:
                return _UNKNOWN_SYMBOL.format(symbol)
        return ""

    def _change(self, name: str, request: _Request) -> list[bytes]:
        table, _, symbol = name.partition(":")
        topics = [(table, one) for one in ([symbol] if symbol else self._feed.contracts)]
        confirmed = wire.confirmation(request.op, name, request)
        if request.op == "unsubscribe":
            self.topics.difference_update(topics)
            return [confirmed]
        new = [topic for topic in topics if topic not in self.topics]
        self.topics.update(new)
        return [confirmed, *(self._feed.first_frame(topic) for topic in new)]


class Feed:
    """Turns a market's events into frames, each built once for however many clients."""

    def __init__(self, market: Market) -> None:
        self.contracts = {contract.symbol: contract for contract in contracts_on(market.listings)}
        self._market = market
        self._books = ToldBooks(market)
        self._second = market.now_ns // SECOND_NS
        self._tops = Tops(market)

    def frames(self, events: Iterable[Event], wanted: Set[Topic]) -> list[Framed]:
        """Return the frames that somebody wants, in order: what happened, then what the clock calls for."""
        self._books.keep(wanted)
        digest = Digest(events)
        tops = self._tops.moved(digest.changed)
        out: list[Framed] = []
        for symbol, contract in self.contracts.items():
            if (topic := ("trade", symbol)) in wanted and contract.product in digest.trades:
                rows = self._trades(contract, digest.trades[contract.product])
                out.append((topic, wire.rows("trade", "insert", rows)))
            if (topic := ("quote", symbol)) in wanted and contract.product in tops:
                row = wire.quote(contract, self._market.quote(contract.product))
                out.append((topic, wire.rows("quote", "insert", [row])))
            if contract.product in digest.changed:
                out += self._book_frames(contract, wanted)
        return out + self._timed(wanted)

    def first_frame(self, topic: Topic) -> bytes:
        """Return the table as a new subscriber of a topic gets it."""
        table, symbol = topic
        contract = self.contracts[symbol]
        return wire.partial(table, symbol, self._rows(topic, contract))

    def _rows(self, topic: Topic, contract: Contract) -> list[wire.Row]:
        table, product = topic[0], contract.product
        if table in _BOOKS:
            return wire.levels(contract, self._books.open(topic, product, _BOOKS[table], tells_leaving=True))
        if table == "quote":
            return [wire.quote(contract, self._market.quote(product))]
        last = self._market.last_trade(product)
        if last is None:
            return []
        if table == "trade":
            return self._trades(contract, [last])
        if table == "instrument":
            day = self._market.day(product)
            return [wire.instrument(contract, self._market.quote(product), last.price, day)]
        length = _BIN_TABLES[table]
        return self._bin(contract, self._second // length * length, length)

    def _trades(self, contract: Contract, trades: Sequence[Trade]) -> list[wire.Row]:
        before = self._market.trades(contract.product, trades[0].trade_id, 1)
        known: Sequence[Trade | PastTrade] = before or trades
        moves = directions([known[0].price, *(traded.price for traded in trades)])
        return [wire.trade(contract, traded, move) for traded, move in zip(trades, moves, strict=True)]

    def _book_frames(self, contract: Contract, wanted: Set[Topic]) -> list[Framed]:
        out: list[Framed] = []
        for table in _BOOKS:
            if (topic := (table, contract.symbol)) in wanted:
                _, book, news = self._books.tell(topic, contract.product)
                changes = wire.level_changes(contract, news, book.time)
                out += [(topic, wire.rows(table, action, rows)) for action, rows in changes.items()]
        return out

    def _timed(self, wanted: Set[Topic]) -> list[Framed]:
        before, self._second = self._second, self._market.now_ns // SECOND_NS
        out: list[Framed] = []
        if before == self._second:
            return out
        for symbol, contract in self.contracts.items():
            last = self._market.last_trade(contract.product)
            if (topic := ("instrument", symbol)) in wanted and last is not None:
                row = wire.prices(contract, self._market.quote(contract.product), last.price)
                out.append((topic, wire.rows("instrument", "update", [row])))
            for table, length in _BIN_TABLES.items():
                end = self._second // length * length
                if before < end and (topic := (table, symbol)) in wanted:
                    out.append((topic, wire.rows(table, "insert", self._bin(contract, end, length))))
        return out

    def _bin(self, contract: Contract, end_s: int, length: int) -> list[wire.Row]:
        bars = bars_before(self._market, contract.product, length, end_s, end_s)
        return [wire.trade_bin(contract, bar, before, end_s) for before, bar in bars]


def bars_before(
    market: Market, product: int, length_s: int, first_end_s: int, last_end_s: int
) -> list[tuple[int, MinuteBar]]:
    """Return the bars that end from one time to another, oldest first, each with the price before it.

    Where nobody traded a bar is flat, unless nothing is known before it.
    """
    start = max(first_end_s, last_end_s - _MOST_BINS * length_s) - 2 * length_s
    made = roll_up(market.bars(product, start, last_end_s), length_s)[::-1]
    bars = fill_up(made, length_s, last_end_s)
    pairs = [(before.close, bar) for before, bar in pairwise(bars)]
    return [(before, bar) for before, bar in pairs if bar.start + length_s >= first_end_s]
