"""Alerts: pages, those that go on, every form, the stream."""

from __future__ import annotations

import csv
import io
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from tests.api.scene import BTC, ETH, Api, FakeBackend, Server, alert, receive, subscribe, target, trade

from fulltape.api.wire import PAGES, StatusAnswer
from fulltape.records import AlertState, Origin

CLEARED: dict[str, Any] = {"state": AlertState.CLEARED, "value": None}


async def test_alerts_come_in_pages_of_one_instrument_or_of_all(backend: FakeBackend, api: Api) -> None:
    await backend.commit(trade(1), trade(1, ETH), alert(1), alert(2, ETH), alert(3, **CLEARED))
    body = (await api.get("/api/v1/alerts")).json()
    assert body["alerts"][0] == {
        "instrument": BTC, "rule": "fast_move", "number": 1, "kind": "MOVE", "state": "RAISED", "figure": "change_5m",
        "value": 3.5, "threshold": 3.0, "detail": "price 64000", "origin": "LIVE",
        "event_time": "2027-01-15T08:00:01.000000000Z", "ingest_time": "2027-01-15T08:00:01.000000000Z",
    }  # fmt: skip
    assert [row["number"] for row in body["alerts"]] == [1, 2, 3]
    assert (body["simulated"], body["next"]) == (False, None)
    one = (await api.get("/api/v1/alerts", instrument=ETH)).json()["alerts"]
    assert [row["instrument"] for row in one] == [ETH]
    first = (await api.get("/api/v1/alerts", order="desc", limit="2")).json()
    rest = (await api.get("/api/v1/alerts", order="desc", limit="2", cursor=first["next"])).json()
    assert [row["number"] for row in first["alerts"] + rest["alerts"]] == [3, 2, 1]


async def test_a_range_goes_by_the_time_at_which_they_were_decided(backend: FakeBackend, api: Api) -> None:
    await backend.commit(alert(1), alert(2), alert(3))
    body = (await api.get("/api/v1/alerts", start="2027-01-15T08:00:02Z", end="2027-01-15T08:00:03Z")).json()
    assert [row["number"] for row in body["alerts"]] == [2]


async def test_active_alerts_are_those_that_were_not_cleared(backend: FakeBackend, api: Api) -> None:
    await backend.commit(
        alert(1), alert(1, ETH), alert(1, rule="wild"), alert(2, ETH, rule="seen", origin=Origin.REPLAY)
    )
    await backend.commit(alert(1, **CLEARED))
    answer = await api.get("/api/v1/alerts/active")
    found = msgspec.json.decode(answer.content, type=PAGES["alerts"])
    assert [(row.instrument, row.rule) for row in found.alerts] == [(BTC, "wild"), (ETH, "fast_move")]  # type: ignore[attr-defined]
    assert answer.json()["alerts"][0]["ingest_time"] == "2027-01-15T08:00:01.000000000Z"


@pytest.mark.parametrize("form", ["csv", "arrow", "parquet"])
async def test_every_form_holds_the_same(form: str, backend: FakeBackend, api: Api) -> None:
    await backend.commit(alert(1), alert(2, **CLEARED))
    answer = await api.get("/api/v1/alerts", format=form)
    assert answer.status_code == 200
    if form == "csv":
        rows = list(csv.DictReader(io.StringIO(answer.text)))
    elif form == "arrow":
        rows = pa.ipc.open_stream(answer.content).read_all().to_pylist()
    else:
        rows = pa.parquet.read_table(pa.BufferReader(answer.content)).to_pylist()
    assert [(row["rule"], row["state"]) for row in rows] == [("fast_move", "RAISED"), ("fast_move", "CLEARED")]


@pytest.mark.integration
async def test_a_snapshot_holds_the_newest_alerts_and_commits_the_next(backend: FakeBackend, server: Server) -> None:
    await backend.commit(trade(1), *(alert(n) for n in range(1, 251)))
    async with server.stream() as socket:
        await subscribe(socket, "alerts")
        snapshot = await receive(socket)
        assert [row["number"] for row in snapshot["alerts"]] == list(range(51, 251))
        await backend.commit(alert(251, **CLEARED))
        message = await receive(socket, "commit")
        assert [(row["number"], row["state"], row["value"]) for row in message["alerts"]] == [(251, "CLEARED", None)]


async def test_made_up_prices_are_labelled(backend: FakeBackend, api: Api) -> None:
    backend.simulated = True
    await backend.commit(alert(1))
    for path in ("alerts", "alerts/active"):
        assert (await api.get(f"/api/v1/{path}")).json()["simulated"] is True


async def test_what_is_wrong_is_a_problem(api: Api) -> None:
    assert (await api.get("/api/v1/alerts", instrument="zzz")).status_code == 404
    assert (await api.get("/api/v1/alerts", rule="x")).status_code == 400


async def test_the_status_tells_who_is_told(backend: FakeBackend, api: Api) -> None:
    backend.targets = (target(detail="the answer was status 500"),)
    answer = await api.get("/api/v1/status")
    status = msgspec.json.decode(answer.content, type=StatusAnswer)
    assert status.targets == backend.targets  # type: ignore[attr-defined]
