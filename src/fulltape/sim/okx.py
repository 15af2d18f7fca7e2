"""OKX's v5 WebSocket protocol, spoken by the simulated venue.

Pure: `Session` turns what a client says into answers, `Feed` turns what the market did into frames. Facts are those
of https://www.okx.com/docs-v5/en/#overview-websocket. Nothing here is shared with the connector that reads it.
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from typing import Final

import msgspec

from fulltape.clock import SECOND_NS
from fulltape.sim import base
from fulltape.sim import okx_wire as wire
from fulltape.sim.base import Framed, Topic
from fulltape.sim.events import Event
from fulltape.sim.history import MINUTE_S
from fulltape.sim.market import Market
from fulltape.sim.told import Digest, ToldBooks, Tops

PUBLIC: Final = "/ws/v5/public"
BUSINESS: Final = "/ws/v5/business"
SILENCE_NS: Final = 30 * SECOND_NS
BATCH_NS: Final = 100_000_000
CHANNELS: Final = {
    PUBLIC: frozenset({"trades", "tickers", "books", "books5", "bbo-tbt", "instruments"}),
    BUSINESS: frozenset({"trades-all", "candle1m"}),
}
_NO_CHANNEL: Final = (
    "Wrong URL or channel:{channel},instId:{symbol} doesn't exist. "
    "Please use the correct URL, channel and parameters referring to API document."
)


class _Arg(msgspec.Struct, frozen=True, rename="camel"):
    channel: str = ""
    inst_id: str = ""
    inst_type: str = ""


class _Request(msgspec.Struct, frozen=True):
    op: str
    args: list[_Arg]


_decode_request = msgspec.json.Decoder(_Request).decode


class Session(base.Session):
    """What one connection is subscribed to; each pair of channel and instrument is confirmed, or refused, by itself."""

    def __init__(self, feed: Feed, connected_ns: int, channels: Set[str]) -> None:
        super().__init__()
        self._feed = feed
        self._channels = channels
        self._connection = f"{connected_ns % (1 << 32):08x}"
        self._heard_ns = connected_ns

    def is_overdue(self, now_ns: int) -> bool:
        """Return whether nothing was subscribed and nothing was said for 30 s."""
        return not self.topics and now_ns - self._heard_ns > SILENCE_NS

    def answer(self, payload: bytes) -> list[bytes]:
        """Return the frames that answer a client's message; first data follows each confirmation."""
        self._heard_ns = self._feed.now_ns
        if payload == b"ping":
            return [b"pong"]
        try:
            request = _decode_request(payload)
        except (msgspec.DecodeError, UnicodeDecodeError):
            words = payload[:200].decode(errors="replace")
            return [wire.error("60012", f"Invalid request: {words}", self._connection)]
        if request.op not in {"subscribe", "unsubscribe"}:
            return [wire.error("60012", f"Invalid request: {request.op}", self._connection)]
        return [frame for arg in request.args for frame in self._change(request.op, arg)]

    def _change(self, operation: str, arg: _Arg) -> list[bytes]:
        symbol = arg.inst_type if arg.channel == "instruments" else arg.inst_id
        if arg.channel not in self._channels or not self._feed.has(arg.channel, symbol):
            words = _NO_CHANNEL.format(channel=arg.channel, symbol=symbol)
            return [wire.error("60018", words, self._connection)]
        topic = (arg.channel, symbol)
        confirmed = wire.event(operation, arg_of(topic), self._connection)
        if operation == "unsubscribe":
            self.topics.discard(topic)
            return [confirmed]
        is_new = topic not in self.topics
        self.topics.add(topic)
        return [confirmed, *(self._feed.first_frames(topic) if is_new else [])]


def arg_of(topic: Topic) -> wire.Arg:
    """Return how the venue names a topic."""
    channel, symbol = topic
    return {"channel": channel, "instType" if channel == "instruments" else "instId": symbol}


