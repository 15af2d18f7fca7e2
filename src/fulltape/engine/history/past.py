"""The past of what is followed: holes are refilled, and bars fetched, beside the live data and never in its way."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from fulltape.clock import Clock
from fulltape.engine.config import HistoryConfig
from fulltape.engine.feed import Feed
from fulltape.engine.history.archive import Archive
from fulltape.engine.history.pager import Fetch, Source
from fulltape.engine.history.refill import Refill
from fulltape.engine.history.warm_start import WarmStart
from fulltape.engine.runner import Runner
from fulltape.errors import ConfigError, TransientError
from fulltape.venues.base import RestRequest
from fulltape.venues.rest import RestClient

_LOOK_EVERY_S: Final = 1.0
_WEEK_S: Final = 604_800
_log = logging.getLogger(__name__)


class Past:
    """Keeps the past of every venue whole. One task per venue calls `keep`."""

    def __init__(self, runner: Runner, clock: Clock, config: HistoryConfig, *, simulated: bool, retry_s: float) -> None:
        self._runner = runner
        self._archive = Archive(runner)
        self._clock = clock
        self._config = config
        self._simulated = simulated
        self._retry_s = retry_s

    async def is_whole(self) -> bool:
        """Return whether no trades are missed that may still be had."""
        return not await self._archive.broken()

    async def keep(self, feed: Feed) -> None:
        """Work for one venue until cancelled."""
        assert feed.history is not None
        if not (self._config.refill_hours or self._config.warm_bars):
            await asyncio.Event().wait()  # nothing is wanted: what ends is begun again
        async with feed.history() as client, asyncio.TaskGroup() as group:
            fetch = self._guarded(client)
            if self._config.refill_hours:
                refill = Refill(self._archive, self._clock, self._config.refill_hours)
                group.create_task(self._repeat(feed, fetch, refill.fill))
            if self._config.warm_bars:
                warm = WarmStart(self._archive, self._clock, self._intervals_s(feed), self._config.warm_bars)
                group.create_task(self._repeat(feed, fetch, warm.fetch))

    async def _repeat(self, feed: Feed, fetch: Fetch, work: Callable[[Sequence[Source]], Awaitable[None]]) -> None:
        while True:
            wait_s = _LOOK_EVERY_S
            try:
                await work(await self._sources(feed, fetch))
            except TransientError as error:
                _log.warning("%s; history is asked for again in %g s", error, self._retry_s)
                wait_s = self._retry_s
            await asyncio.sleep(wait_s)

    async def _sources(self, feed: Feed, fetch: Fetch) -> list[Source]:
        """Return the instruments of a venue whose trades are listened to."""
        pipeline, venue = self._runner.pipeline, feed.venue
        codes = await self._runner.on_engine(lambda: pipeline.listened_to(venue.spec.name))
        return [Source(venue, pipeline.table[code].venue_symbol, code, fetch, self._clock) for code in codes]

    def _intervals_s(self, feed: Feed) -> list[int]:
        """Return the intervals (s) of our candles of which the venue has bars; weeks begin on another day each."""
        offered = feed.venue.spec.history.bars
        return [s for s in self._runner.pipeline.intervals_s if s in offered and s % _WEEK_S]

    def _guarded(self, client: RestClient) -> Fetch:
        """Return what asks, and lets no simulated price into a live database, nor a live one into a simulated."""

        async def fetch(request: RestRequest) -> bytes:
            body = await client.get(request)
            if client.simulated is not self._simulated:
                raise ConfigError(f"{request.path}: this history and the database are not both simulated, or both live")
            return body

        return fetch
