"""Statistics over REST: what is stored, in pages."""

from __future__ import annotations

import msgspec
import pytest
from tests.api.scene import BTC, ETH, START_NS, Api, FakeBackend, candle
from tests.conformance.samples import NOON, activity_bar, stat, window

from fulltape.api.wire import PAGES
from fulltape.clock import SECOND_NS

_HOUR = 3_600 * SECOND_NS


@pytest.mark.parametrize(
    ("kind", "rows"),
    [
        ("stats", [stat(NOON + n, trade_id=str(n)) for n in range(3)]),
        ("windows", [window(NOON + n * 30 * SECOND_NS) for n in range(3)]),
        ("activity_bars", [activity_bar(n) for n in range(3)]),
    ],
)
async def test_stored_statistics_come_in_pages(
    kind: str, rows: list[msgspec.Struct], backend: FakeBackend, api: Api
) -> None:
    await backend.commit(*rows)
    body = (await api.get(f"/api/v1/{kind}", instrument=BTC, limit=2)).content
    page = msgspec.json.decode(body)
    msgspec.json.decode(body, type=PAGES[kind])
    rest = (await api.get(f"/api/v1/{kind}", instrument=BTC, limit=2, cursor=page["next"])).json()
    assert (len(page[kind]), len(rest[kind]), rest["next"]) == (2, 1, None)


async def test_the_newest_of_each(backend: FakeBackend, api: Api) -> None:
    await backend.commit(stat(NOON, trade_id="1"), stat(NOON + 1, trade_id="2"), stat(instrument=ETH, trade_id="1"))
    found = (await api.get("/api/v1/stats/latest")).json()["stats"]
    assert [(row["instrument"], row["trade_id"]) for row in found] == [(BTC, "2"), (ETH, "1")]
    assert len((await api.get("/api/v1/stats/latest", instrument=ETH)).json()["stats"]) == 1


async def test_the_newest_of_each_may_be_of_now_or_of_long_ago(backend: FakeBackend, api: Api) -> None:
    old = [stat(START_NS - 400 * _HOUR + n, instrument=ETH, trade_id=str(n)) for n in range(2)]
    await backend.commit(*old, *(stat(START_NS + n, trade_id=str(n)) for n in range(3)))
    found = (await api.get("/api/v1/stats/latest")).json()["stats"]
    assert [(row["instrument"], row["trade_id"]) for row in found] == [(BTC, "2"), (ETH, "1")]


async def test_a_time_far_ahead_is_newest_only_until_the_next(backend: FakeBackend, api: Api) -> None:
    """A tick that claimed to be of the next hour was the newest one for that hour."""
    wrong = {"event_time": START_NS + _HOUR, "ingest_time": START_NS}
    await backend.commit(stat(**wrong, trade_id="1"), stat(**wrong, instrument=ETH, trade_id="1"))
    assert [row["trade_id"] for row in (await api.get("/api/v1/stats/latest")).json()["stats"]] == ["1", "1"]
    await backend.commit(stat(START_NS + 1, trade_id="2"), stat(START_NS + 1, instrument=ETH, trade_id="2"))
    assert [row["trade_id"] for row in (await api.get("/api/v1/stats/latest")).json()["stats"]] == ["2", "2"]
    await backend.commit(stat(START_NS + 1_200 * SECOND_NS, trade_id="3"), clock=START_NS + 1_800 * SECOND_NS)
    assert [row["trade_id"] for row in (await api.get("/api/v1/stats/latest")).json()["stats"]] == ["3", "2"]


async def test_hours_come_in_pages_either_way(backend: FakeBackend, api: Api) -> None:
    await backend.commit(*(candle(START_NS + n * _HOUR, interval="1h") for n in range(5)), candle(START_NS, ETH, "1h"))
    for order in ("asc", "desc"):
        query = {"instrument": BTC, "order": order}
        whole = (await api.get("/api/v1/hourly", **query)).json()["hourly"]
        first = (await api.get("/api/v1/hourly", **query, limit=3)).json()
        second = (await api.get("/api/v1/hourly", **query, limit=3, cursor=first["next"])).json()
        assert first["hourly"] + second["hourly"] == whole
        assert (len(whole), second["next"]) == (5, None)
    assert whole[-1] == {
        "instrument": BTC,
        "hour_start": "2027-01-15T08:00:00.000000000Z",
        "transaction_count": 7,
        "total_trade_volume": 20.0,
    }
    bounds = {"start": "2027-01-15T09:00:00Z", "end": "2027-01-15T11:00:00Z"}
    assert len((await api.get("/api/v1/hourly", instrument=BTC, **bounds)).json()["hourly"]) == 2


async def test_days_come_as_csv_too(backend: FakeBackend, api: Api) -> None:
    await backend.commit(candle(START_NS // (24 * _HOUR) * 24 * _HOUR, interval="1d"))
    assert (await api.get("/api/v1/daily", instrument=BTC)).json()["daily"][0]["sma_10d"] is None
    answer = await api.get("/api/v1/daily", instrument=BTC, format="csv")
    assert answer.text.startswith("instrument,day,open,")
    assert (await api.get("/api/v1/daily", instrument="BTC-USD.NOWHERE")).status_code == 404
