"""Alpaca's crypto stream, spoken by the simulated venue.

Pure: `Session` turns what a client says into answers, `Feed` turns what the market did into frames. Facts are those
of https://docs.alpaca.markets/docs/streaming-market-data. Nothing here is shared with the connector that reads it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Set
from typing import Any, Final

import msgspec

from fulltape.clock import SECOND_NS
from fulltape.sim import alpaca_wire as wire
from fulltape.sim import base
from fulltape.sim.base import Framed, Opening, Topic
from fulltape.sim.events import Event
from fulltape.sim.history import MINUTE_S, MinuteBar, roll_up
from fulltape.sim.market import Market
from fulltape.sim.told import Digest, ToldBooks, Tops

PATH: Final = "/v1beta3/crypto/us"
AUTH_DEADLINE_NS: Final = 10 * SECOND_NS
KEY_HEADERS: Final = ("apca-api-key-id", "apca-api-secret-key")
CHANNELS: Final = ("trades", "quotes", "orderbooks", "bars", "updatedBars", "dailyBars")
ALL: Final = "*"
_BINARY: Final = "application/msgpack"
_ENCODERS: Final = {"": wire.encode_json, "/msgpack": wire.encode_msgpack}
_DAY_S: Final = 86_400
_SYMBOL: Final = re.compile(r"[A-Z0-9]+/[A-Z0-9]+\Z", re.ASCII)


class _Request(msgspec.Struct, frozen=True, rename="camel"):
    action: str
    key: str = ""
    secret: str = ""
    trades: list[str] = []
    quotes: list[str] = []
    orderbooks: list[str] = []
    bars: list[str] = []
    updated_bars: list[str] = []
    daily_bars: list[str] = []

    def symbols(self) -> dict[str, list[str]]:
        """Return the symbols by channel."""
        lists = (self.trades, self.quotes, self.orderbooks, self.bars, self.updated_bars, self.daily_bars)
        return dict(zip(CHANNELS, lists, strict=True))


class Session(base.Session):
    """One connection: it signs on, then subscribes. A key has one connection at a time; whatever it is, it is good."""

    def __init__(self, feed: Feed, opening: Opening) -> None:
        super().__init__()
        self.is_binary = opening.headers.get("content-type") == _BINARY
        self._variant = "/msgpack" if self.is_binary else ""
        self._encode = _ENCODERS[self._variant]
        self._decode: Callable[[bytes], _Request] = (
            msgspec.msgpack.Decoder(_Request).decode if self.is_binary else msgspec.json.Decoder(_Request).decode
        )
        self._feed = feed
        self._deadline_ns = opening.now_ns + AUTH_DEADLINE_NS
        self._given = tuple(opening.headers.get(name, "") for name in KEY_HEADERS)
        self._key = ""
        self._lists: dict[str, list[str]] = {channel: [] for channel in CHANNELS}

    def greet(self) -> list[bytes]:
        """Return what a new connection is sent unasked; keys in the handshake sign on at once."""
        connected = [self._encode([wire.success("connected")])]
        return connected + (self._sign_on(*self._given) if any(self._given) else [])

    def is_overdue(self, now_ns: int) -> bool:
        """Return whether nobody has signed on in 10 s."""
        return not self._key and now_ns > self._deadline_ns

    def farewell(self) -> list[bytes]:
        """Return the venue's words for who has not signed on."""
        return [self._error(404, "auth timeout")]

    def too_slow(self) -> list[bytes]:
        """Return the venue's words for a client that does not read."""
        return [self._error(407, "slow client")]

    def ended(self) -> None:
        """Let another connection have the key."""
        self._feed.keys.discard(self._key)

    def answer(self, payload: bytes) -> list[bytes]:
        """Return the frames that answer a client's message: the whole list of subscriptions, then books."""
        try:
            request = self._decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return [self._error(400, "invalid syntax")]
        match request.action:
            case "auth":
                return self._sign_on(request.key, request.secret)
            case "subscribe" | "unsubscribe" if not self._key:
                return [self._error(401, "not authenticated")]
            case "subscribe" | "unsubscribe":
                return self._change(request)
        return [self._error(400, "invalid syntax")]

    def _sign_on(self, key: str, secret: str) -> list[bytes]:
        if self._key:
            return [self._error(403, "already authenticated")]
        if not (key and secret):
            return [self._error(402, "auth failed")]
        if key in self._feed.keys:
            return [self._error(406, "connection limit exceeded")]
        self._feed.keys.add(key)
        self._key = key
        return [self._encode([wire.success("authenticated")])]

    def _change(self, request: _Request) -> list[bytes]:
        asked = request.symbols()
        if any(symbol != ALL and not _SYMBOL.match(symbol) for symbols in asked.values() for symbol in symbols):
            return [self._error(400, "invalid syntax")]
        for channel, symbols in asked.items():
            own = self._lists[channel]
            kept = own + symbols if request.action == "subscribe" else [one for one in own if one not in symbols]
            self._lists[channel] = list(dict.fromkeys(kept))
        before, self.topics = self.topics, self._topics()
        first = [frame for topic in sorted(self.topics - before) for frame in self._feed.first_frames(topic)]
        listed: dict[str, Any] = {"T": "subscription", **self._lists}
        return [self._encode([listed]), *first]

    def _topics(self) -> set[Topic]:
        return {
            (f"{channel}{self._variant}", symbol)
            for channel, symbols in self._lists.items()
            for symbol in (self._feed.symbols if ALL in symbols else symbols)
        }

    def _error(self, code: int, words: str) -> bytes:
        return self._encode([wire.error(code, words)])


