"""Following: keeps what is followed equal to what is wished for, while everything else goes on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from fulltape.bus.base import Bus, Overflow
from fulltape.engine.connections import Connections, Engine
from fulltape.engine.feed import Feed
from fulltape.engine.wishes import Resolved, Resolver, Wishes, is_pattern, matches
from fulltape.errors import ConfigError, FulltapeError, TransientError, UnknownInstrument, did_you_mean
from fulltape.records import Instrument
from fulltape.records.status import FollowingStatus

_log = logging.getLogger(__name__)
_LIST_EVERY_S: Final = 3_600.0
_COMMITS: Final = 64


@dataclass(slots=True)
class _Followed:
    """One venue: its feeds, its list by symbol, and what the wishes came to last."""

    feeds: list[Feed]
    listed: dict[str, Instrument] | None = None
    resolved: Resolved = field(default_factory=Resolved)
    detail: str = "the venue has not told its instruments yet"
    has_list: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def wishes(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(wish for feed in self.feeds for wish in feed.wishes))


class Following:
    """Decides which instruments are followed: the feeds' wishes, what users added and removed, the venues' lists.

    Lives on the event loop; changes are made one after the other.
    """

    def __init__(
        self, feeds: Sequence[Feed], connections: Connections, engine: Engine, bus: Bus, ask_again_s: float
    ) -> None:
        self._connections = connections
        self._engine = engine
        self._bus = bus
        self._ask_again_s = ask_again_s
        self._changing = asyncio.Lock()
        self._venues: dict[str, _Followed] = {}
        self._take(feeds)

    @property
    def _wishes(self) -> Wishes:
        return self._engine.pipeline.wishes

    async def begin(self) -> None:
        """Follow what can be told without the venues' lists; what is not wished for any more ends."""
        async with self._changing:
            for name in self._venues:
                await self._arrange(name)
            names = [one.name for one in self._connections]
            await self._engine.on_engine(lambda: self._engine.pipeline.follow_only(names))

    async def watch(self, feed: Feed) -> None:
        """Ask a venue for its instruments and follow what they change; return when it is time to ask again."""
        name = feed.venue.spec.name
        try:
            instruments = await _ask(feed)
        except FulltapeError as error:
            _log.warning("%s: no list of instruments: %s", name, error)
            if name in self._venues:
                self._venues[name].detail = f"no list of instruments: {error}"
            await asyncio.sleep(self._ask_again_s)
            return
        await self.told(name, instruments, whole=True)
        await asyncio.sleep(_LIST_EVERY_S)

    async def told(self, name: str, instruments: Sequence[Instrument], *, whole: bool) -> None:
        """Take a venue's list, or news of some of its instruments, and follow what it changes."""
        followed = self._venues.get(name)
        if followed is None:
            return
        news = {row.venue_symbol: row for row in instruments}
        if whole:
            followed.listed, followed.detail = news, ""
        elif followed.listed is None or news.items() <= followed.listed.items():
            return
        else:
            followed.listed |= news
        await self._engine.on_engine(lambda: self._engine.pipeline.learn(instruments))
        async with self._changing:
            await self._arrange(name)
        followed.has_list.set()

    async def listed(self, name: str) -> None:
        """Return once a venue's list of instruments has come."""
        await self._venues[name].has_list.wait()

    async def add(self, wishes: Sequence[str]) -> tuple[Instrument, ...]:
        """Follow more instruments and return them, once the wish is stored.

        Raises UnknownInstrument with the nearest names, TransientError while a venue's list has not come.
        """
        found = [row for wish in wishes for row in self._find(wish)]
        await self._change(lambda: self._wishes.add(wishes), wishes)
        return tuple(dict.fromkeys(found))

    async def remove(self, wishes: Sequence[str]) -> tuple[Instrument, ...]:
        """Give instruments up and return them, once the wish is stored. Raises UnknownInstrument."""
        gone = [row for wish in wishes for row in self._followed_as(wish)]
        await self._change(lambda: self._wishes.remove(wishes, self._is_named), wishes)
        return tuple(dict.fromkeys(gone))

    async def renew(self, feeds: Sequence[Feed]) -> None:
        """Take other wishes of the configuration; feeds that are gone end, new ones begin."""
        async with self._changing:
            kept = {feed.session.name for feed in feeds}
            for followed in self._venues.values():
                for feed in followed.feeds:
                    if feed.session.name not in kept:
                        await self._connections.drop(feed)
            self._take(feeds)
            for name in self._venues:
                await self._arrange(name)

    def followed(self) -> frozenset[str]:
        """Return the ids of what is followed."""
        return frozenset(row.id for one in self._venues.values() for row in one.resolved.instruments)

    def offered(self, name: str) -> tuple[Instrument, ...]:
        """Return what a venue offers.

        Raises UnknownInstrument for a venue that is not followed, TransientError while its list has not come.
        """
        followed = self._venue(name.upper())
        if followed.listed is None:
            raise TransientError(
                f"{name.upper()}: {followed.detail}; try again in a minute", retry_after_s=self._ask_again_s
            )
        return tuple(followed.listed.values())

    def status(self) -> tuple[FollowingStatus, ...]:
        """Return what is wanted of each venue, and what of it cannot be had."""
        return tuple(self._status_of(name, one) for name, one in self._venues.items())

    def _status_of(self, name: str, one: _Followed) -> FollowingStatus:
        changes = [change for change in self._wishes.changes if change.wish.endswith(f".{name}")]
        return FollowingStatus(
            venue=name,
            wanted=(*one.wishes, *(change.wish for change in changes if change.follow)),
            removed=tuple(change.wish for change in changes if not change.follow),
            followed=len(one.resolved.instruments),
            waiting=one.resolved.waiting,
            unknown=one.resolved.unknown,
            delisted=one.resolved.delisted,
            listed=None if one.listed is None else len(one.listed),
            detail=one.detail,
        )

    def _take(self, feeds: Iterable[Feed]) -> None:
        by_venue: dict[str, list[Feed]] = {}
        for feed in feeds:
            by_venue.setdefault(feed.venue.spec.name, []).append(feed)
        old = self._venues
        self._venues = {name: _Followed(mine) for name, mine in by_venue.items()}
        for name in old.keys() & self._venues.keys():
            self._venues[name].listed, self._venues[name].detail = old[name].listed, old[name].detail
            self._venues[name].resolved, self._venues[name].has_list = old[name].resolved, old[name].has_list

    async def _change(self, work: Callable[[], None], wishes: Iterable[str]) -> None:
        """Change the wishes, wait until that is stored, follow."""
        async with self._changing:
            commits = self._bus.subscribe(capacity=_COMMITS, overflow=Overflow.CLOSE)
            try:
                await self._engine.on_engine(work)
                async for commit in commits:
                    if commit.snapshots.get(Wishes.name):
                        break
                else:
                    raise TransientError("the engine has stopped, or is too far behind to tell: see /api/v1/status")
            finally:
                commits.close()
            for name in dict.fromkeys(wish.rpartition(".")[2] for wish in wishes):
                await self._arrange(name)

    async def _arrange(self, name: str) -> None:
        """Make a venue's connections bring what the wishes come to."""
        followed = self._venues[name]
        before = followed.resolved
        resolved = self._resolver(name).resolve(followed.wishes, self._wishes.changes)
        for feed in followed.feeds:
            await self._connections.arrange(feed, resolved.instruments)
        followed.resolved = resolved
        _report(name, before, resolved)
        ended = [self._known(one) for one in resolved.delisted if one not in before.delisted]
        rows = [msgspec.structs.replace(row, status="delisted") for row in ended if row is not None]
        if rows:
            await self._engine.on_engine(lambda: self._engine.pipeline.learn(rows))

    def _resolver(self, name: str) -> Resolver:
        followed = self._venues[name]
        listed = None if followed.listed is None else tuple(followed.listed.values())
        seen = [row for row in self._engine.pipeline.table if row.venue == name]
        return Resolver(followed.feeds[0].venue, listed, seen)

    def _known(self, instrument_id: str) -> Instrument | None:
        table = self._engine.pipeline.table
        try:
            return table[table.code_of(instrument_id)]
        except KeyError:
            return None

    def _venue(self, name: str) -> _Followed:
        followed = self._venues.get(name)
        if followed is None:
            raise UnknownInstrument(
                f"venue {name!r} is not followed{did_you_mean(name, self._venues)}: followed are "
                f"{', '.join(self._venues)}; add [venues.{name.lower()}] to the configuration"
            )
        return followed

    def _find(self, wish: str) -> tuple[Instrument, ...]:
        """Return what a wish of a user means now. Raises UnknownInstrument, TransientError or ConfigError."""
        name = _venue_of(wish)
        followed = self._venue(name)
        resolved = self._resolver(name).resolve([wish])
        if resolved.waiting:
            raise TransientError(f"{wish}: {followed.detail}; try again in a minute", retry_after_s=self._ask_again_s)
        if resolved.delisted:
            raise ConfigError(f"{wish} is delisted: {name} does not trade it any more")
        if resolved.unknown:
            raise UnknownInstrument(f"{name} has no {resolved.unknown[0]}")
        if not resolved.instruments:
            raise UnknownInstrument(f"{name} has nothing that matches {wish}")
        return resolved.instruments

    def _followed_as(self, wish: str) -> tuple[Instrument, ...]:
        """Return which of the followed instruments a wish covers. Raises UnknownInstrument."""
        followed = self._venue(_venue_of(wish))
        found = tuple(row for row in followed.resolved.instruments if matches(wish, row))
        if not found and wish not in {one.wish for one in self._wishes.changes if one.follow}:
            near = "" if is_pattern(wish) else did_you_mean(wish, self.followed())
            raise UnknownInstrument(f"{wish} is not followed{near}")
        return found

    def _is_named(self, wish: str) -> bool:
        """Return whether anything that a wish covers is followed by configuration or by another addition."""
        name = wish.rpartition(".")[2]
        rows = self._resolver(name).resolve(self._venues[name].wishes, self._wishes.changes).instruments
        return any(matches(wish, row) for row in rows)


async def _ask(feed: Feed) -> list[Instrument]:
    assert feed.fetch is not None
    requests = (feed.venue.instruments_request(), *feed.venue.spec.more_instruments)
    return [row for request in requests for row in feed.venue.parse_instruments(await feed.fetch(request))]


def _venue_of(wish: str) -> str:
    _, dot, name = wish.rpartition(".")
    if not dot or is_pattern(name):
        raise ConfigError(
            f"{wish!r} names no venue: instruments look like BTC-USD.COINBASE, patterns like *-USD.COINBASE"
        )
    return name


def _report(name: str, before: Resolved, after: Resolved) -> None:
    """Log what changed, and what cannot be followed."""
    old, new = ({row.id: row for row in one.instruments} for one in (before, after))
    words: Mapping[str, Sequence[str]] = {
        "follows": [key for key in new if key not in old],
        "no longer follows": [key for key in old if key not in new],
        "does not have": [one for one in after.unknown if one not in before.unknown],
        "has delisted": [one for one in after.delisted if one not in before.delisted],
    }
    for what, which in words.items():
        if which:
            level = logging.INFO if what == "follows" else logging.WARNING
            _log.log(level, "%s: %s %s", name, what, ", ".join(which))
