"""Coinbase Exchange's WebSocket protocol, spoken by the simulated venue.

Pure: `Session` turns what a client says into answers, `Feed` turns what the market did into frames. Facts are those
of https://docs.cdp.coinbase.com/exchange/websocket-feed. Nothing here is shared with the connector that reads it.
"""

from __future__ import annotations

from collections.abc import Iterable, Set

import msgspec

from fulltape.clock import SECOND_NS
from fulltape.sim import base
from fulltape.sim import coinbase_wire as wire
from fulltape.sim.base import Framed, Topic
from fulltape.sim.events import AuctionState, Event, LevelChange, Quote, RfqTrade, Trade
from fulltape.sim.market import Market

ALL = "ALL"
SUBSCRIBE_DEADLINE_NS = 5 * SECOND_NS
LEVEL2_BATCH_NS = 50_000_000
TICKER_BATCH_S = 5
STATUS_S = 5

_ALIASES = {"ticker_1000": "ticker_batch", "level2_50": "level2_batch"}
_ACK_NAMES = {name: alias for alias, name in _ALIASES.items()}
_BY_PRODUCT = frozenset({"matches", "ticker", "ticker_batch", "heartbeat", "level2_batch", "level2", "auctionfeed"})
_CHANNELS = _BY_PRODUCT | {"status", "rfq_matches"}
_KEYED = frozenset({"level2", "level3", "full", "user", "balance"})
_NEEDS_KEY = (
    "level2, level3, and full channels now require authentication. "
    "https://docs.cdp.coinbase.com/exchange/docs/websocket-channels"
)


class _ChannelRequest(msgspec.Struct, frozen=True):
    name: str
    product_ids: list[str] | None = None


class _Request(msgspec.Struct, frozen=True):
    type: str
    channels: list[str | _ChannelRequest] | None = None
    product_ids: list[str] | None = None
    key: str = ""
    passphrase: str = ""
    signature: str = ""
    timestamp: str | float = ""

    @property
    def is_signed(self) -> bool:
        return all((self.key, self.passphrase, self.signature, self.timestamp))


_decode_request = msgspec.json.Decoder(_Request).decode


class _RefusedError(Exception):
    """A request that the venue answers with an error; the text is its reason."""


class Session(base.Session):
    """What one connection is subscribed to. Subscriptions accumulate."""

    def __init__(self, feed: Feed, connected_ns: int) -> None:
        super().__init__()
        self._feed = feed
        self._deadline_ns: int | None = connected_ns + SUBSCRIBE_DEADLINE_NS

    def is_overdue(self, now_ns: int) -> bool:
        """Return whether the time for the first subscribe has passed without one."""
        return self._deadline_ns is not None and now_ns > self._deadline_ns

    def too_slow(self) -> list[bytes]:
        """Return the venue's words for a client that does not read."""
        return [wire.error("ErrSlowConsume")]

    def answer(self, payload: bytes) -> list[bytes]:
        """Return the frames that answer a client's message: an acknowledgement and first data, or an error.

        A request with one bad product or channel is refused whole.
        """
        try:
            request = _decode_request(payload)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return [wire.error("Malformed JSON")]
        if request.type not in {"subscribe", "unsubscribe"}:
            return [wire.error("Failed to subscribe", "Type has to be either subscribe or unsubscribe")]
        try:
            if request.type == "subscribe":
                return self._subscribe(request)
            self.topics -= self._dropped(request)
            return [self._acknowledgement()]
        except _RefusedError as refused:
            return [wire.error(f"Failed to {request.type}", str(refused))]

    def _subscribe(self, request: _Request) -> list[bytes]:
        asked: list[Topic] = []
        for name, symbols in _channels(request):
            if name in _KEYED and not request.is_signed:
                raise _RefusedError(_NEEDS_KEY)
            if name not in _CHANNELS:
                raise _RefusedError(f"{name} is not a valid channel")
            asked += self._topics_of(name, symbols)
        new = [topic for topic in dict.fromkeys(asked) if topic not in self.topics]
        if ("rfq_matches", ALL) in new:  # it takes the place of single products: nothing comes twice
            self.topics = {topic for topic in self.topics if topic[0] != "rfq_matches"}
        self.topics.update(new)
        self._deadline_ns = None
        first = [frame for topic in new for frame in self._feed.first_frames(topic)]
        return [self._acknowledgement(), *first]

    def _topics_of(self, name: str, symbols: list[str]) -> list[Topic]:
        if name == "status":
            return [(name, "")]
        if name == "rfq_matches":
            if not symbols or symbols in ([""], [ALL]):
                return [(name, ALL)]
            if (name, ALL) in self.topics:
                raise _RefusedError("rfq_matches is already subscribed to all products")
        for symbol in symbols or [""]:
            if symbol not in self._feed.products:
                raise _RefusedError(f"{symbol} is not a valid product")
        return [(name, symbol) for symbol in symbols]

    def _dropped(self, request: _Request) -> set[Topic]:
        wanted = _channels(request)
        return {
            (channel, symbol)
            for channel, symbol in self.topics
            for name, symbols in wanted
            if channel == name and (not symbols or symbol in symbols)
        }

    def _acknowledgement(self) -> bytes:
        channels: dict[str, list[str]] = {}
        for channel, symbol in sorted(self.topics):
            channels.setdefault(_ACK_NAMES.get(channel, channel), []).extend([symbol] if symbol else [])
        return wire.subscriptions(channels)