class Feed:
    """Turns a market's events into frames, each built once for each encoding. ``keys`` are those signed on."""

    def __init__(self, market: Market) -> None:
        self.symbols = {wire.symbol_of(listing): i for i, listing in enumerate(market.listings)}
        self.keys: set[str] = set()
        self._market = market
        self._books = ToldBooks(market)
        self._tops = Tops(market)
        self._minute = market.now_ns // SECOND_NS // MINUTE_S

    def frames(self, events: Iterable[Event], wanted: Set[Topic]) -> list[Framed]:
        """Return the frames that somebody wants, in order: what happened, then the bars of a minute that is over."""
        followed = {(name.partition("/")[0], symbol) for name, symbol in wanted}  # one book for both encodings
        self._books.keep(followed)
        digest = Digest(events)
        tops = self._tops.moved(digest.changed)
        out: list[Framed] = []
        for symbol, product in self.symbols.items():
            listing = self._market.listings[product]
            trades = [wire.trade(listing, traded) for traded in digest.trades.get(product, ())]
            out += _framed("trades", "t", symbol, trades, wanted)
            if product not in digest.changed:
                continue
            if product in tops:
                out += _framed("quotes", "q", symbol, [wire.quote(listing, self._market.quote(product))], wanted)
            if (book_topic := ("orderbooks", symbol)) in followed:
                _, book, news = self._books.tell(book_topic, product)
                out += _framed("orderbooks", "o", symbol, [wire.changes(listing, book.time, news)], wanted)
        minute = self._market.now_ns // SECOND_NS // MINUTE_S
        if minute != self._minute:
            self._minute = minute
            out += self._bars(minute * MINUTE_S, wanted)
        return out

    def first_frames(self, topic: Topic) -> list[bytes]:
        """Return what a new subscriber of a topic gets at once: books come whole, everything else as it happens."""
        channel, slash, variant = topic[0].partition("/")
        if channel != "orderbooks" or topic[1] not in self.symbols:
            return []
        product = self.symbols[topic[1]]
        whole = wire.book(self._market.listings[product], self._books.open((channel, topic[1]), product))
        return [_ENCODERS[slash + variant]([wire.typed("o", topic[1], whole)])]

    def _bars(self, end_s: int, wanted: Set[Topic]) -> list[Framed]:
        """Return the minute before ``end_s`` and the day so far; a minute without trades is one of quotes."""
        out: list[Framed] = []
        for symbol, product in self.symbols.items():
            listing, start = self._market.listings[product], end_s - MINUTE_S
            quote = self._market.quote(product)
            middle = (quote.bid + quote.ask) // 2
            quiet = MinuteBar(start, middle, middle, middle, middle, 0)
            minute = next(iter(self._market.bars(product, start, end_s)), quiet)
            out += _framed("bars", "b", symbol, [wire.bar(listing, minute)], wanted)
            day = roll_up(self._market.bars(product, start // _DAY_S * _DAY_S, end_s), _DAY_S)
            out += _framed("dailyBars", "d", symbol, [wire.bar(listing, one) for one in day], wanted)
        return out


def _framed(channel: str, kind: str, symbol: str, rows: list[wire.Message], wanted: Set[Topic]) -> list[Framed]:
    """Return a frame of all rows for each encoding that somebody wants."""
    messages = [wire.typed(kind, symbol, row) for row in rows]
    topics = [((f"{channel}{variant}", symbol), encode) for variant, encode in _ENCODERS.items()] if rows else []
    return [(topic, encode(messages)) for topic, encode in topics if topic in wanted]
