"""Binance spot's streams, spoken by the simulated venue.

Pure: `Session` turns what a client says into answers, `Feed` turns what the market did into frames. Facts are those of
https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams. Nothing here is shared with the connector
that reads it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Set
from typing import Final

import msgspec

from fulltape.clock import SECOND_NS
from fulltape.sim import base
from fulltape.sim import binance_wire as wire
from fulltape.sim.base import Framed, Opening, Topic
from fulltape.sim.events import Event, LevelChange
from fulltape.sim.history import MINUTE_S
from fulltape.sim.market import Market
from fulltape.sim.told import Digest, Tops

COMBINED: Final = "/stream"
RAW: Final = "/ws"
BATCH_NS: Final = 100_000_000
_KLINES_EVERY_S: Final = 2
_PLAIN: Final = "raw "  # before the stream's name in the topics of connections that want no envelope

_TRADE, _MERGED, _BEST, _BOOK, _TICKER, _KLINE = (
    *("trade", "aggTrade", "bookTicker", "depth@100ms"),
    *("ticker", "kline_1m"),
)


class _Request(msgspec.Struct, frozen=True):
    method: str
    params: list[str | bool] = []
    id: int | str | None = None


_decode_request = msgspec.json.Decoder(_Request).decode


def open_session(opening: Opening) -> Session | None:
    """Return the session of a new connection, None where there is nothing to connect to."""
    is_raw = opening.path == RAW or opening.path.startswith(f"{RAW}/")
    return Session(opening) if is_raw or opening.path == COMBINED else None


class Session(base.Session):
    """What one connection is subscribed to; streams that there are not are listed like any other, and stay silent.

    Streams in the address are subscribed to at once.
    """

    def __init__(self, opening: Opening) -> None:
        super().__init__()
        self._lead = "" if opening.path == COMBINED else _PLAIN
        named = opening.query.get("streams", "") if opening.path == COMBINED else opening.path.removeprefix(RAW)
        self.topics.update(self._topic(name) for name in named.split("/") if name)

    def answer(self, payload: bytes) -> list[bytes]:
        """Return the frames that answer a client's message. No stream begins with a snapshot."""
        try:
            request = _decode_request(payload)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return [_error(f"Invalid JSON: {error}", None)]
        names = [name for name in request.params if isinstance(name, str)]
        result: object = None
        match request.method, request.params:
            case "SUBSCRIBE", [_, *_]:
                self.topics.update(self._topic(name) for name in names)
            case "UNSUBSCRIBE", [_, *_]:
                self.topics.difference_update(self._topic(name) for name in names)
            case "LIST_SUBSCRIPTIONS", []:
                result = sorted(f"{symbol}@{stream.removeprefix(_PLAIN)}" for stream, symbol in self.topics)
            case "GET_PROPERTY", ["combined"]:
                result = not self._lead
            case "SET_PROPERTY", ["combined", bool(is_combined)]:
                self._set_combined(is_combined)
            case _:
                return [_error("Invalid request: unknown method or wrong params", request.id)]
        return [wire.encode({"result": result, "id": request.id})]

    def _topic(self, name: str) -> Topic:
        symbol, _, stream = name.partition("@")
        return self._lead + stream, symbol

    def _set_combined(self, is_combined: bool) -> None:
        names = [(stream.removeprefix(_PLAIN), symbol) for stream, symbol in self.topics]
        self._lead = "" if is_combined else _PLAIN
        self.topics = {(self._lead + stream, symbol) for stream, symbol in names}


def _error(words: str, request_id: int | str | None) -> bytes:
    return wire.encode({"code": 2, "msg": words, "id": request_id})


