"""Bybit's v5 public topics, spoken by the simulated venue, for its spot market or its linear contracts.

Pure: `Session` turns what a client says into answers, `Feed` turns what the market did into frames. Facts are those
of https://bybit-exchange.github.io/docs/v5/ws/connect. Nothing here is shared with the connector that reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from typing import Final

import msgspec

from fulltape.clock import SECOND_NS
from fulltape.sim import base
from fulltape.sim import bybit_wire as wire
from fulltape.sim.base import Framed, Topic
from fulltape.sim.events import Book, Event, Trade
from fulltape.sim.history import MINUTE_S, PastTrade
from fulltape.sim.market import Market
from fulltape.sim.texts import directions
from fulltape.sim.told import Digest, ToldBooks, Tops

PATHS: Final = {wire.SPOT: "/v5/public/spot", wire.LINEAR: "/v5/public/linear"}
BATCH_NS: Final = 100_000_000
_MOST_SPOT_ARGS: Final = 10
_TRADES, _TICKERS, _KLINE, _BEST = "publicTrade", "tickers", "kline.1", "orderbook.1"
_DEPTHS: Final = {"orderbook.50": 50, "orderbook.200": 200}
_TOPICS: Final = frozenset({_TRADES, _TICKERS, _KLINE, _BEST, *_DEPTHS})


class _Request(msgspec.Struct, frozen=True):
    op: str
    args: list[str] = []
    req_id: str = ""


_decode_request = msgspec.json.Decoder(_Request).decode


class Session(base.Session):
    """What one connection is subscribed to. A request with one bad topic is refused whole."""

    def __init__(self, feed: Feed, connected_ns: int) -> None:
        super().__init__()
        self._feed = feed
        self._connection = f"sim-{connected_ns % (1 << 32):08x}"

    def answer(self, payload: bytes) -> list[bytes]:
        """Return the frames that answer a client's message; the confirmation comes before the first data."""
        try:
            request = _decode_request(payload)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return [wire.answer("", "", self._connection, problem="Invalid JSON")]
        match request.op:
            case "ping":
                return [wire.answer("ping", request.req_id, self._connection, words="pong")]
            case "subscribe" | "unsubscribe":
                return self._change(request)
        return [wire.answer(request.op, request.req_id, self._connection, problem=f"unknown op {request.op}")]

    def _change(self, request: _Request) -> list[bytes]:
        problem = self._problem(request.args)
        confirmed = wire.answer(request.op, request.req_id, self._connection, problem=problem)
        if problem:
            return [confirmed]
        topics = [_topic(name) for name in request.args]
        if request.op == "unsubscribe":
            self.topics.difference_update(topics)
            return [confirmed]
        new = [topic for topic in dict.fromkeys(topics) if topic not in self.topics]
        self.topics.update(new)
        return [confirmed, *(frame for topic in new for frame in self._feed.first_frames(topic))]

    def _problem(self, names: Sequence[str]) -> str:
        """Return what is wrong with a request's topics, or nothing."""
        if not names:
            return "args is empty"
        if self._feed.category == wire.SPOT and len(names) > _MOST_SPOT_ARGS:
            return f"args size >{_MOST_SPOT_ARGS}"
        for name in names:
            kind, symbol = _topic(name)
            if kind not in _TOPICS:
                return f"error:handler not found,topic:{name}"
            if symbol not in self._feed.symbols:
                return f"Invalid symbol :[{name}]"
        return ""


def _topic(name: str) -> Topic:
    kind, _, symbol = name.rpartition(".")
    return kind, symbol