def _channels(request: _Request) -> list[tuple[str, list[str]]]:
    """Return (channel, symbols): root symbols belong to channels given by name, objects carry their own."""
    if not request.channels:
        raise _RefusedError("No channels provided")
    rows = []
    for channel in request.channels:
        if isinstance(channel, str):
            rows.append((_ALIASES.get(channel, channel), request.product_ids or []))
        else:
            rows.append((_ALIASES.get(channel.name, channel.name), channel.product_ids or []))
    return rows


class Feed:
    """Turns a market's events into frames, each built once for however many clients."""

    def __init__(self, market: Market) -> None:
        self.products = {listing.symbol: i for i, listing in enumerate(market.listings)}
        self._market = market
        self._listings = market.listings
        self._second = market.now_ns // SECOND_NS
        self._batch = market.now_ns // LEVEL2_BATCH_NS
        self._levels: dict[int, dict[tuple[bool, int], LevelChange]] = {}
        self._batched_ids = [market.last_id(product) for product in range(len(market.listings))]

    def frames(self, events: Iterable[Event], wanted: Set[Topic]) -> list[Framed]:
        """Return the frames that somebody wants, in order: what happened, then what the clock calls for."""
        out: list[Framed] = []
        trade: Trade | None = None
        for event in events:
            listing = self._listings[event.product]
            symbol = listing.symbol
            if type(event) is Trade:
                trade = event
                if (topic := ("matches", symbol)) in wanted:
                    out.append((topic, wire.match(listing, trade, "match")))
            elif type(event) is LevelChange:
                if ("level2_batch", symbol) in wanted:
                    self._levels.setdefault(event.product, {})[event.is_ask, event.price] = event
                if (topic := ("level2", symbol)) in wanted:
                    out.append((topic, wire.l2update(listing, [event])))
            elif type(event) is Quote:
                day = self._market.day(event.product)
                if (topic := ("ticker", symbol)) in wanted and trade and day:
                    out.append((topic, wire.ticker(listing, event, trade, day)))
            elif isinstance(event, RfqTrade | AuctionState):
                out += self._rare(event, wanted)
        return out + self._timed(wanted)

    def first_frames(self, topic: Topic) -> list[bytes]:
        """Return what a new subscriber of a topic gets at once."""
        channel, symbol = topic
        if channel == "status":
            return [wire.status(self._listings)]
        if symbol == ALL:
            return []
        product = self.products[symbol]
        if channel in {"level2", "level2_batch"}:
            return [wire.snapshot(self._listings[product], self._market.book(product))]
        if channel in {"ticker", "ticker_batch"}:
            return self._current_ticker(product)
        last = self._market.last_trade(product)
        return [wire.match(self._listings[product], last, "last_match")] if last and channel == "matches" else []

    def _current_ticker(self, product: int) -> list[bytes]:
        trade, day = self._market.last_trade(product), self._market.day(product)
        if trade is None or day is None:
            return []
        return [wire.ticker(self._listings[product], self._market.quote(product), trade, day)]

    def _rare(self, event: RfqTrade | AuctionState, wanted: Set[Topic]) -> list[Framed]:
        listing = self._listings[event.product]
        if isinstance(event, AuctionState):
            topics = {("auctionfeed", listing.symbol)} & wanted
            return [(topic, wire.auction(listing, event)) for topic in topics]
        topics = {("rfq_matches", listing.symbol), ("rfq_matches", ALL)} & wanted
        return [(topic, wire.rfq_match(listing, event)) for topic in topics]

    def _timed(self, wanted: Set[Topic]) -> list[Framed]:
        out: list[Framed] = []
        now = self._market.now_ns
        if now // LEVEL2_BATCH_NS != self._batch:
            self._batch = now // LEVEL2_BATCH_NS
            for product, changes in self._levels.items():
                topic = ("level2_batch", self._listings[product].symbol)
                out.append((topic, wire.l2update(self._listings[product], list(changes.values()))))
            self._levels = {}
        if now // SECOND_NS == self._second:
            return out
        before, self._second = self._second, now // SECOND_NS
        for symbol, product in self.products.items():
            if (topic := ("heartbeat", symbol)) in wanted:
                last_id, sequence = self._market.last_id(product), self._market.sequence(product)
                out.append((topic, wire.heartbeat(self._listings[product], last_id, sequence, now)))
        if before // TICKER_BATCH_S != self._second // TICKER_BATCH_S:
            out += self._ticker_batch()
        if before // STATUS_S != self._second // STATUS_S and ("status", "") in wanted:
            out.append((("status", ""), wire.status(self._listings)))
        return out

    def _ticker_batch(self) -> list[Framed]:
        out: list[Framed] = []
        for symbol, product in self.products.items():
            last_id = self._market.last_id(product)
            if last_id != self._batched_ids[product]:
                self._batched_ids[product] = last_id
                out += [(("ticker_batch", symbol), frame) for frame in self._current_ticker(product)]
        return out
