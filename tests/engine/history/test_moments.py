"""The history of a polled venue: one moment a day, into coins and not into candles."""

from __future__ import annotations

import json

import pytest
from tests.engine.machine import MINUTES, SECOND

from fulltape.clock import ManualClock, format_rfc3339, parse_rfc3339
from fulltape.engine.history.backfill import Wish, possible
from fulltape.engine.history.pager import Source, bar_pages
from fulltape.engine.pipeline import Pipeline
from fulltape.errors import ConfigError
from fulltape.records import COINS, Batch, InstrumentTable
from fulltape.records.page import Page
from fulltape.venues.base import RestRequest
from fulltape.venues.livecoinwatch import LiveCoinWatch
from fulltape.venues.registry import venue

VENUE = LiveCoinWatch()
DAY_S = 86_400
DAY = DAY_S * SECOND
START = parse_rfc3339("2024-01-01T00:00:00Z")
NOW = START + 3 * DAY + 7 * 3_600 * SECOND


async def answer(request: RestRequest) -> bytes:
    """Have a point of every day but the second."""
    asked = json.loads(request.body)
    is_second = asked["start"] * 10**6 // DAY == START // DAY + 1
    points = [] if is_second else [{"date": asked["start"] + 100, "rate": 40_000.0}]
    return json.dumps({"history": points}).encode()


def source() -> Source:
    return Source(VENUE, "BTC-USD", 0, answer, ManualClock(NOW))


class Nothing:
    """A history in which nothing is committed."""

    def __getattr__(self, name: str) -> object:
        raise AssertionError(f"asked for {name}")


async def pages() -> list[Page]:
    return [page async for page in bar_pages(source(), DAY_S, START, START + 3 * DAY)]


async def test_each_page_is_a_day_with_its_moment_newest_first() -> None:
    found = await pages()
    assert [(page.start, page.end, len(page.batch)) for page in found] == [
        (START + 2 * DAY, START + 3 * DAY, 1),
        (START + DAY, START + 2 * DAY, 0),
        (START, START + DAY, 1),
    ]
    (moment,) = found[-1].batch["event_time"].tolist()
    assert format_rfc3339(moment) == "2024-01-01T12:00:00.100000000Z"


async def test_moments_are_stored_and_known_and_make_no_candles() -> None:
    table = InstrumentTable([VENUE.instrument("BTC-USD")])
    pipeline = Pipeline(table, venue, MINUTES)
    stored: list[Batch] = []
    for page in await pages():
        outcome = pipeline.step([page], NOW, Nothing())  # type: ignore[arg-type]
        assert set(outcome.batches) <= {COINS.name, "last"}
        stored += [outcome.batches[COINS.name]] if COINS.name in outcome.batches else []
    assert sum(map(len, stored)) == 2
    assert pipeline.known.bars_missing(0, DAY_S, START, START + 4 * DAY) == [(START + 3 * DAY, START + 4 * DAY)]


def test_days_can_be_wished_for_and_nothing_shorter() -> None:
    assert possible(source(), Wish(DAY_S, START + 5, NOW)) == Wish(DAY_S, START, START + 3 * DAY)
    with pytest.raises(ConfigError, match="LIVECOINWATCH has no bars of 1m; it has 1d"):
        possible(source(), Wish(60, START, NOW))