class Feed:
    """Turns a market's events into frames, each built once for however many clients."""

    def __init__(self, market: Market) -> None:
        self._symbols = [wire.symbol_of(listing).lower() for listing in market.listings]
        self._market = market
        self._tops = Tops(market)
        self._batch, self._second = market.now_ns // BATCH_NS, market.now_ns // SECOND_NS
        self._changes: list[dict[tuple[bool, int], int]] = [{} for _ in market.listings]
        self._told = [market.sequence(product) for product in range(len(market.listings))]

    def frames(self, events: Iterable[Event], wanted: Set[Topic]) -> list[Framed]:
        """Return the frames that somebody wants, in order: what happened, then what the clock calls for."""
        events = list(events)
        self._note_changes(events)
        digest = Digest(events)
        moved = self._tops.moved(digest.changed)
        streams = {stream.removeprefix(_PLAIN) for stream, _ in wanted}
        rows = [
            *(self._trades(digest, streams)),
            *(self._best(moved) if _BEST in streams else ()),
            *self._book_changes(),
            *self._timed(streams),
        ]
        return [framed for stream, product, row in rows for framed in self._framed(stream, product, row, wanted)]

    def _framed(self, stream: str, product: int, row: wire.Row, wanted: Set[Topic]) -> Iterator[Framed]:
        symbol = self._symbols[product]
        if (topic := (stream, symbol)) in wanted:
            yield topic, wire.encode({"stream": f"{symbol}@{stream}", "data": row})
        if (topic := (_PLAIN + stream, symbol)) in wanted:
            yield topic, wire.encode(row)

    def _note_changes(self, events: Sequence[Event]) -> None:
        for event in events:
            if type(event) is LevelChange:
                self._changes[event.product][event.is_ask, event.price] = event.size

    def _trades(self, digest: Digest, streams: Set[str]) -> Iterator[_Row]:
        for product, trades in digest.trades.items():
            listing = self._market.listings[product]
            for traded in trades:
                if _TRADE in streams:
                    yield _TRADE, product, wire.trade(listing, traded)
                if _MERGED in streams:
                    yield _MERGED, product, wire.merged_trade(listing, traded)

    def _best(self, moved: Iterable[int]) -> Iterator[_Row]:
        market = self._market
        for product in moved:
            row = wire.best(market.listings[product], market.quote(product), market.sequence(product))
            yield _BEST, product, row

    def _book_changes(self) -> Iterator[_Row]:
        """Every 100 ms, what changed in each book: all that did, so that it also follows a book from in between.

        Numbers follow those of the changes before, whether anybody heard them or not.
        """
        before, self._batch = self._batch, self._market.now_ns // BATCH_NS
        if before == self._batch:
            return
        for product, changes in enumerate(self._changes):
            if changes:
                first, last = self._told[product] + 1, self._market.sequence(product)
                listing = self._market.listings[product]
                self._told[product], self._changes[product] = last, {}
                yield _BOOK, product, wire.changes(listing, self._market.now_ns, first, last, changes)

    def _timed(self, streams: Set[str]) -> Iterator[_Row]:
        before, self._second = self._second, self._market.now_ns // SECOND_NS
        if before == self._second:
            return
        minute = self._second // MINUTE_S * MINUTE_S
        for product in range(len(self._symbols)):
            if _KLINE in streams and before < minute:
                yield from self._kline(product, minute - MINUTE_S, is_closed=True)
            if _KLINE in streams and before // _KLINES_EVERY_S != self._second // _KLINES_EVERY_S:
                yield from self._kline(product, minute, is_closed=False)
            if _TICKER in streams:
                yield from self._ticker(product)

    def _ticker(self, product: int) -> Iterator[_Row]:
        market = self._market
        last, day = market.last_trade(product), market.day(product)
        if last is not None and day is not None:
            row = wire.ticker(market.listings[product], market.quote(product), last, day, market.now_ns)
            yield _TICKER, product, row

    def _kline(self, product: int, start_s: int, *, is_closed: bool) -> Iterator[_Row]:
        market = self._market
        bar = market.minute_bar(product, start_s)
        if bar is not None:
            first_id = market.first_id_after(product, start_s * SECOND_NS - 1)
            row = wire.kline(market.listings[product], bar, first_id, market.now_ns, is_closed=is_closed)
            yield _KLINE, product, row


_Row = tuple[str, int, wire.Row]
