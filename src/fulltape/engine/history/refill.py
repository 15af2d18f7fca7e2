"""Refill: trades that were missed are fetched from the venue's history until the hole is closed, or known to stay open.

What is missing is read from what is committed, not from events: after a crash the same holes are found again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Final

from fulltape.clock import SECOND_NS, Clock, format_rfc3339
from fulltape.engine.history.archive import Archive
from fulltape.engine.history.pager import SETTLED_NS, Source
from fulltape.errors import ConfigError, MalformedFrame
from fulltape.records.page import Unfillable

_HOUR_NS: Final = 3_600 * SECOND_NS
_log = logging.getLogger(__name__)


class Refill:
    """Fills the holes of instruments; none that lies more than ``hours`` back."""

    def __init__(self, archive: Archive, clock: Clock, hours: float) -> None:
        self._archive = archive
        self._clock = clock
        self._reach_ns = int(hours * _HOUR_NS)

    async def fill(self, sources: Iterable[Source]) -> None:
        """Ask for everything that these instruments miss, the newest first. Raises TransientError: then try again."""
        broken = await self._archive.broken()
        for source in sources:
            for start, end in reversed(broken.get(source.instrument, ())):
                # What has just happened may not have reached the venue's history yet.
                if end <= self._clock.now_ns() - SETTLED_NS:
                    await self._fill(source, start, end)

    async def _fill(self, source: Source, start: int, end: int) -> None:
        reach = self._clock.now_ns() - self._reach_ns
        reason = f"it lies more than {self._reach_ns / _HOUR_NS:g} hours back (refill_hours)"
        if end > reach:
            count, reason = await self._fetch(source, max(start, reach), end)
            _log.info("%s: %d trades refilled", source.name, count)
        for first, stop in await self._archive.missing_trades(source, start, end):
            told = Unfillable(source.instrument, first, stop, self._clock.now_ns(), reason)
            _log.warning("%s: trades from %s on stay missing: %s", source.name, format_rfc3339(first), reason)
            await self._archive.give_up(told)

    async def _fetch(self, source: Source, start: int, end: int) -> tuple[int, str]:
        """Return how many trades came, and why more cannot."""
        count = 0
        try:
            async for page in self._archive.trades_again(source, start, end):
                count += len(page.batch)
        except (ConfigError, MalformedFrame) as error:
            return count, str(error)
        return count, f"the history of {source.venue.spec.name} does not reach there"
