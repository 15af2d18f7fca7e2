"""Bitstamp's WebSocket v2 protocol, spoken by the simulated venue.

Pure: `Session` turns what a client says into answers, `Feed` turns what the market did into frames. Facts are those
of https://www.bitstamp.net/websocket/v2/. Nothing here is shared with the connector that reads it.
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from typing import Final

import msgspec

from fulltape.sim import base
from fulltape.sim import bitstamp_wire as wire
from fulltape.sim.base import Framed, Topic
from fulltape.sim.events import Book, Event
from fulltape.sim.market import Market
from fulltape.sim.told import Digest, ToldBooks

_TRADES: Final = "live_trades"
_CHANGES: Final = "diff_order_book"
_BOOK: Final = "order_book"
_BOOK_LEVELS: Final = 100
_CHANNELS: Final = (_TRADES, _CHANGES, _BOOK)
_HEARTBEAT: Final = wire.message("bts:heartbeat", "", {"status": "success"})


class _Data(msgspec.Struct, frozen=True):
    channel: str = ""


class _Request(msgspec.Struct, frozen=True):
    event: str
    data: _Data = _Data()


_decode_request = msgspec.json.Decoder(_Request).decode


class Session(base.Session):
    """What one connection is subscribed to: one channel of one pair at a time.

    As at the venue itself, a pair that nobody knows is confirmed and stays silent; only a channel of no known kind is
    refused.
    """

    def __init__(self, feed: Feed) -> None:
        super().__init__()
        self._feed = feed

    def answer(self, payload: bytes) -> list[bytes]:
        """Return the frames that answer a client's message. No channel begins with a snapshot."""
        try:
            request = _decode_request(payload)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return [wire.error("Incorrect JSON format.")]
        name = request.data.channel
        topic = _topic(name)
        match request.event:
            case "bts:heartbeat":
                return [_HEARTBEAT]
            case "bts:subscribe" | "bts:unsubscribe" if topic is None:
                return [wire.error("Bad subscription string.")]
            case "bts:subscribe" if topic is not None:
                self.topics.add(topic)
                self._feed.begin(topic)
                return [wire.message("bts:subscription_succeeded", name, {})]
            case "bts:unsubscribe" if topic is not None:
                self.topics.discard(topic)
                return [wire.message("bts:unsubscription_succeeded", name, {})]
        return [wire.error("Unknown event.")]


def _topic(name: str) -> Topic | None:
    """Return the kind and the pair of a channel's name."""
    for kind in _CHANNELS:
        if name.startswith(f"{kind}_"):
            return kind, name.removeprefix(f"{kind}_")
    return None


class Feed:
    """Turns a market's events into frames, each built once for however many clients."""

    def __init__(self, market: Market) -> None:
        self._symbols = {wire.symbol_of(listing): i for i, listing in enumerate(market.listings)}
        self._market = market
        self._books = ToldBooks(market)

    def begin(self, topic: Topic) -> None:
        """Note what a new subscriber of changes can know of the book already."""
        kind, symbol = topic
        if kind == _CHANGES and symbol in self._symbols:
            self._books.open(topic, self._symbols[symbol])

    def frames(self, events: Iterable[Event], wanted: Set[Topic]) -> list[Framed]:
        """Return the frames that somebody wants, in order.

        Changes have the market's time, as the book over REST has: those after a book have a later one.
        """
        self._books.keep(wanted)
        digest = Digest(events)
        out: list[Framed] = []
        for symbol, product in self._symbols.items():
            listing = self._market.listings[product]
            if (topic := (_TRADES, symbol)) in wanted:
                rows = [wire.trade(listing, traded) for traded in digest.trades.get(product, ())]
                out += [_framed(topic, "trade", row) for row in rows]
            if product not in digest.changed:
                continue
            if (topic := (_CHANGES, symbol)) in wanted:
                _, book, news = self._books.tell(topic, product)
                out.append(_framed(topic, "data", wire.changes(listing, book.time, news)))
            if (topic := (_BOOK, symbol)) in wanted:
                out.append(_framed(topic, "data", wire.book(listing, self._best(product))))
        return out

    def _best(self, product: int) -> Book:
        book = self._market.book(product)
        return Book(book.sequence, book.time, book.bids[:_BOOK_LEVELS], book.asks[:_BOOK_LEVELS])


def _framed(topic: Topic, event: str, data: object) -> Framed:
    kind, symbol = topic
    return topic, wire.message(event, f"{kind}_{symbol}", data)
