"""Warm start: enough of the venue's bars for charts and indicators, from the first second on.

The same rule keeps them whole later: a bar is fetched for every window whose trades we do not have, be it that we
connected in its middle or that a hole could not be refilled.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from fulltape.clock import SECOND_NS, Clock
from fulltape.engine.history.archive import Archive
from fulltape.engine.history.backfill import BARS_SETTLED_NS
from fulltape.engine.history.pager import Source
from fulltape.errors import ConfigError, MalformedFrame

_log = logging.getLogger(__name__)


class WarmStart:
    """Keeps the newest ``bars`` windows of each of ``intervals_s`` known, for the instruments of one venue."""

    def __init__(self, archive: Archive, clock: Clock, intervals_s: Sequence[int], bars: int) -> None:
        self._archive = archive
        self._clock = clock
        self._intervals_s = intervals_s
        self._bars = bars
        self._refused: set[tuple[int, int]] = set()
        self._done: tuple[int, tuple[int, ...]] | None = None

    async def fetch(self, sources: Sequence[Source]) -> None:
        """Fetch what is not known, the newest bars first, the instruments in turn. Raises TransientError: try again."""
        minute = (self._clock.now_ns() - BARS_SETTLED_NS) // (60 * SECOND_NS)
        state = (minute, tuple(source.instrument for source in sources))
        if state == self._done:
            return
        jobs = [
            (source, interval_s, self._archive.bars(source, interval_s, first, stop))
            for interval_s in self._intervals_s
            for source in sources
            if (source.instrument, interval_s) not in self._refused
            for first, stop in await self._archive.untold_bars(source, interval_s, *self._horizon(interval_s))
        ]
        while jobs:
            for job in tuple(jobs):
                source, interval_s, pages = job
                if (source.instrument, interval_s) in self._refused:  # another stretch of the same bars
                    jobs.remove(job)
                    continue
                try:
                    if await anext(pages, None) is None:
                        jobs.remove(job)
                except (ConfigError, MalformedFrame) as error:
                    _log.warning("%s: no bars: %s", source.name, error)
                    self._refused.add((source.instrument, interval_s))
                    jobs.remove(job)
        self._done = state

    def _horizon(self, interval_s: int) -> tuple[int, int]:
        length = interval_s * SECOND_NS
        end = (self._clock.now_ns() - BARS_SETTLED_NS) // length * length
        return end - self._bars * length, end
