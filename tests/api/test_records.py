"""Trades, quotes, candles, coverage, last: REST."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests.api.scene import BTC, ETH, Api, FakeBackend, call, candle, last, minute, quote, stretch, trade
from tests.conformance.samples import coin

from fulltape.api.wire import PAGES, LastList, StatusAnswer
from fulltape.errors import FatalError, TransientError


async def test_trades_come_in_order_with_wire_forms(backend: FakeBackend, api: Api) -> None:
    await backend.commit(trade(2), trade(1), trade(3, ETH))
    answer = await api.get("/api/v1/trades", instrument=BTC)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    body = answer.json()
    assert body["trades"][0] == {
        "instrument": BTC,
        "trade_id": "1",
        "price": 101.0,
        "size": 0.5,
        "aggressor_side": "BUY",
        "event_time": "2027-01-15T08:00:01.000000000Z",
        "ingest_time": "2027-01-15T08:00:01.000001000Z",
        "origin": "LIVE",
    }
    assert [row["trade_id"] for row in body["trades"]] == ["1", "2"]
    assert (body["next"], body["simulated"]) == (None, False)


async def test_a_range_is_half_open(backend: FakeBackend, api: Api) -> None:
    await backend.commit(*(trade(n) for n in range(1, 5)))
    start, end = "2027-01-15T08:00:02Z", "2027-01-15T09:00:04+01:00"
    body = (await api.get("/api/v1/trades", instrument=BTC, start=start, end=end)).json()
    assert [row["trade_id"] for row in body["trades"]] == ["2", "3"]
    assert (await api.get("/api/v1/trades", instrument=BTC, start=end, end=start)).json()["trades"] == []


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ({"start": "2027-01-16"}, ["2", "3"]),
        ({"end": "2027-01-16"}, ["1"]),
        ({"start": "2027-01-15", "end": "2027-01-16"}, ["1"]),
    ],
)
async def test_a_date_is_its_midnight_in_utc(
    query: dict[str, str], ids: list[str], backend: FakeBackend, api: Api
) -> None:
    await backend.commit(trade(1), trade(2, time=minute(16 * 60)), trade(3, time=minute(16 * 60) + 1))
    body = (await api.get("/api/v1/trades", instrument=BTC, **query)).json()
    assert [row["trade_id"] for row in body["trades"]] == ids


async def test_candles_are_those_of_the_interval(backend: FakeBackend, api: Api) -> None:
    await backend.commit(candle(minute(0)), candle(minute(1)), candle(minute(0), interval="5m"), candle(minute(0), ETH))
    body = (await api.get("/api/v1/candles", instrument=BTC, interval="60s", order="desc")).json()
    assert [row["start"] for row in body["candles"]] == [
        "2027-01-15T08:01:00.000000000Z",
        "2027-01-15T08:00:00.000000000Z",
    ]


async def test_every_answer_has_its_documented_type(backend: FakeBackend, api: Api) -> None:
    await backend.commit(trade(1), quote(1), candle(minute(0)), coin(minute(0)), last(1), stretch(minute(0), None))
    answers: dict[str, tuple[Any, dict[str, str]]] = {
        "trades": (PAGES["trades"], {"instrument": BTC}),
        "quotes": (PAGES["quotes"], {"instrument": BTC}),
        "candles": (PAGES["candles"], {"instrument": BTC, "interval": "1m"}),
        "coins": (PAGES["coins"], {"instrument": BTC}),
        "coverage": (PAGES["coverage"], {}),
        "last": (LastList, {}),
        "status": (StatusAnswer, {}),
    }
    for path, (kind, query) in answers.items():
        answer = await api.get(f"/api/v1/{path}", **query)
        msgspec.json.decode(answer.content, type=kind)
        assert path == "status" or len(answer.json()[path]) == 1


async def test_last_and_coverage_of_one_or_all(backend: FakeBackend, api: Api) -> None:
    await backend.commit(last(1), last(1, ETH), stretch(minute(0), None), stretch(minute(0), None, ETH))
    for kind in ("last", "coverage"):
        assert len((await api.get(f"/api/v1/{kind}")).json()[kind]) == 2
        assert [r["instrument"] for r in (await api.get(f"/api/v1/{kind}", instrument=ETH)).json()[kind]] == [ETH]


async def test_simulated_prices_are_labelled_everywhere(backend: FakeBackend, api: Api) -> None:
    backend.simulated = True
    for path in ("instruments", f"trades?instrument={BTC}", f"candles?instrument={BTC}&interval=1m", "last", "status"):
        assert (await api.get(f"/api/v1/{path}")).json()["simulated"] is True


@pytest.mark.parametrize(
    ("query", "status", "says"),
    [
        ("trades", 400, "instrument"),
        ("candles?instrument=BTC-USD.COINBASE", 400, "interval"),
        ("trades?instrument=BTC-USD.COINBAS", 404, BTC),
        ("trades?instrument=btc-usd.coinbase", 404, BTC),
        ("trades?instrument=zzz", 404, "/api/v1/instruments"),
        ("trades?instrumen=BTC-USD.COINBASE", 400, "did you mean 'instrument'?"),
        ("status?verbose=1", 400, "takes none"),
        ("trades?instrument=BTC-USD.COINBASE&limit=0", 400, "limit"),
        ("trades?instrument=BTC-USD.COINBASE&limit=10001", 400, "limit"),
        ("trades?instrument=BTC-USD.COINBASE&limit=many", 400, "limit"),
        ("trades?instrument=BTC-USD.COINBASE&order=up", 400, "order"),
        ("candles?instrument=BTC-USD.COINBASE&interval=1x", 400, "interval"),
        ("candles?instrument=BTC-USD.COINBASE&interval=999999d", 404, "999999d"),
        (f"trades?instrument={'x' * 101}", 400, "instrument"),
        ("nothing", 404, ""),
    ],
)
async def test_what_cannot_be_answered_is_a_problem_document(query: str, status: int, says: str, api: Api) -> None:
    answer = await api.get(f"/api/v1/{query}")
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert says in problem["detail"]


async def test_only_get_is_understood(api: Api) -> None:
    answer = await api.http.post("/api/v1/trades", content=b"x" * 100_000)
    assert (answer.status_code, answer.json()["title"]) == (405, "Method Not Allowed")
    assert "GET" in answer.headers["allow"]


@pytest.mark.parametrize(
    ("error", "status", "after"),
    [
        (TransientError("busy", retry_after_s=2.4), 503, "2"),
        (TransientError("busy"), 503, None),
        (FatalError("damaged"), 503, None),
        (ZeroDivisionError("secret"), 500, None),
    ],
)
async def test_a_failing_store_is_told_without_a_stack_trace(
    error: Exception, status: int, after: str | None, backend: FakeBackend, api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    backend.break_reader = error
    answer = await api.get("/api/v1/trades", instrument=BTC)
    assert (answer.status_code, answer.headers.get("retry-after")) == (status, after)
    assert "Traceback" not in answer.text
    assert (str(error) in answer.text) == (status == 503)
    assert ("secret" in caplog.text) == (status == 500)


async def test_a_reader_is_opened_once_per_thread(backend: FakeBackend) -> None:
    async with call(backend, reader_threads=1) as api:
        for _ in range(3):
            await api.get("/api/v1/last")
        assert len(backend.reader_threads) == 1
        assert backend.readers_opened == 1