class Feed:
    """Turns a market's events into frames, each built once for however many clients."""

    def __init__(self, market: Market) -> None:
        self._symbols = {wire.symbol_of(listing): i for i, listing in enumerate(market.listings)}
        self._market = market
        self._books = ToldBooks(market)
        self._batch = market.now_ns // BATCH_NS
        self._best = Tops(market)
        self._moved: set[int] = set()
        self._minute = market.now_ns // SECOND_NS // MINUTE_S

    @property
    def now_ns(self) -> int:
        """The venue's clock."""
        return self._market.now_ns

    def has(self, channel: str, symbol: str) -> bool:
        """Return whether there is such a thing to subscribe to."""
        return symbol == "SPOT" if channel == "instruments" else symbol in self._symbols

    def frames(self, events: Iterable[Event], wanted: Set[Topic]) -> list[Framed]:
        """Return the frames that somebody wants, in order: what happened, then what comes every 100 ms."""
        self._books.keep(wanted)
        digest = Digest(events)
        self._moved |= digest.changed
        tops = self._best.moved(digest.changed)
        out: list[Framed] = []
        for symbol, product in self._symbols.items():
            out += self._trades(digest, product, symbol, wanted)
            if (topic := ("bbo-tbt", symbol)) in wanted and product in tops:
                out += self._tops(topic, product, 1)
        if self._market.now_ns // BATCH_NS != self._batch:
            self._batch = self._market.now_ns // BATCH_NS
            out += self._finished_candles(wanted)
            for symbol, product in self._symbols.items():
                if product in self._moved:
                    out += self._batched(product, symbol, wanted)
            self._moved = set()
        return out

    def first_frames(self, topic: Topic) -> list[bytes]:
        """Return what a new subscriber of a topic gets at once."""
        channel, symbol = topic
        if channel == "instruments":
            return [wire.data(arg_of(topic), [wire.instrument(listing) for listing in self._market.listings])]
        product = self._symbols[symbol]
        listing = self._market.listings[product]
        match channel:
            case "books":
                return [
                    wire.data(arg_of(topic), [wire.first_book(listing, self._books.open(topic, product))], "snapshot")
                ]
            case "bbo-tbt" | "books5":
                return [frame for _, frame in self._tops(topic, product, 1 if channel == "bbo-tbt" else 5)]
            case "tickers":
                return [frame for _, frame in self._ticker(topic, product)]
            case "candle1m":
                return [frame for _, frame in self._candle(topic, product)]
        last = self._market.last_trade(product)
        row = wire.merged_trade if channel == "trades" else wire.trade
        return [] if last is None else [wire.data(arg_of(topic), [row(listing, last)])]

    def _trades(self, digest: Digest, product: int, symbol: str, wanted: Set[Topic]) -> list[Framed]:
        listing = self._market.listings[product]
        out: list[Framed] = []
        for traded in digest.trades.get(product, ()):
            if (topic := ("trades", symbol)) in wanted:
                out.append((topic, wire.data(arg_of(topic), [wire.merged_trade(listing, traded)])))
            if (topic := ("trades-all", symbol)) in wanted:
                out.append((topic, wire.data(arg_of(topic), [wire.trade(listing, traded)])))
        return out

    def _batched(self, product: int, symbol: str, wanted: Set[Topic]) -> list[Framed]:
        out: list[Framed] = []
        if (topic := ("books", symbol)) in wanted:
            before, now, news = self._books.tell(topic, product)
            row = wire.changes(self._market.listings[product], before.sequence, now, news)
            out.append((topic, wire.data(arg_of(topic), [row], "update")))
        if (topic := ("books5", symbol)) in wanted:
            out += self._tops(topic, product, 5)
        if (topic := ("tickers", symbol)) in wanted:
            out += self._ticker(topic, product)
        if (topic := ("candle1m", symbol)) in wanted:
            out += self._candle(topic, product)
        return out

    def _tops(self, topic: Topic, product: int, depth: int) -> list[Framed]:
        row = wire.book(self._market.listings[product], self._market.book(product), depth)
        return [(topic, wire.data(arg_of(topic), [row]))]

    def _ticker(self, topic: Topic, product: int) -> list[Framed]:
        trade, day = self._market.last_trade(product), self._market.day(product)
        if trade is None or day is None:
            return []
        row = wire.ticker(self._market.listings[product], self._market.quote(product), trade, day)
        return [(topic, wire.data(arg_of(topic), [row]))]

    def _candle(self, topic: Topic, product: int) -> list[Framed]:
        """Return the candle of this minute, if anybody traded in it."""
        start = self._market.now_ns // SECOND_NS // MINUTE_S * MINUTE_S
        return self._candles(topic, product, start, is_final=False)

    def _finished_candles(self, wanted: Set[Topic]) -> list[Framed]:
        minute = self._market.now_ns // SECOND_NS // MINUTE_S
        if minute == self._minute:
            return []
        start, self._minute = self._minute * MINUTE_S, minute
        topics = [(("candle1m", symbol), product) for symbol, product in self._symbols.items()]
        found = [self._candles(topic, product, start, is_final=True) for topic, product in topics if topic in wanted]
        return [framed for one in found for framed in one]

    def _candles(self, topic: Topic, product: int, start: int, *, is_final: bool) -> list[Framed]:
        bars = self._market.bars(product, start, start + MINUTE_S)
        listing = self._market.listings[product]
        return [(topic, wire.data(arg_of(topic), [wire.candle(listing, bar, is_final)])) for bar in bars]
