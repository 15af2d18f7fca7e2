"""Candles of intervals that are not stored, and prices carried forward."""

from __future__ import annotations

from typing import Any

import pytest
from tests.api.scene import BTC, ETH, START_NS, Api, FakeBackend, candle, minute

from fulltape.clock import SECOND_NS, format_rfc3339
from fulltape.records import Candle, CandleSource, EmptyReason
from fulltape.records.interval import window_start


def traded(number: int, *, is_final: bool = True) -> Candle:
    price = 100.0 + number
    return Candle(
        BTC, "1m", minute(number), price, price + 3, price - 3, price + 1, 2.0, 2 * price, price, 4, 1.0, 0, is_final,
        CandleSource.TRADES, EmptyReason.NONE,
    )  # fmt: skip


def empty(number: int) -> Candle:
    return Candle(
        BTC, "1m", minute(number), None, None, None, None, 0.0, 0.0, None, 0, 0.0, 0, True, CandleSource.TRADES,
        EmptyReason.QUIET,
    )  # fmt: skip


async def rows(api: Api, **query: Any) -> list[dict[str, Any]]:
    answer = await api.get("/api/v1/candles", instrument=BTC, **query)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["candles"]
    return found


async def test_an_interval_that_is_not_stored_is_rolled_up(backend: FakeBackend, api: Api) -> None:
    await backend.commit(*(traded(n) for n in range(14)), candle(minute(0), ETH, interval="7m"))
    found = await rows(api, interval="7m")
    first = window_start(minute(0), 420)
    assert [row["start"] for row in found[:2]] == [format_rfc3339(first + n * 420 * SECOND_NS) for n in range(2)]
    inside = [n for n in range(14) if first <= minute(n) < first + 420 * SECOND_NS]
    assert (found[0]["open"], found[0]["close"]) == (100.0 + inside[0], 101.0 + inside[-1])
    assert found[0]["trades"] == 4 * len(inside)
    assert sum(row["volume"] for row in found) == 28.0
    assert {row["interval"] for row in found} == {"7m"}


async def test_a_rolled_window_is_final_only_when_its_last_part_is(backend: FakeBackend, api: Api) -> None:
    begin = (window_start(START_NS, 420) + 420 * SECOND_NS - minute(0)) // (60 * SECOND_NS)
    await backend.commit(*(traded(begin + n) for n in range(5)))
    assert [row["is_final"] for row in await rows(api, interval="7m")] == [False]
    await backend.commit(traded(begin + 5), traded(begin + 6))
    assert [row["is_final"] for row in await rows(api, interval="7m")] == [True]


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_pages_of_rolled_windows_are_the_whole(order: str, backend: FakeBackend, api: Api) -> None:
    await backend.commit(*(traded(n) for n in range(40) if n not in (9, 10, 11, 12, 20)))
    whole = await rows(api, interval="3m", order=order)
    pages: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        body = (await api.get("/api/v1/candles", instrument=BTC, interval="3m", order=order, limit=4, **cursor)).json()
        pages += body["candles"]
        if body["next"] is None:
            break
        cursor = {"cursor": body["next"]}
    assert pages == whole
    assert len(whole) == 13


async def test_a_range_holds_the_windows_that_begin_in_it(backend: FakeBackend, api: Api) -> None:
    await backend.commit(*(traded(n) for n in range(12)))
    bounds = {"start": format_rfc3339(minute(1)), "end": format_rfc3339(minute(9))}
    found = await rows(api, interval="3m", **bounds)
    assert [row["start"][14:16] for row in found] == ["03", "06"]
    assert [row["trades"] for row in found] == [12, 12]


async def test_a_page_of_too_many_stored_candles_is_refused(backend: FakeBackend, api: Api) -> None:
    await backend.commit(traded(0))
    answer = await api.get("/api/v1/candles", instrument=BTC, interval="366d")
    assert answer.status_code == 400
    assert "made of 527,040 stored candles of 1m: that is too long" in answer.json()["detail"]
    answer = await api.get("/api/v1/candles", instrument=BTC, interval="7d")
    assert "limit=49 at most" in answer.json()["detail"]
    assert len(await rows(api, interval="7d", limit=49)) == 1
    assert await rows(api, interval="90s") == []  # nothing that is stored makes it up


async def test_empty_windows_can_show_the_close_before(backend: FakeBackend, api: Api) -> None:
    await backend.commit(traded(0), empty(1), empty(2), traded(3), empty(4))
    assert [row["close"] for row in await rows(api, interval="1m")] == [101.0, None, None, 104.0, None]
    for order, closes in (("asc", [101.0, 101.0, 101.0, 104.0, 104.0]), ("desc", [104.0, 104.0, 101.0, 101.0, 101.0])):
        found = await rows(api, interval="1m", fill="last", order=order)
        assert [row["close"] for row in found] == closes
    assert (found[-2]["open"], found[-2]["trades"], found[-2]["reason"], found[-2]["vwap"]) == (101.0, 0, "QUIET", None)
    later = await rows(api, interval="1m", fill="last", start=format_rfc3339(minute(1)))
    assert [row["close"] for row in later] == [101.0, 101.0, 104.0, 104.0]


async def test_there_may_be_no_close_to_show(backend: FakeBackend, api: Api) -> None:
    await backend.commit(empty(0), empty(1), traded(2))
    found = await rows(api, interval="1m", fill="last")
    assert [row["close"] for row in found] == [None, None, 103.0]
    assert await rows(api, interval="1m", fill="last", end=format_rfc3339(minute(0))) == []
