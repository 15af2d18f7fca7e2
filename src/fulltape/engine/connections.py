"""Connections: how many each feed has, and which symbols each of them brings."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Protocol

from fulltape.engine.feed import Feed, Link, by_symbol
from fulltape.engine.pipeline import Pipeline
from fulltape.engine.wishes import place
from fulltape.records import Instrument
from fulltape.venues.base import WITH_TRADES
from fulltape.venues.session import SessionConfig


class Engine(Protocol):
    """What of `fulltape.engine.runner.Runner` is needed: a place between two steps of the pipeline."""

    pipeline: Pipeline

    async def on_engine(self, work: Callable[[], Any]) -> Any:
        """Run ``work`` in the pipeline's thread."""
        ...


@dataclass(slots=True)
class Connected:
    """One connection: the feed it belongs to, what keeps it, its symbols."""

    name: str
    feed: Feed
    link: Link
    symbols: tuple[str, ...]
    task: asyncio.Task[None]


@dataclass(slots=True)
class _Group:
    feed: Feed
    members: dict[int, Connected] = field(default_factory=dict)


class Connections:
    """Every connection by its name. Lives on the event loop; one `arrange` or `drop` at a time.

    ``open_link`` makes what keeps a connection, ``keep`` runs it for ever.
    """

    def __init__(
        self,
        engine: Engine,
        open_link: Callable[[Feed, SessionConfig], Link],
        keep: Callable[[Feed, str, Link], Coroutine[Any, Any, None]],
    ) -> None:
        self._engine = engine
        self._open_link = open_link
        self._keep = keep
        self._groups: dict[str, _Group] = {}

    def __iter__(self) -> Iterator[Connected]:
        return (one for group in tuple(self._groups.values()) for one in tuple(group.members.values()))

    def find(self, name: str) -> Connected | None:
        """Return the connection called ``name``."""
        return next((one for one in self if one.name == name), None)

    async def arrange(self, feed: Feed, instruments: Sequence[Instrument]) -> None:
        """Make a feed bring these instruments and no others; what it brings already is left alone.

        Raises ConfigError for what the venue does not offer.
        """
        group = self._groups.setdefault(feed.session.name, _Group(feed))
        ids = by_symbol(instruments)
        placed = {number: one.symbols for number, one in group.members.items()}
        target = place(tuple(ids), placed, feed.venue.spec.max_symbols)
        for number in placed.keys() - target.keys():
            await self._close(group.members.pop(number))
        for number, symbols in target.items():
            wanted = {symbol: ids[symbol] for symbol in symbols}
            if number not in group.members:
                group.members[number] = await self._open(feed, feed.connection(self._name(feed, number), wanted))
            else:
                await self._change(group.members[number], wanted)

    async def drop(self, feed: Feed) -> None:
        """End every connection of a feed."""
        group = self._groups.pop(feed.session.name, _Group(feed))
        for one in group.members.values():
            await self._close(one)

    def _name(self, feed: Feed, number: int) -> str:
        """Return the feed's own name for its first connection, for others the next free one: ``COINBASE-2``."""
        if number == 1:
            return feed.session.name
        taken = {*self._groups, *(one.name for one in self)}
        stem = feed.session.name.rpartition("-")[0]
        return next(name for n in count(2) if (name := f"{stem}-{n}") not in taken)

    async def _open(self, feed: Feed, config: SessionConfig) -> Connected:
        link, symbols = self._open_link(feed, config), config.subscription.symbols
        await self._expect(feed, config.name, symbols)
        task = asyncio.create_task(self._keep(feed, config.name, link), name=config.name)
        return Connected(config.name, feed, link, symbols, task)

    async def _change(self, one: Connected, wanted: Mapping[str, str]) -> None:
        pipeline, venue = self._engine.pipeline, one.feed.venue
        added = {symbol: wanted[symbol] for symbol in wanted if symbol not in one.symbols}
        gone = tuple(symbol for symbol in one.symbols if symbol not in wanted)
        one.symbols = tuple(wanted)
        if added:
            await self._expect(one.feed, one.name, added)
            one.link.follow(added)
        if gone:
            one.link.unfollow(gone)
            await self._engine.on_engine(lambda: pipeline.unfollow(one.name, venue, gone))

    async def _expect(self, feed: Feed, name: str, symbols: Iterable[str]) -> None:
        has_trades = not WITH_TRADES.isdisjoint(feed.session.subscription.channels)
        follow = self._engine.pipeline.follow
        await self._engine.on_engine(lambda: follow(name, feed.venue, symbols, has_trades=has_trades))

    async def _close(self, one: Connected) -> None:
        pipeline, venue, symbols = self._engine.pipeline, one.feed.venue, one.symbols
        await self._engine.on_engine(lambda: pipeline.unfollow(one.name, venue, symbols))
        one.task.cancel()
        await asyncio.gather(one.task, return_exceptions=True)
