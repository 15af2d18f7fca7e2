"""Pages and cursors: all pages together are the whole, whatever their size and order."""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.api.scene import BTC, ETH, START_NS, Api, FakeBackend, candle, minute, quote, stretch, trade

from fulltape.api.paging import PageQuery, decode_cursor, encode_cursor, parse_time, read_page
from fulltape.clock import SECOND_NS
from fulltape.records import CANDLES, COVERAGE, QUOTES, TRADES, Schema
from fulltape.records.interval import parse_interval
from fulltape.stores.base import Cursor, Selection
from fulltape.stores.duckdb import DuckDbStore

TIMES = [START_NS + n // 3 * SECOND_NS for n in range(12)]
"""Three records share each time."""


@pytest.fixture(scope="module")
def market() -> Iterator[FakeBackend]:
    with tempfile.TemporaryDirectory() as folder, DuckDbStore.open(Path(folder) / "x.duckdb", simulated=False) as store:
        backend = FakeBackend(store)
        backend.add(BTC, ETH)
        rows: list[msgspec.Struct] = []
        for number, time in enumerate(TIMES):
            rows += [trade(number, time=time), quote(number, time=time), trade(number, ETH, time=time)]
            rows += [candle(minute(number)), candle(minute(number), interval="5m")]
            rows.append(stretch(time, time + SECOND_NS, first_missing=f"{number:02}"))
        store.commit(backend.build(*rows))
        yield backend


@pytest.mark.parametrize("schema", [TRADES, QUOTES, CANDLES, COVERAGE], ids=lambda schema: schema.name)
@given(
    limit=st.integers(1, 14),
    newest_first=st.booleans(),
    start=st.none() | st.integers(-2, 14),
    end=st.none() | st.integers(-2, 14),
)
@settings(max_examples=40, deadline=None)
def test_pages_join_to_the_whole(
    schema: Schema, limit: int, newest_first: bool, start: int | None, end: int | None, market: FakeBackend
) -> None:
    step = 60 * SECOND_NS if schema is CANDLES else SECOND_NS // 3
    first, last = (None if n is None else minute(0) + n * step for n in (start, end))
    selection = Selection(schema, (0,), interval_s=60 if schema is CANDLES else None)
    reader = market.reader()

    def pages(size: int) -> list[list[Any]]:
        found, after = [], None
        while True:
            batch, cursor = read_page(reader, selection, PageQuery(first, last, size, after, newest_first))
            found.append(batch.rows(market.table))
            if cursor is None:
                return found
            after = decode_cursor(encode_cursor(cursor))

    whole = [row for page in pages(100) for row in page]
    in_pages = pages(limit)
    reader.close()
    assert [row for page in in_pages for row in page] == whole
    assert all(len(page) == limit for page in in_pages[:-1])
    times = [getattr(row, schema.time) for row in whole]
    assert times == sorted(times, reverse=newest_first)
    assert all(last is None or time < last for time in times)
    if schema is COVERAGE:
        assert all(first is None or row.end > first for row in whole)
    else:
        assert all(first is None or time >= first for time in times)


def test_coverage_that_began_long_before_the_range_is_in_it(market: FakeBackend) -> None:
    reader = market.reader()
    page = PageQuery(START_NS + SECOND_NS // 2, START_NS + SECOND_NS, 10, None, newest_first=False)
    batch, _ = read_page(reader, Selection(COVERAGE, (0,)), page)
    reader.close()
    assert len(batch) == 3


async def test_next_leads_through_all_trades(backend: FakeBackend, api: Api) -> None:
    await backend.commit(*(trade(n) for n in range(1, 6)))
    seen: list[str] = []
    query: dict[str, Any] = {"instrument": BTC, "limit": 2, "order": "desc"}
    while True:
        body = (await api.get("/api/v1/trades", **query)).json()
        seen += [row["trade_id"] for row in body["trades"]]
        if body["next"] is None:
            break
        query["cursor"] = body["next"]
    assert seen == ["5", "4", "3", "2", "1"]


@given(
    st.builds(Cursor, st.integers(-(2**62), 2**62), st.integers(-(2**63), 2**63 - 1), st.integers(-(2**63), 2**63 - 1))
)
def test_cursor_round_trip(cursor: Cursor) -> None:
    assert decode_cursor(encode_cursor(cursor)) == cursor


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "é",
        "AAAA",
        "=" * 32,
        "A" * 31,
        "A" * 36,
        base64.urlsafe_b64encode((2**63 - 1).to_bytes(8, "big") + bytes(16)).decode(),
    ],
)
async def test_a_cursor_from_elsewhere_is_refused(cursor: str, api: Api) -> None:
    answer = await api.get("/api/v1/trades", instrument=BTC, cursor=cursor)
    assert (answer.status_code, "cursor" in answer.json()["detail"]) == (400, True)


@pytest.mark.parametrize(("low", "high"), [(0, 0), (-1, 0), (10**12, 0), (1, 1)])
async def test_a_cursor_of_another_call_is_refused(low: int, high: int, api: Api) -> None:
    cursor = encode_cursor(Cursor(START_NS, low, high))
    answer = await api.get("/api/v1/quotes", instrument=BTC, cursor=cursor)
    assert answer.status_code == 400


@pytest.mark.parametrize("start", ["0001-01-01T00:00:00+23:00", "0001-01-01T00:00:00Z", "1970-01-01T00:00:00 01:00"])
@pytest.mark.parametrize("end", ["9999-12-31T23:59:59-23:00", "9999-12-31T23:59:59Z"])
async def test_times_beyond_all_records_select_everything(start: str, end: str, backend: FakeBackend, api: Api) -> None:
    await backend.commit(trade(1))
    answer = await api.get("/api/v1/trades", instrument=BTC, start=start, end=end)
    assert (answer.status_code, len(answer.json()["trades"])) == (200, 1)


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+23:59", "1677-09-22", "2262-04-11", "9999-12-31T23:59:59-23:59"])
def test_a_named_time_leaves_room_for_two_of_the_longest_windows(text: str) -> None:
    """An hour taken off the earliest time of all left int64, and the answer was a 503."""
    time, longest = parse_time("end", text), parse_interval("366d") * SECOND_NS
    assert time is not None
    ends = np.iinfo(np.int64)
    assert ends.min < time - 2 * longest < time + 2 * longest < ends.max


@pytest.mark.parametrize("start", ["", "yesterday", "1800000000", "2027-02-30T00:00:00Z", "2027-02-30", "2027-1-15"])
async def test_what_is_not_a_time_is_refused(start: str, api: Api) -> None:
    answer = await api.get("/api/v1/trades", instrument=BTC, start=start)
    assert (answer.status_code, answer.json()["detail"].startswith("start: ")) == (400, True)
