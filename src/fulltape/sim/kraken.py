"""Kraken's WebSocket v2 protocol, spoken by the simulated venue.

Pure: `Session` turns what a client says into answers, `Feed` turns what the market did into frames. Facts are those
of https://docs.kraken.com/api/docs/websocket-v2/. Nothing here is shared with the connector that reads it.
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from typing import Final

import msgspec

from fulltape.clock import SECOND_NS
from fulltape.sim import base
from fulltape.sim import kraken_wire as wire
from fulltape.sim.base import Framed, Topic
from fulltape.sim.events import Event
from fulltape.sim.history import MINUTE_S, MinuteBar, roll_up
from fulltape.sim.market import Market
from fulltape.sim.texts import micros_text
from fulltape.sim.told import Digest, ToldBooks, Tops

DEPTHS: Final = (10, 25, 100, 500, 1_000)
INTERVALS: Final = (1, 5, 15, 30, 60, 240, 1_440, 10_080, 21_600)
_TRIGGERS: Final = ("trades", "bbo")
_SNAPSHOT_TRADES: Final = 50
_SNAPSHOT_BARS: Final = 10
_NEWEST: Final = 1 << 62
_ALIVE: Final[Topic] = ("heartbeat", "")


class _Params(msgspec.Struct, frozen=True):
    channel: str = ""
    symbol: list[str] | None = None
    depth: int = 10
    interval: int = 1
    event_trigger: str = "trades"
    snapshot: bool | None = None


class _Request(msgspec.Struct, frozen=True):
    method: str
    params: _Params = _Params()
    req_id: int | None = None


_decode_request = msgspec.json.Decoder(_Request).decode


class Session(base.Session):
    """What one connection is subscribed to; each instrument is confirmed, or refused, by itself."""

    def __init__(self, feed: Feed, connected_ns: int) -> None:
        super().__init__()
        self._feed = feed
        self._connected_ns = connected_ns

    def greet(self) -> list[bytes]:
        """Return what a new connection is sent unasked."""
        return [wire.status(self._connected_ns)]

    def answer(self, payload: bytes) -> list[bytes]:
        """Return the frames that answer a client's message, snapshots after the confirmations."""
        try:
            request = _decode_request(payload)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return [self._reply(_Request(""), error="Malformed request")]
        match request.method:
            case "ping":
                return [self._reply(request, method="pong")]
            case "subscribe" | "unsubscribe":
                return self._change(request)
            case method:
                return [self._reply(request, error=f"Unsupported method {method}")]

    def _change(self, request: _Request) -> list[bytes]:
        asked, is_on = request.params, request.method == "subscribe"
        problem = _problem(asked)
        if problem:
            return [self._reply(request, error=problem)]
        replies, first = [], []
        for symbol in [""] if asked.channel == "instrument" else asked.symbol or []:
            topic = _topic(asked, symbol)
            if symbol and symbol not in self._feed.symbols:
                replies.append(self._reply(request, error=f"Currency pair not supported {symbol}", symbol=symbol))
            elif (topic in self.topics) is is_on:
                words = "Already subscribed" if is_on else "Subscription not found"
                replies.append(self._reply(request, error=words, symbol=symbol))
            else:
                replies.append(self._reply(request, result=_result(asked, symbol)))
                first += self._turn(topic, asked, is_on)
        return replies + first

    def _turn(self, topic: Topic, asked: _Params, is_on: bool) -> list[bytes]:
        """Subscribe a topic, or end it, and return its first data."""
        if not is_on:
            self.topics.discard(topic)
            return []
        self.topics |= {topic, _ALIVE}
        frames = self._feed.first_frames(topic)
        return frames if _wants_snapshot(asked) else []

    def _reply(
        self,
        request: _Request,
        *,
        method: str = "",
        result: dict[str, object] | None = None,
        error: str = "",
        symbol: str = "",
    ) -> bytes:
        now = micros_text(self._feed.now_ns)
        reply: dict[str, object] = {"method": method or request.method}
        if result is not None:
            reply |= {"result": result, "success": True}
        elif error:
            reply |= {"error": error, "success": False}
        reply |= {"symbol": symbol} if symbol and error else {}
        reply |= {"time_in": now, "time_out": now}
        return wire.encode(reply if request.req_id is None else reply | {"req_id": request.req_id})


def _problem(asked: _Params) -> str:
    """Return what is wrong with the parameters of a subscription, or nothing."""
    match asked.channel:
        case "book" if asked.depth not in DEPTHS:
            return "Subscription depth not supported"
        case "ohlc" if asked.interval not in INTERVALS:
            return "Subscription ohlc interval not supported"
        case "ticker" if asked.event_trigger not in _TRIGGERS:
            return f"Event trigger not supported {asked.event_trigger}"
        case "trade" | "ticker" | "book" | "ohlc" if not asked.symbol:
            return "Symbol(s) missing"
        case "trade" | "ticker" | "book" | "ohlc" | "instrument":
            return ""
        case channel:
            return f"Channel not supported {channel}"


