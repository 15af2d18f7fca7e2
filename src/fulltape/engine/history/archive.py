"""The archive: the venues' history on its way into the store, a page to a commit.

What is known already is not asked for again. As that is committed together with the data, every job can be stopped at
any point and begun again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from fulltape.clock import SECOND_NS
from fulltape.engine.history.pager import Source, bar_pages, trade_pages
from fulltape.engine.pipeline.known import Known
from fulltape.engine.pipeline.spans import Spans
from fulltape.engine.runner import Runner
from fulltape.records import TRADES
from fulltape.records.page import Page, Unfillable
from fulltape.stores.base import Selection
from fulltape.venues.base import Paging

_SLACK_NS: Final = SECOND_NS


class Archive:
    """Fetches what is missing of an instrument's past. Jobs may overlap; each has one page under way."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    async def bars(self, source: Source, interval_s: int, start: int, end: int) -> AsyncIterator[Page]:
        """Fetch the bars with start <= bar < end that are not stored; yield each page once it is committed.

        Both times must be those of bars. Raises what `bar_pages` raises.
        """
        for first, stop in await self.missing_bars(source, interval_s, start, end):
            async for page in self._committed(bar_pages(source, interval_s, first, stop)):
                yield page

    async def trades(self, source: Source, start: int, end: int) -> AsyncIterator[Page]:
        """Fetch the trades with start <= trade < end that are not stored; yield each page once it is committed.

        Afterwards `missing_trades` tells what the venue does not have. Raises what `trade_pages` raises.
        """
        for first, stop in await self.missing_trades(source, start, end):
            cursor = await self._cursor(source, stop)
            async for page in self._committed(trade_pages(source, first, stop, cursor)):
                yield page

    async def trades_again(self, source: Source, start: int, end: int) -> AsyncIterator[Page]:
        """Fetch all trades with start <= trade < end, stored or not; yield each page once it is committed.

        A little more is asked for on both sides: ids tell that a trade is missing, but its time may lie outside of
        those of its neighbours. Raises what `trade_pages` raises.
        """
        cursor = await self._cursor(source, end + _SLACK_NS)
        async for page in self._committed(trade_pages(source, start - _SLACK_NS, end + _SLACK_NS, cursor)):
            yield page

    async def missing_bars(self, source: Source, interval_s: int, start: int, end: int) -> list[tuple[int, int]]:
        """Return the ranges of bars that are not stored, newest first."""
        gaps = await self._runner.on_engine(lambda: self._known.bars_missing(source.instrument, interval_s, start, end))
        return gaps[::-1]

    async def untold_bars(self, source: Source, interval_s: int, start: int, end: int) -> list[tuple[int, int]]:
        """Return the ranges of bars, newest first, that neither are stored nor follow from stored trades."""
        length = interval_s * SECOND_NS
        known = await self._runner.on_engine(lambda: self._known.of_either(source.instrument, (interval_s,)))
        wanted = Spans()
        for first, stop in known.gaps(start, end):
            wanted.add(first // length * length, -(-stop // length) * length)
        return [(max(first, start), min(stop, end)) for first, stop in wanted.items][::-1]

    async def missing_trades(self, source: Source, start: int, end: int) -> list[tuple[int, int]]:
        """Return the stretches whose trades are not all stored, newest first."""
        gaps = await self._runner.on_engine(lambda: self._known.trades_missing(source.instrument, start, end))
        return gaps[::-1]

    async def broken(self) -> dict[int, list[tuple[int, int]]]:
        """Return, by instrument, the stretches in which trades were missed that may still be had, oldest first."""
        return await self._runner.on_engine(self._known.broken)

    async def give_up(self, told: Unfillable) -> None:
        """Ask for these trades no more, and have the ledger say why."""
        await self._runner.commit(told)

    @property
    def _known(self) -> Known:
        return self._runner.pipeline.known

    async def _committed(self, pages: AsyncIterator[Page]) -> AsyncIterator[Page]:
        """Commit pages in order; the next one is asked for while one is being committed."""
        committing: asyncio.Task[Page] | None = None
        try:
            async for page in pages:
                if committing is not None:
                    yield await committing
                committing = asyncio.create_task(self._commit(page))
            if committing is not None:
                yield await committing
        finally:
            if committing is not None:
                committing.cancel()

    async def _commit(self, page: Page) -> Page:
        await self._runner.commit(page)
        return page

    async def _cursor(self, source: Source, end: int) -> str | None:
        """Return the id of the first stored trade at or after ``end``: there is nothing to learn from newer ones."""
        if source.venue.spec.history.trades is not Paging.BACK_BY_ID:
            return None
        found = await self._runner.read(Selection(TRADES, (source.instrument,), start=end, limit=1))
        return str(found["trade_id"][0]) if len(found) else None
