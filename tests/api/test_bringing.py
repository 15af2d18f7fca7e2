"""Adding records over the API: a token, a form, all rows or none."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.api.scene import START_NS, Api, FakeBackend, call
from tests.api.test_tokens import token

from fulltape.api.app import create_app
from fulltape.api.config import ApiConfig
from fulltape.api.rest.bringing import MAX_BODY_BYTES
from fulltape.api.tokens import Scope, TokenFile
from fulltape.clock import SECOND_NS, format_rfc3339
from fulltape.imports.files import MEDIA_TYPES

TIME = format_rfc3339(START_NS - 60 * SECOND_NS)
ROW = {"instrument": "AAPL-USD.NASDAQ", "trade_id": "7", "price": 187.25, "size": 100, "event_time": TIME}
NDJSON = {"Content-Type": "application/x-ndjson"}


@pytest.fixture
async def writer(backend: FakeBackend, tmp_path: Path) -> AsyncIterator[Api]:
    """The API, called with a token that may write."""
    file = TokenFile(tmp_path / "tokens.json")
    file.add(token("writer", "ft_write", Scope.WRITE))
    file.add(token("reader", "ft_read", Scope.READ))
    async with call(backend, tokens=file.path) as api:
        api.http.headers["Authorization"] = "Bearer ft_write"
        yield api


async def send(api: Api, body: object, media_type: str = "application/json", **query: object) -> httpx.Response:
    content = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return await api.http.post(
        "/api/v1/records",
        content=content,
        headers={"Content-Type": media_type},
        params=query or None,  # type: ignore[arg-type]
    )


async def test_records_are_delivered_as_one(writer: Api, backend: FakeBackend) -> None:
    answer = await send(writer, [ROW, ROW | {"trade_id": "8"}])
    assert (answer.status_code, answer.json()) == (201, {"stored": 2, "duplicates": 1, "bad": 0})
    (delivery,) = backend.delivered
    assert [one.id for one in delivery.instruments] == ["AAPL-USD.NASDAQ"]
    assert delivery.batches[0]["price"].tolist() == [187.25, 187.25]
    assert delivery.stretches == {0: (START_NS - 60 * SECOND_NS, START_NS - 60 * SECOND_NS + 1)}


async def test_made_up_prices_never_become_live_ones(writer: Api, backend: FakeBackend) -> None:
    table = pa.Table.from_pylist([ROW]).replace_schema_metadata({b"fulltape.simulated": b"1"})
    out = pa.BufferOutputStream()
    with pa.ipc.new_stream(out, table.schema) as stream:
        stream.write_table(table)
    body = bytes(out.getvalue().to_pybytes())
    refused = await send(writer, body, "application/vnd.apache.arrow.stream")
    assert refused.status_code == 400
    assert "these prices are simulated" in refused.json()["detail"]
    assert backend.delivered == []
    backend.simulated = True
    assert (await send(writer, body, "application/vnd.apache.arrow.stream")).status_code == 201


async def test_every_form_gives_the_same(writer: Api, backend: FakeBackend) -> None:
    table = pa.Table.from_pylist([ROW])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    csv = ",".join(ROW) + "\n" + ",".join(map(str, ROW.values())) + "\n"
    bodies = {
        "application/json": msgspec.json.encode([ROW]),
        "application/x-ndjson": msgspec.json.encode(ROW) + b"\n",
        "application/vnd.apache.arrow.stream": sink.getvalue().to_pybytes(),
        "text/csv; charset=utf-8": csv.encode(),
    }
    for media_type, body in bodies.items():
        assert (await send(writer, body, media_type)).status_code == 201, media_type
    first, *others = [delivery.batches[0] for delivery in backend.delivered]
    for batch in others:
        assert all(batch[name].tolist() == first[name].tolist() for name in first.columns)


async def test_a_bad_row_keeps_all_out_and_is_named(writer: Api, backend: FakeBackend) -> None:
    rows = [ROW, ROW | {"price": -1}, ROW | {"event_time": "0001-01-01T00:00:00Z"}]
    answer = await send(writer, rows)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["title"], problem["bad"]) == ("Unprocessable Entity", 2)
    assert problem["errors"][0] == {
        "row": 2, "field": "price", "reason": "must be finite and above zero", "value": "-1.0"
    }  # fmt: skip
    assert problem["errors"][1]["field"] == "event_time"
    assert backend.delivered == []


async def test_bad_rows_may_be_left_out(writer: Api, backend: FakeBackend) -> None:
    answer = await send(writer, [ROW, ROW | {"size": "many"}], skip_bad=True)
    assert answer.json() == {"stored": 1, "duplicates": 1, "bad": 1}
    good, letters = backend.delivered[0].batches
    assert len(good) == 1
    assert letters["detail"].tolist() == ["row 2: size: not a number (many)"]
    assert msgspec.json.decode(letters["raw"][0])["size"] == "many"


async def test_only_a_token_of_scope_write_adds(writer: Api, backend: FakeBackend) -> None:
    for authorization, status in (("Bearer ft_read", 403), ("", 401), ("Bearer ft_gone", 401)):
        writer.http.headers["Authorization"] = authorization
        assert (await send(writer, [ROW])).status_code == status
    assert backend.delivered == []


@pytest.mark.parametrize(
    ("body", "media_type", "status", "detail"),
    [
        (b"[", "application/json", 400, "not a JSON array"),
        (b"{}", "application/json", 400, "not a JSON array"),
        (b"\xff", "application/json", 400, "not a JSON array"),
        (b"x", "application/vnd.apache.arrow.stream", 400, ""),
        (b"", "text/csv", 400, "is empty"),
        (b"pirce,size\n1,2\n", "text/csv", 400, "unknown column 'pirce' (did you mean 'price'?)"),
        (b"price,size\n1,2\n", "text/csv", 400, "no column 'instrument'"),
        (b"a,a\n1,2\n", "text/csv", 400, "unknown column 'a'"),
        (b"[]", "application/xml", 415, "send application/json"),
        (b"[]", "", 415, "send application/json"),
    ],
)
async def test_what_is_no_form_is_refused(
    body: bytes, media_type: str, status: int, detail: str, writer: Api, backend: FakeBackend
) -> None:
    answer = await send(writer, body, media_type)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert detail in answer.json()["detail"]
    assert backend.delivered == []


async def test_compressed_bodies_are_refused(writer: Api) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    assert (await writer.http.post("/api/v1/records", content=b"\x1f\x8b", headers=headers)).status_code == 415


async def test_a_body_beyond_the_limit_is_refused(writer: Api, backend: FakeBackend) -> None:
    answer = await send(writer, b" " * (MAX_BODY_BYTES + 1), "application/x-ndjson")
    assert answer.status_code == 413
    assert backend.delivered == []


async def test_columns_may_have_other_names(writer: Api, backend: FakeBackend) -> None:
    row = {"product": "BTC-USD", "w_time": TIME, "price": "187.25"}
    query = {"map": "event_time=w_time", "ignore": "product", "set": "size=1", "instrument": "BTC-USD.COINBASE"}
    assert (await send(writer, [row], **query)).status_code == 201
    assert backend.delivered[0].batches[0]["size"].tolist() == [1.0]
    for wrong in ({"map": "x"}, {"set": "sise=1"}, {"kind": "dogs"}, {"skip_bda": "1"}):
        assert (await send(writer, [row], **wrong)).status_code == 400, wrong


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["positive", "negative"])
def test_the_call_is_what_the_document_says(mode: str, backend: FakeBackend, tmp_path: Path) -> None:
    import schemathesis  # takes a second, in every process that only looks for tests too

    file = TokenFile(tmp_path / "tokens.json")
    file.add(token("writer", "ft_write", Scope.WRITE))
    config = ApiConfig(allowed_hosts=("testserver",), tokens=file.path)
    app = create_app(backend, static_dir=None, config=config)
    call = schemathesis.openapi.from_asgi("/schema/openapi.json", app)["/api/v1/records"]["POST"]
    assert set(call.definition.raw["requestBody"]["content"]) == set(MEDIA_TYPES)

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        case=call.as_strategy(generation_mode=schemathesis.GenerationMode(mode)),
        body=st.binary(max_size=40) | st.just(b"[]"),
    )
    def check(case: schemathesis.Case[Any], body: bytes) -> None:
        # The document does not say what bytes are records: the form of a row is in docs/importing.md.
        headers = {"Authorization": "Bearer ft_write", "Content-Type": case.media_type or "application/json"}
        answer = case.call(data=body, headers=headers)
        assert answer.status_code in (201, 400, 401, 405, 415, 422), answer.text
        assert answer.status_code == 201 or "detail" in answer.json()

    check()