def _topic(asked: _Params, symbol: str) -> Topic:
    details = {"book": f"/{asked.depth}", "ohlc": f"/{asked.interval}", "ticker": f"/{asked.event_trigger}"}
    return (f"{asked.channel}{details.get(asked.channel, '')}", symbol)


def _wants_snapshot(asked: _Params) -> bool:
    return asked.channel != "trade" if asked.snapshot is None else asked.snapshot


def _result(asked: _Params, symbol: str) -> dict[str, object]:
    result: dict[str, object] = {"channel": asked.channel, "snapshot": _wants_snapshot(asked)}
    result |= {"symbol": symbol} if symbol else {}
    match asked.channel:
        case "book":
            result["depth"] = asked.depth
        case "ohlc":
            result["interval"] = asked.interval
        case "ticker":
            result["event_trigger"] = asked.event_trigger
    return result


class Feed:
    """Turns a market's events into frames, each built once for however many clients."""

    def __init__(self, market: Market) -> None:
        self.symbols = {wire.symbol_of(listing): i for i, listing in enumerate(market.listings)}
        self._market = market
        self._books = ToldBooks(market)
        self._tops = Tops(market)
        self._second = market.now_ns // SECOND_NS

    @property
    def now_ns(self) -> int:
        """The venue's clock."""
        return self._market.now_ns

    def frames(self, events: Iterable[Event], wanted: Set[Topic]) -> list[Framed]:
        """Return the frames that somebody wants, in order: what happened, then what the clock calls for."""
        self._books.keep(wanted)
        digest = Digest(events)
        tops = self._tops.moved(digest.changed)
        out: list[Framed] = []
        for symbol, product in self.symbols.items():
            out += self._trade_frames(digest, product, symbol, wanted)
            if product in digest.changed:
                out += self._book_frames(product, symbol, wanted)
            if product in tops and (topic := ("ticker/bbo", symbol)) in wanted:
                out.append((topic, wire.data("ticker", "update", self._tickers(product))))
        second = self._market.now_ns // SECOND_NS
        if second != self._second and _ALIVE in wanted:
            out.append((_ALIVE, wire.HEARTBEAT))
        self._second = second
        return out

    def first_frames(self, topic: Topic) -> list[bytes]:
        """Return what a new subscriber of a topic gets at once, if it wants a snapshot."""
        name, symbol = topic
        channel, _, detail = name.partition("/")
        if channel == "instrument":
            return [wire.data(channel, "snapshot", wire.instruments(self._market.listings))]
        product = self.symbols[symbol]
        listing = self._market.listings[product]
        match channel:
            case "book":
                book = self._books.open(topic, product, int(detail))
                rows = [wire.snapshot(listing, book)]
            case "trade":
                past = self._market.trades(product, _NEWEST, _SNAPSHOT_TRADES)
                rows = [wire.trade(listing, traded) for traded in reversed(past)]
            case "ohlc":
                rows = self._bars(product, int(detail), _SNAPSHOT_BARS)
            case _:
                rows = self._tickers(product)
        return [wire.data(channel, "snapshot", rows)] if rows else []

    def _trade_frames(self, digest: Digest, product: int, symbol: str, wanted: Set[Topic]) -> list[Framed]:
        trades = digest.trades.get(product)
        if not trades:
            return []
        out: list[Framed] = []
        listing = self._market.listings[product]
        if (topic := ("trade", symbol)) in wanted:
            out.append((topic, wire.data("trade", "update", [wire.trade(listing, traded) for traded in trades])))
        for interval in INTERVALS:
            if (topic := (f"ohlc/{interval}", symbol)) in wanted:
                out.append((topic, wire.data("ohlc", "update", self._bars(product, interval, 1))))
        if (topic := ("ticker/trades", symbol)) in wanted:
            out.append((topic, wire.data("ticker", "update", self._tickers(product))))
        return out

    def _book_frames(self, product: int, symbol: str, wanted: Set[Topic]) -> list[Framed]:
        out: list[Framed] = []
        listing = self._market.listings[product]
        for depth in DEPTHS:
            if (topic := (f"book/{depth}", symbol)) in wanted:
                _, book, news = self._books.tell(topic, product)
                if news:
                    out.append((topic, wire.data("book", "update", [wire.changes(listing, book, news)])))
        return out

    def _tickers(self, product: int) -> list[dict[str, object]]:
        trade, day = self._market.last_trade(product), self._market.day(product)
        if trade is None or day is None:
            return []
        return [wire.ticker(self._market.listings[product], self._market.quote(product), trade.price, day)]

    def _bars(self, product: int, interval: int, most: int) -> list[dict[str, object]]:
        """Return the newest bars, oldest first; the last one is still being made."""
        listing = self._market.listings[product]
        return [wire.bar(listing, made, interval) for made in newest_bars(self._market, product, interval, most)]


def newest_bars(market: Market, product: int, interval: int, most: int) -> list[MinuteBar]:
    """Return at most ``most`` bars of ``interval`` minutes up to now, oldest first."""
    length = interval * MINUTE_S
    now = market.now_ns // SECOND_NS
    first = (now // length - most + 1) * length
    return roll_up(market.bars(product, first, now + length), length)[::-1]
