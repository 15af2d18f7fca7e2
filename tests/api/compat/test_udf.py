"""TradingView's Universal Data Feed."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests.api.scene import BTC, ETH, START_NS, Api, FakeBackend, candle, last, minute

from fulltape.clock import SECOND_NS
from fulltape.records import Instrument

FIRST = minute(0) // SECOND_NS


async def history(api: Api, **query: Any) -> dict[str, Any]:
    asked = {"symbol": BTC, "resolution": "1", "to": FIRST + 600, **query}
    answer = await api.get("/compat/udf/history", **asked)
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


async def test_the_configuration_names_resolutions_and_venues(api: Api) -> None:
    body = (await api.get("/compat/udf/config")).json()
    assert {"1", "5", "60", "1D", "1W"} <= set(body["supported_resolutions"])
    assert [row["value"] for row in body["exchanges"]] == ["", "COINBASE"]
    assert (body["supports_search"], body["supports_group_request"], body["supports_time"]) == (True, False, True)


STEPS = [(0.01, (1, 100)), (0.5, (5, 10)), (25.0, (25, 1)), (0.0, (1, 10**8))]


async def test_a_symbol_is_drawn_with_its_price_step(backend: FakeBackend, api: Api) -> None:
    for step, expected in STEPS:
        backend.table.add(Instrument("XBT-USD.COINBASE", "COINBASE", "XBT-USD", "XBT", "USD", step))
        body = (await api.get("/compat/udf/symbols", symbol="COINBASE:XBT-USD.COINBASE")).json()
        assert (body["minmov"], body["pricescale"]) == expected
        assert (body["ticker"], body["session"], body["timezone"]) == ("XBT-USD.COINBASE", "24x7", "Etc/UTC")


async def test_search_goes_through_ids_and_symbols(api: Api) -> None:
    async def found(**query: Any) -> list[str]:
        return [row["symbol"] for row in (await api.get("/compat/udf/search", **query)).json()]

    assert await found(query="eth") == [ETH]
    assert await found(query="", type="crypto", exchange="COINBASE") == [BTC, ETH]
    assert await found(query="", limit=1) == [BTC]
    assert await found(query="", exchange="KRAKEN") == []


async def test_history_is_columns_of_bars(backend: FakeBackend, api: Api) -> None:
    empty = msgspec.structs.replace(candle(minute(1)), open=None, high=None, low=None, close=None, trades=0)
    await backend.commit(candle(minute(0)), empty, candle(minute(2), close=2.5))
    body = await history(api, **{"from": FIRST})
    assert body == {
        "s": "ok", "t": [FIRST, FIRST + 120], "o": [1.0, 1.0], "h": [3.0, 3.0], "l": [0.5, 0.5], "c": [2.0, 2.5],
        "v": [10.0, 10.0],
    }  # fmt: skip


async def test_countback_goes_before_from(backend: FakeBackend, api: Api) -> None:
    await backend.commit(*(candle(minute(number)) for number in range(5)))
    body = await history(api, **{"from": FIRST + 240}, to=FIRST + 240, countback=3)
    assert body["t"] == [FIRST + 60, FIRST + 120, FIRST + 180]


async def test_bars_of_any_resolution_are_rolled_up(backend: FakeBackend, api: Api) -> None:
    base = minute(0) // (180 * SECOND_NS) * 180 * SECOND_NS
    await backend.commit(*(candle(base + number * 60 * SECOND_NS, close=float(number)) for number in range(3)))
    body = await history(api, resolution="3", **{"from": base // SECOND_NS})
    assert (body["t"], body["c"], body["v"]) == ([base // SECOND_NS], [2.0], [30.0])


async def test_where_there_is_nothing_the_nearest_earlier_bar_is_named(backend: FakeBackend, api: Api) -> None:
    assert await history(api, **{"from": FIRST}) == {"s": "no_data"}
    await backend.commit(candle(minute(0)))
    assert await history(api, **{"from": FIRST + 300}) == {"s": "no_data", "nextTime": FIRST}


async def test_quotes_tell_where_instruments_stand(backend: FakeBackend, api: Api) -> None:
    await backend.commit(msgspec.structs.replace(last(1), open_24h=100.0))
    rows = (await api.get("/compat/udf/quotes", symbols=f"{BTC},{ETH},nothing")).json()["d"]
    assert [(row["n"], row["s"]) for row in rows] == [(BTC, "ok"), (ETH, "ok"), ("nothing", "error")]
    values = rows[0]["v"]
    assert (values["lp"], values["bid"], values["ask"], values["ch"]) == (101.0, 99.0, 101.0, 1.0)
    assert values["chp"] == pytest.approx(1.0)
    assert "lp" not in rows[1]["v"]


async def test_the_time_is_the_servers(api: Api) -> None:
    answer = await api.get("/compat/udf/time")
    assert (answer.text, answer.headers["content-type"][:10]) == (str(START_NS // SECOND_NS), "text/plain")


REFUSED = [
    ("history?symbol=nothing&resolution=1&to=1&from=0", 404, "unknown symbol"),
    (f"history?symbol={BTC}&resolution=7x&to=1&from=0", 400, "unknown resolution"),
    (f"history?symbol={BTC}&resolution=1&to=1", 400, "countback"),
    (f"history?symbol={BTC}&resolution=1&to=99999999999&from=0", 400, "to"),
    (f"history?symbol={BTC}&resolution=1&to=-1&from=0", 400, "to"),
    ("symbols?symbol=nothing", 404, "unknown symbol"),
    ("symbols", 400, "symbol"),
    ("search?limit=0", 400, "limit"),
]


async def test_errors_are_told_as_the_library_wants(api: Api) -> None:
    for query, status, says in REFUSED:
        answer = await api.get(f"/compat/udf/{query}")
        assert answer.status_code == status
        body = answer.json()
        assert body["s"] == "error"
        assert says in body["errmsg"]


async def test_a_range_that_goes_backwards_has_no_bars(backend: FakeBackend, api: Api) -> None:
    await backend.commit(candle(minute(0)))
    assert (await history(api, **{"from": FIRST + 60}, to=FIRST))["s"] == "no_data"