class Feed:
    """Turns a market's events into frames, each built once for however many clients."""

    def __init__(self, market: Market, category: str) -> None:
        self.category = category
        self.symbols = {wire.symbol_of(listing): i for i, listing in enumerate(market.listings)}
        self._market = market
        self._books = ToldBooks(market)
        self._tops = Tops(market)
        self._updates: dict[Topic, int] = {}
        self._tickers: dict[Topic, wire.Row] = {}
        self._moved: set[int] = set()
        self._batch, self._second = market.now_ns // BATCH_NS, market.now_ns // SECOND_NS

    def frames(self, events: Iterable[Event], wanted: Set[Topic]) -> list[Framed]:
        """Return the frames that somebody wants, in order: what happened, then what the clock calls for."""
        self._books.keep(wanted)
        self._tickers = {topic: row for topic, row in self._tickers.items() if topic in wanted}
        digest = Digest(events)
        self._moved |= digest.changed
        tops = self._tops.moved(digest.changed)
        out = [*self._each(digest.trades, _TRADES, wanted, lambda topic, product: self._trades(digest, topic, product))]
        out += self._each(tops, _BEST, wanted, self._best)
        if self._market.now_ns // BATCH_NS != self._batch:
            self._batch = self._market.now_ns // BATCH_NS
            moved, self._moved = sorted(self._moved), set()
            for kind in _DEPTHS:
                out += self._each(moved, kind, wanted, self._book_changes)
            out += self._each(moved, _TICKERS, wanted, self._ticker)
        return [*out, *self._klines(wanted)]

    def first_frames(self, topic: Topic) -> list[bytes]:
        """Return what a new subscriber of a topic gets at once."""
        kind, symbol = topic
        product = self.symbols[symbol]
        if kind in _DEPTHS:
            book = self._books.open(topic, product, _DEPTHS[kind], tells_leaving=True)
            return [self._book(topic, product, book, self._update(topic, 0))]
        handlers: Mapping[str, _Handler] = {_BEST: self._best, _TICKERS: self._whole_ticker, _KLINE: self._kline}
        return list(handlers[kind](topic, product)) if kind in handlers else []

    def _each(
        self, products: Iterable[int], kind: str, wanted: Set[Topic], handler: _Handler
    ) -> Iterator[tuple[Topic, bytes]]:
        for product in products:
            topic = (kind, wire.symbol_of(self._market.listings[product]))
            if topic in wanted:
                yield from ((topic, frame) for frame in handler(topic, product))

    def _trades(self, digest: Digest, topic: Topic, product: int) -> Iterator[bytes]:
        trades, listing = digest.trades[product], self._market.listings[product]
        before = self._market.trades(product, trades[0].trade_id, 1)
        known: Sequence[Trade | PastTrade] = before or trades
        moves = directions([known[0].price, *(traded.price for traded in trades)])
        rows = [wire.trade(self.category, listing, *pair) for pair in zip(trades, moves, strict=True)]
        yield self._message(topic, "snapshot", rows)

    def _best(self, topic: Topic, product: int) -> Iterator[bytes]:
        """Yield the best levels: a book of one level always comes whole."""
        book = self._market.book(product)
        best = Book(book.sequence, book.time, book.bids[:1], book.asks[:1])
        yield self._book(topic, product, best, self._update(topic, 1))

    def _book_changes(self, topic: Topic, product: int) -> Iterator[bytes]:
        _, book, news = self._books.tell(topic, product)
        if news:
            row = wire.changes(self._market.listings[product], news, book, self._update(topic, 1))
            yield wire.message(_name(topic), "delta", self._market.now_ns, row, cts=wire.ms(book.time))

    def _book(self, topic: Topic, product: int, book: Book, update: int) -> bytes:
        row = wire.book(self._market.listings[product], book, update)
        return wire.message(_name(topic), "snapshot", self._market.now_ns, row, cts=wire.ms(book.time))

    def _update(self, topic: Topic, step: int) -> int:
        """Return the number of a topic's message, which counts by one; 1 would say that the venue restarted."""
        self._updates[topic] = self._updates.get(topic, 1 << 20) + step
        return self._updates[topic]

    def _whole_ticker(self, topic: Topic, product: int) -> Iterator[bytes]:
        row = self._tickers.get(topic) or self._ticker_row(product)
        if row:
            self._tickers[topic] = row
            yield self._message(topic, "snapshot", row)

    def _ticker(self, topic: Topic, product: int) -> Iterator[bytes]:
        """Yield a ticker that changed: the spot market's whole, of contracts only what changed."""
        before, row = self._tickers.get(topic, {}), self._ticker_row(product)
        changed = {name: value for name, value in row.items() if before.get(name) != value}
        if not changed:
            return
        self._tickers[topic] = row
        if self.category == wire.SPOT or not before:
            yield self._message(topic, "snapshot", row)
        else:
            yield self._message(topic, "delta", {"symbol": row["symbol"]} | changed)

    def _ticker_row(self, product: int) -> wire.Row:
        market = self._market
        last, day = market.last_trade(product), market.day(product)
        if last is None or day is None:
            return {}
        return wire.ticker(self.category, market.listings[product], market.quote(product), last, day)

    def _klines(self, wanted: Set[Topic]) -> Iterator[Framed]:
        before, self._second = self._second, self._market.now_ns // SECOND_NS
        if before == self._second:
            return
        products = self.symbols.values()
        if before // MINUTE_S != self._second // MINUTE_S:
            yield from self._each(products, _KLINE, wanted, self._final_kline)
        yield from self._each(products, _KLINE, wanted, self._kline)

    def _final_kline(self, topic: Topic, product: int) -> Iterator[bytes]:
        return self._bar(topic, product, self._second // MINUTE_S * MINUTE_S - MINUTE_S, is_final=True)

    def _kline(self, topic: Topic, product: int) -> Iterator[bytes]:
        return self._bar(topic, product, self._second // MINUTE_S * MINUTE_S, is_final=False)

    def _bar(self, topic: Topic, product: int, start_s: int, *, is_final: bool) -> Iterator[bytes]:
        market = self._market
        bar = market.minute_bar(product, start_s)
        if bar is not None:
            row = wire.kline(market.listings[product], bar, market.now_ns, is_final=is_final)
            yield self._message(topic, "snapshot", [row])

    def _message(self, topic: Topic, kind: str, data: object) -> bytes:
        return wire.message(_name(topic), kind, self._market.now_ns, data)


_Handler = Callable[[Topic, int], Iterator[bytes]]


def _name(topic: Topic) -> str:
    return ".".join(topic)
