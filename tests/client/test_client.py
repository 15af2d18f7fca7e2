"""Tables in one line, over a real socket."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable
from typing import TypeVar

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from tests.api.scene import BTC, ETH, START_NS, FakeBackend, Server, candle, minute, quote, serve, trade
from tests.ports import silent_port

from fulltape.client import Busy, Client, ClientError, CutWarning, Refused, Unreachable
from fulltape.client import http as client_http
from fulltape.client.errors import refusal
from fulltape.errors import TransientError

pytestmark = pytest.mark.integration

T = TypeVar("T")


async def ask(server: Server, call: Callable[[Client], T], token: str | None = None) -> T:
    def asking() -> T:
        with Client(f"http://127.0.0.1:{server.port}/", token=token) as tape:
            return call(tape)

    return await asyncio.to_thread(asking)


async def test_trades_come_from_all_pages_in_order(
    backend: FakeBackend, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    await backend.commit(*(trade(n) for n in range(1, 8)), trade(1, ETH))
    monkeypatch.setattr(client_http, "PAGE_ROWS", 3)
    table = await ask(server, lambda tape: tape.trades(BTC))
    assert table["trade_id"].to_pylist() == list("1234567")
    assert table.schema.field("event_time").type == pa.timestamp("ns", "UTC")
    assert (await ask(server, lambda tape: tape.trades(BTC, limit=4)))["trade_id"].to_pylist() == list("1234")
    assert (await ask(server, lambda tape: tape.trades(BTC, limit=0))).num_rows == 0


async def test_a_range_is_given_as_text_or_as_datetimes(backend: FakeBackend, server: Server) -> None:
    await backend.commit(*(candle(minute(n)) for n in range(4)))
    start = dt.datetime.fromtimestamp(START_NS / 1e9 + 60, dt.UTC)
    table = await ask(server, lambda tape: tape.candles(BTC, "1m", start=start, end="2027-01-15T08:03:00Z"))
    assert table.num_rows == 2
    with pytest.raises(ClientError, match=r"start: .* has no time zone"):
        await ask(server, lambda tape: tape.candles(BTC, start=dt.datetime(2027, 1, 1)))  # noqa: DTZ001 - the point


async def test_a_table_is_pandas_or_polars_in_one_line(backend: FakeBackend, server: Server) -> None:
    await backend.commit(quote(1), quote(2))
    frame = (await ask(server, lambda tape: tape.quotes(BTC))).to_pandas()
    assert frame["bid"].tolist() == [100.0, 101.0]
    assert isinstance(frame["event_time"].dtype, pd.DatetimeTZDtype)
    made = pl.from_arrow(await ask(server, lambda tape: tape.quotes(BTC)))
    assert isinstance(made, pl.DataFrame)
    assert made["ask_size"].to_list() == [None, None]


async def test_sql_gives_a_table_and_warns_of_a_cut(backend: FakeBackend) -> None:
    await backend.commit(*(trade(n) for n in range(1, 8)))
    async with serve(backend, sql_rows=5) as server:
        table = await ask(server, lambda tape: tape.sql("SELECT count(*) AS n FROM trades"))
        assert table.to_pydict() == {"n": [7]}
        with pytest.warns(CutWarning, match="more rows"):
            assert (await ask(server, lambda tape: tape.sql("FROM trades"))).num_rows == 5


async def test_made_up_prices_are_told(backend: FakeBackend, server: Server) -> None:
    backend.simulated = True
    await backend.commit(trade(1))
    assert (await ask(server, lambda tape: tape.trades(BTC))).schema.metadata == {b"fulltape.simulated": b"1"}


async def test_refusals_are_the_servers_own_words(server: Server) -> None:
    with pytest.raises(Refused, match=f"unknown instrument .* nearest are {BTC}") as caught:
        await ask(server, lambda tape: tape.trades("BTC-USD.COINBAS"))
    assert caught.value.status == 404
    with pytest.raises(Refused, match="token is not known"):
        await ask(server, lambda tape: tape.trades(BTC), token="ft_none")


def test_an_answer_of_another_program_is_told() -> None:
    error = refusal(502, b"<html>bad gateway</html>", None)
    assert (error.status, str(error)) == (502, "the answer 502 is none that fulltape gives: is the address right?")


async def test_a_busy_server_is_asked_again_when_it_says(backend: FakeBackend) -> None:
    async with serve(backend) as server:
        backend.break_reader = TransientError("busy", retry_after_s=1)

        def mend() -> None:
            backend.break_reader = None

        asyncio.get_running_loop().call_later(0.1, mend)
        assert (await ask(server, lambda tape: tape.trades(BTC))).num_rows == 0


async def test_a_server_that_stays_busy_is_told(backend: FakeBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_http, "_ATTEMPTS", 1)
    async with serve(backend) as server:
        backend.break_reader = TransientError("busy", retry_after_s=7)
        with pytest.raises(Busy, match="busy") as caught:
            await ask(server, lambda tape: tape.trades(BTC))
        assert caught.value.retry_after_s == 7


async def test_any_other_call_gives_its_json(backend: FakeBackend, server: Server) -> None:
    assert (await ask(server, lambda tape: tape.get("instruments", pattern="ETH*")))["instruments"][0]["id"] == ETH


def test_nobody_there_is_told() -> None:
    with (
        silent_port() as port,
        Client(f"http://127.0.0.1:{port}") as tape,
        pytest.raises(Unreachable, match="no fulltape answers"),
    ):
        tape.trades(BTC)


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://x", ""])
def test_what_is_no_address_is_told(url: str) -> None:
    with pytest.raises(ClientError, match="not an address"), Client(url) as tape:
        tape.trades(BTC)
