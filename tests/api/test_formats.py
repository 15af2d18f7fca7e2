"""Pages of records in other forms than JSON."""

from __future__ import annotations

import io

import httpx
import msgspec
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from tests.api.scene import BTC, START_NS, Api, FakeBackend, stretch, trade

from fulltape.clock import SECOND_NS

PAGE = "/api/v1/trades"


def table_of(answer: httpx.Response) -> pa.Table:
    """Return the table that an answer carries, by its media type."""
    body = io.BytesIO(answer.content)
    kind = answer.headers["content-type"].partition(";")[0]
    if kind == "text/csv":
        return pa.csv.read_csv(body)
    return pa.ipc.open_stream(body).read_all() if kind.endswith("arrow.stream") else pa.parquet.read_table(body)


@pytest.mark.parametrize("form", ["arrow", "parquet"])
async def test_pages_keep_types_and_nanoseconds(backend: FakeBackend, api: Api, form: str) -> None:
    await backend.commit(trade(1), trade(2))
    table = table_of(await api.get(PAGE, instrument=BTC, format=form))
    assert table["trade_id"].to_pylist() == ["1", "2"]
    assert table["event_time"].type == pa.timestamp("ns", "UTC")
    assert table["event_time"].cast(pa.int64()).to_pylist() == [START_NS + n * SECOND_NS for n in (1, 2)]
    assert table["aggressor_side"].to_pylist() == ["BUY", "SELL"]


async def test_pages_follow_each_other_by_a_header(backend: FakeBackend, api: Api) -> None:
    await backend.commit(*(trade(number) for number in range(5)))
    found: list[int] = []
    query: dict[str, str] = {}
    while True:
        page = await api.get(PAGE, instrument=BTC, format="csv", limit=2, **query)
        found += table_of(page)["trade_id"].to_pylist()
        if "fulltape-next" not in page.headers:
            break
        query = {"cursor": page.headers["fulltape-next"]}
    assert found == [0, 1, 2, 3, 4]


async def test_the_accept_header_chooses_and_made_up_prices_are_labelled(backend: FakeBackend, api: Api) -> None:
    await backend.commit(trade(1))
    backend.simulated = True
    answer = await api.http.get(PAGE, params={"instrument": BTC}, headers={"Accept": "text/csv, */*;q=0.1"})
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["fulltape-simulated"] == "1"
    saved = await api.get(PAGE, instrument=BTC, format="parquet")
    assert pa.parquet.read_schema(io.BytesIO(saved.content)).metadata[b"fulltape.simulated"] == b"1"
    streamed = await api.get(PAGE, instrument=BTC, format="arrow")
    assert pa.ipc.open_stream(streamed.content).schema.metadata == {b"fulltape.simulated": b"1"}
    backend.simulated = False
    live = await api.get(PAGE, instrument=BTC, format="arrow")
    assert pa.ipc.open_stream(live.content).schema.metadata is None


async def test_csv_has_text_as_it_is_stored(backend: FakeBackend, api: Api) -> None:
    """Programs read it back, so nothing is put before what a spreadsheet would take for a formula."""
    evidence = '=HYPERLINK("http://x"),@a\n+b'
    await backend.commit(msgspec.structs.replace(stretch(START_NS, START_NS + SECOND_NS), evidence=evidence))
    table = pa.csv.read_csv(
        io.BytesIO((await api.get("/api/v1/coverage", instrument=BTC, format="csv")).content),
        parse_options=pa.csv.ParseOptions(newlines_in_values=True),
    )
    assert table["evidence"].to_pylist() == [evidence]


async def test_a_browser_gets_json(api: Api) -> None:
    accept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
    answer = await api.http.get(PAGE, params={"instrument": BTC}, headers={"Accept": accept})
    assert answer.headers["content-type"] == "application/json"


async def test_no_rows_are_a_table_too(api: Api) -> None:
    table = table_of(await api.get(PAGE, instrument=BTC, format="arrow"))
    assert (table.num_rows, "price" in table.column_names) == (0, True)
