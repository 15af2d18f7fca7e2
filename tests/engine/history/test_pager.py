"""Pages: whatever way a venue pages, they join without a gap and claim nothing that they do not have."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.engine.shelf import MINUTE, SECOND, Kept, Shelf, times, trades_of

from fulltape.clock import ManualClock
from fulltape.engine.history.pager import SETTLED_NS, bar_pages, trade_pages
from fulltape.engine.pipeline.spans import Spans
from fulltape.errors import MalformedFrame
from fulltape.records import BARS, COINS, Array, Batch
from fulltape.records.page import Page
from fulltape.venues.base import Paging, RestRequest, TradesPage
from fulltape.venues.registry import venue

NOON = 1_618_660_800 * SECOND
NOW = NOON + 100 * SECOND
ALL = [Kept(n, NOON + n * SECOND) for n in range(1, 100)]


async def every(pages: AsyncIterator[Page]) -> list[Page]:
    return [page async for page in pages]


def pages_of(shelf: Shelf, start: int, end: int, cursor: str | None = None, now: int = NOW) -> list[Page]:
    return asyncio.run(every(trade_pages(shelf.source(ManualClock(now)), start, end, cursor)))


KEPT = st.lists(st.integers(0, 40), max_size=40).map(
    lambda at: [Kept(n, NOON + time) for n, time in enumerate(sorted(at), start=1)]
)


@settings(max_examples=100, deadline=None)
@given(
    kept=KEPT,
    paging=st.sampled_from(Paging),
    rows=st.integers(1, 12),
    bounds=st.tuples(st.integers(0, 45), st.integers(0, 45)).map(sorted),
)
def test_pages_hold_every_trade_of_what_they_claim(
    kept: list[Kept], paging: Paging, rows: int, bounds: list[int]
) -> None:
    most_at_once = max(np.unique([one.time for one in kept], return_counts=True)[1], default=0)
    if paging in (Paging.BACK_BY_TIME, Paging.FORWARD):
        rows += int(most_at_once)  # else no page could lead on
    start, end = (NOON + bound for bound in bounds)
    if start == end:
        return
    pages = pages_of(Shelf(kept=kept, paging=paging, rows=rows), start, end, now=NOW)
    claimed = Spans()
    for page in pages:
        assert start <= page.start <= page.end <= end
        assert claimed.gaps(page.start, page.end) == [(page.start, page.end)][: page.end - page.start]
        claimed.add(page.start, page.end)
    came = {one for page in pages for one in page.batch["trade_id"].tolist()}
    assert {one.id for one in kept if claimed.covers(one.time, one.time + 1)} <= came
    assert came <= {one.id for one in kept if start <= one.time < end}
    assert len(claimed.items) <= 1
    assert [page.edge for page in pages if page.edge is not None] == [
        page.end if paging is Paging.FORWARD else page.start for page in pages[:-1]
    ]
    has_all = paging is not Paging.NEWEST and kept and kept[0].time < start
    if has_all or paging is Paging.FORWARD:
        assert claimed.covers(start, end)


@pytest.mark.parametrize("paging", [Paging.BACK_BY_ID, Paging.BACK_BY_TIME, Paging.FORWARD, Paging.NEWEST])
def test_the_last_moments_before_now_are_not_claimed(paging: Paging) -> None:
    kept = [Kept(n, NOON + n * SECOND) for n in range(1, 41)]
    shelf = Shelf(kept=kept, paging=paging, rows=100)
    now = NOON + 40 * SECOND
    pages = pages_of(shelf, NOON + 2 * SECOND, now + 60 * SECOND, now=now)
    newest = kept[-1].time + 1 if paging is not Paging.FORWARD else now - SETTLED_NS
    assert max(page.end for page in pages) == newest
    later = pages_of(shelf, NOON + 2 * SECOND, now + 60 * SECOND, now=now + 60 * SECOND)
    assert max(page.end for page in later) == now + 60 * SECOND - SETTLED_NS


def test_where_history_begins_its_first_moment_is_not_claimed() -> None:
    """Older trades of that moment may be gone already."""
    (page,) = pages_of(Shelf(kept=ALL[:5], rows=10), NOON, NOON + 60 * SECOND)
    assert (page.start, times(page.batch)) == (ALL[0].time + 1, [one.time for one in ALL[:5]])


def test_paging_by_id_begins_where_it_is_told() -> None:
    shelf = Shelf(kept=ALL, rows=4)
    pages = pages_of(shelf, ALL[40].time, ALL[50].time, cursor="60")
    assert shelf.asked == ["60", "56", "52", "48", "44"]
    assert [len(page.batch) for page in pages] == [3, 4, 3]
    assert sorted(row for page in pages for row in page.batch["trade_id"].tolist()) == list(range(41, 51))


def test_paging_by_time_begins_at_the_end() -> None:
    shelf = Shelf(kept=ALL, rows=4, paging=Paging.BACK_BY_TIME)
    pages_of(shelf, ALL[40].time, ALL[50].time, cursor=None)
    assert shelf.asked[0] == "2021-04-17T12:00:51.000000000Z"


def test_an_empty_history_is_claimed_as_empty() -> None:
    (page,) = pages_of(Shelf(), NOON, NOON + 10 * SECOND)
    assert (page.start, page.end, len(page.batch), page.edge) == (NOON + 10 * SECOND, NOON + 10 * SECOND, 0, None)
    (page,) = pages_of(Shelf(paging=Paging.FORWARD), NOON, NOON + 10 * SECOND)
    assert (page.start, page.end, len(page.batch), page.edge) == (NOON, NOON + 10 * SECOND, 0, None)


class Stuck(Shelf):
    """A venue whose next page is the one that was just asked for."""

    def parse_trades(self, body: bytes, code: int, ingest_time: int, limit: int) -> TradesPage:
        found = super().parse_trades(body, code, ingest_time, limit)
        return TradesPage(found.trades, body.decode(), body.decode())


@pytest.mark.parametrize(("paging", "word"), [(Paging.BACK_BY_ID, "before"), (Paging.FORWARD, "after")])
def test_pages_that_do_not_go_on_are_refused(paging: Paging, word: str) -> None:
    with pytest.raises(MalformedFrame, match=f"asked for trades {word} .* again"):
        pages_of(Stuck(kept=ALL, paging=paging), NOON, NOON + 90 * SECOND, cursor="99")


class Roaming(Shelf):
    """A venue that leads from one page to the next for ever, with trades or without."""

    def parse_trades(self, body: bytes, code: int, ingest_time: int, limit: int) -> TradesPage:
        place = {"newest": 50, "40": 50, "50": 40}[body.decode()]
        rows = trades_of([Kept(n, NOON + n * SECOND) for n in range(place, place + self.rows)], code)
        return TradesPage(rows, str(place))


def test_pages_that_lead_back_and_forth_come_to_an_end() -> None:
    with pytest.raises(MalformedFrame, match="asked for trades before 40, to go on at 50 gives them again"):
        pages_of(Roaming(), NOON, NOON + 90 * SECOND)


def test_empty_pages_that_lead_on_come_to_an_end() -> None:
    with pytest.raises(MalformedFrame, match="a page without trades is not the last one"):
        pages_of(Roaming(rows=0), NOON, NOON + 90 * SECOND)


def test_trades_outside_of_what_was_asked_for_are_left_out() -> None:
    """A venue that does not look at what it is asked for sends everything it has."""
    shelf = Shelf(kept=ALL[30:60], rows=1_000)
    pages = pages_of(shelf, ALL[40].time, ALL[50].time, cursor="1000")
    assert [times(page.batch) for page in pages] == [[one.time for one in ALL[40:50]]]


class Bent(Shelf):
    """A venue whose bars are ``bent`` before they are sent."""

    bent: Callable[[dict[str, Array]], None] = staticmethod(lambda columns: None)

    def parse_bars(self, body: bytes, code: int, interval_s: int, ingest_time: int) -> Batch:
        found = super().parse_bars(body, code, interval_s, ingest_time)
        columns = {name: array.copy() for name, array in found.columns.items()}
        self.bent(columns)
        return Batch(BARS, columns)


def bend(name: str, by: float) -> Callable[[dict[str, Array]], None]:
    def change(columns: dict[str, Array]) -> None:
        columns[name][2] += by

    return change


@pytest.mark.parametrize(
    ("name", "by", "words"),
    [
        ("high", -1, "bad_bar: prices that contradict each other"),
        ("low", 1, "bad_bar: prices that contradict each other"),
        ("close", 0.5, "bad_bar: prices that contradict each other"),
        ("start", 30 * SECOND, "bad_start: bars of 60 s that overlap"),
        ("start", MINUTE, "bad_start: bars of 60 s that overlap"),
    ],
)
def test_bars_that_contradict_themselves_or_each_other_are_refused(name: str, by: float, words: str) -> None:
    shelf = Bent()
    shelf.bent = bend(name, by)
    with pytest.raises(MalformedFrame, match=words):
        bars(shelf, 60, NOON, NOON + 5 * MINUTE)


def test_days_may_begin_at_an_hour_of_the_venue() -> None:
    def shift(columns: dict[str, Array]) -> None:
        columns["start"] += 6 * 3_600 * SECOND

    shelf, day = Bent(), 86_400 * SECOND
    shelf.bent = shift
    (page,) = bars(shelf, 86_400, NOON - NOON % day, NOON - NOON % day + 2 * day)
    assert len(page.batch) > 0


def bars(shelf: Shelf, interval_s: int, start: int, end: int, now: int = NOW) -> list[Page]:
    return asyncio.run(every(bar_pages(shelf.source(ManualClock(now)), interval_s, start, end)))


@given(count=st.integers(0, 30), at_once=st.integers(1, 7), quiet=st.sets(st.integers(0, 30)))
def test_bars_are_asked_for_as_the_venue_allows_newest_first(count: int, at_once: int, quiet: set[int]) -> None:
    shelf = Shelf(bars_at_once=at_once, quiet=frozenset(NOON + n * MINUTE for n in quiet))
    pages = bars(shelf, 60, NOON, NOON + count * MINUTE)
    ranges = [(page.start, page.end) for page in pages]
    assert ranges == sorted(ranges, reverse=True)
    assert len(pages) == -(-count // at_once)
    covered = Spans()
    for page in pages:
        covered.add(page.start, page.end)
        assert times(page.batch, "start") == [
            time for time in range(page.start, page.end, MINUTE) if time not in shelf.quiet
        ]
    assert covered.gaps(NOON, NOON + count * MINUTE) == []


def test_bars_that_the_venue_does_not_keep_are_not_asked_for() -> None:
    now = NOON + 60 * MINUTE + 1
    pages = bars(Shelf(bars_at_once=50, bars_kept=10), 60, NOON, NOON + 60 * MINUTE, now)
    assert [(page.start, page.end) for page in pages] == [(NOON + 51 * MINUTE, NOON + 60 * MINUTE)]


def test_an_aggregator_is_asked_for_its_moments() -> None:
    asked: list[RestRequest] = []
    coins, day = venue("livecoinwatch"), 86_400 * SECOND

    async def fetch(request: RestRequest) -> bytes:
        asked.append(request)
        return b'{"history": []}'

    source = Shelf().source(ManualClock(NOW))
    source = type(source)(coins, "BTC-USD", 3, fetch, source.clock)
    pages = asyncio.run(every(bar_pages(source, 86_400, NOON - day // 2, NOON + day)))
    assert [(page.start, page.end) for page in pages] == [(NOON - day // 2, NOON + day // 2)]
    assert (pages[0].batch.schema, len(pages[0].batch), pages[0].instrument) == (COINS, 0, 3)
    assert len(asked) == 1


def test_a_source_says_whose_it_is() -> None:
    assert Shelf().source(ManualClock(NOW)).name == "COINBASE BTC-USD"
