"""SQL over HTTP."""

from __future__ import annotations

import asyncio
import io
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from tests.api.scene import Api, FakeBackend, call, serve, trade

pytestmark = pytest.mark.integration

ENDLESS = "SELECT count(*) FROM range(90000000000000)"


async def ask(api: Api, query: str, path: str = "/api/v1/sql", **headers: str) -> httpx.Response:
    return await api.http.post(path, json={"query": query}, headers=headers)


async def test_rows_come_in_the_order_of_their_columns(backend: FakeBackend, api: Api) -> None:
    await backend.commit(trade(1), trade(2))
    answer = await ask(api, "SELECT trade_id, price, event_time, size > 1 AS big FROM trades ORDER BY event_time")
    assert answer.status_code == 200
    assert answer.json() == {
        "simulated": False,
        "columns": ["trade_id", "price", "event_time", "big"],
        "types": ["string", "double", "timestamp[ns]", "bool"],
        "rows": [
            ["1", 101.0, "2027-01-15T08:00:01.000000000Z", False],
            ["2", 102.0, "2027-01-15T08:00:02.000000000Z", False],
        ],
        "is_cut": False,
    }
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("9007199254740993", "9007199254740993"),
        ("-9007199254740991", -9007199254740991),
        ("NULL::BIGINT", None),
        ("1 / 0", None),
        ("'inf'::DOUBLE", None),
        ("1.50::DECIMAL(10, 2)", "1.50"),
        ("DATE '2026-11-20'", "2026-11-20"),
        ("NULL::TIMESTAMP", None),
        ("TIMESTAMP '2026-11-20 01:02:03.5'", "2026-11-20T01:02:03.500000000Z"),
        ("12345678901234567890::HUGEINT", "12345678901234567890"),
    ],
)
async def test_values_that_json_has_not_become_text_or_null(api: Api, expression: str, value: Any) -> None:
    assert (await ask(api, f"SELECT {expression}")).json()["rows"] == [[value]]


def read(form: str, body: bytes) -> pa.Table:
    match form:
        case "csv":
            return pa.csv.read_csv(io.BytesIO(body))
        case "arrow":
            return pa.ipc.open_stream(body).read_all()
    return pa.parquet.read_table(io.BytesIO(body))


@pytest.mark.parametrize("form", ["csv", "arrow", "parquet"])
async def test_the_same_rows_in_other_forms(backend: FakeBackend, api: Api, form: str) -> None:
    await backend.commit(trade(1), trade(2))
    query = "SELECT price, size FROM trades ORDER BY price"
    by_name = await ask(api, query, f"/api/v1/sql?format={form}")
    by_header = await ask(api, query, Accept=by_name.headers["content-type"].partition(";")[0])
    assert by_header.content == by_name.content
    assert read(form, by_name.content).to_pydict() == {"price": [101.0, 102.0], "size": [0.5, 0.5]}


async def test_csv_has_times_and_bytes_as_text(backend: FakeBackend, api: Api) -> None:
    await backend.commit(trade(1))
    answer = await ask(api, "SELECT event_time, INTERVAL 1 DAY AS d FROM trades", "/api/v1/sql?format=csv")
    assert answer.text.splitlines()[1].startswith('"2027-01-15T08:00:01.000000000Z"')


async def test_forms_that_there_are_not_are_refused(api: Api) -> None:
    unknown = await ask(api, "SELECT 1", "/api/v1/sql?format=cvs")
    assert (unknown.status_code, unknown.json()["detail"]) == (
        400,
        "unknown format 'cvs' (did you mean 'csv'?); there are json, csv, arrow, parquet",
    )
    assert (await ask(api, "SELECT 1", Accept="image/png")).status_code == 406


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"query": "DELETE FROM trades"}, "one SELECT"),
        ({"query": "FROM tradse"}, "did you mean 'trades'"),
        ({"query": ""}, "length >= 1"),
        ({"query": "SELECT 1", "qurey": ""}, "qurey"),
        ({}, "query"),
        ([], "object"),
    ],
)
async def test_what_cannot_be_run_is_a_problem_document(api: Api, body: Any, reason: str) -> None:
    answer = await api.http.post("/api/v1/sql", json=body)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert reason in answer.json()["detail"]


async def test_rows_beyond_the_limit_are_cut_off_and_it_is_said(backend: FakeBackend) -> None:
    async with call(backend, sql_rows=2) as api:
        assert (await ask(api, "FROM range(5)")).json()["is_cut"] is True
        assert (await ask(api, "FROM range(5)", "/api/v1/sql?format=csv")).headers["fulltape-cut"] == "1"
        whole = await ask(api, "FROM range(2)", "/api/v1/sql?format=csv")
        assert "fulltape-cut" not in whole.headers


async def test_made_up_prices_are_labelled_in_every_form(backend: FakeBackend, api: Api) -> None:
    backend.simulated = True
    assert (await ask(api, "SELECT 1")).json()["simulated"] is True
    assert (await ask(api, "SELECT 1", "/api/v1/sql?format=csv")).headers["fulltape-simulated"] == "1"


async def test_a_query_is_stopped_at_its_time(backend: FakeBackend) -> None:
    async with call(backend, sql_timeout_s=0.1) as api:
        answer = await ask(api, ENDLESS)
    assert (answer.status_code, answer.json()["detail"]) == (400, "query stopped: it ran for more than 0.1 s")


async def test_a_query_ends_when_its_client_goes(backend: FakeBackend) -> None:
    async with serve(backend, sql_timeout_s=600) as server:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await ask(server, ENDLESS)
        async with asyncio.timeout(120):  # far less than the time a query may run
            assert (await ask(server, "SELECT 1")).status_code == 200


async def test_too_many_that_wait_are_told_to_come_back(backend: FakeBackend) -> None:
    async with call(backend, sql_waiting=1, sql_timeout_s=0.3) as api:
        answers = await asyncio.gather(ask(api, ENDLESS), ask(api, "SELECT 1"))
    assert [answer.status_code for answer in answers] == [400, 503]
    assert answers[1].headers["retry-after"] == "2"
