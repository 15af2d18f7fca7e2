"""Backfill: a stretch of an instrument's past, fetched once on somebody's wish."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from fulltape.clock import SECOND_NS
from fulltape.engine.history.archive import Archive
from fulltape.engine.history.pager import Source
from fulltape.errors import ConfigError
from fulltape.records.interval import format_interval

_DAY_S: Final = 86_400
BARS_SETTLED_NS: Final = 20 * SECOND_NS
"""A venue needs a moment to finish a bar: a younger one is not asked for."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is wanted of an instrument: bars of ``interval_s`` (trades if 0) with start <= time < end (ns)."""

    interval_s: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is: so much (ns) of the ``total`` time was there already or has come, and how many rows came."""

    done: int
    total: int
    rows: int


def possible(source: Source, wish: Wish) -> Wish:
    """Return a wish cut to what can exist by now, at the bounds of bars.

    Raises ConfigError if the venue has no such history, or nothing is left.
    """
    spec = source.venue.spec
    end = min(wish.end, source.clock.now_ns())
    start = wish.start
    if wish.interval_s:
        offers = (_DAY_S,) if spec.polling else spec.history.bars  # a polled venue has a moment of each day
        if wish.interval_s not in offers:
            offered = ", ".join(map(format_interval, offers)) or "none at all"
            raise ConfigError(f"{spec.name} has no bars of {format_interval(wish.interval_s)}; it has {offered}")
        length = wish.interval_s * SECOND_NS
        start = start // length * length
        end = min(end, (source.clock.now_ns() - BARS_SETTLED_NS) // length * length)
        end = end // length * length
    if start >= end:
        raise ConfigError("--from must lie before --to and in the past, by at least one whole bar")
    return Wish(wish.interval_s, start, end)


async def backfill(
    archive: Archive, source: Source, wish: Wish, told: Callable[[Progress], None]
) -> list[tuple[int, int]]:
    """Fetch what is missing of a wish that is `possible`; return the stretches that the venue does not have.

    ``told`` hears of every page that is committed. Raises what the pages raise: what has come until then stays, and
    the same call goes on from there.
    """
    where = (wish.start, wish.end)

    async def missing() -> list[tuple[int, int]]:
        if wish.interval_s:
            return await archive.missing_bars(source, wish.interval_s, *where)
        return await archive.missing_trades(source, *where)

    total = wish.end - wish.start
    done, rows = total - sum(stop - first for first, stop in await missing()), 0
    told(Progress(done, total, rows))
    pages = archive.bars(source, wish.interval_s, *where) if wish.interval_s else archive.trades(source, *where)
    async for page in pages:
        done, rows = done + page.end - page.start, rows + len(page.batch)
        told(Progress(min(done, total), total, rows))
    return await missing()
