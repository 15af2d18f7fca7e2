"""Indicators over the API: warm, the same on every page, and clear about what cannot be had."""

from __future__ import annotations

import io
import sys
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest
import talib
from tests.api.scene import BTC, ETH, Api, FakeBackend, candle, minute

from fulltape.api import warm
from fulltape.operators.indicators.registry import INDICATORS
from fulltape.records import Candle, EmptyReason

COUNT = 900
WALK = 100.0 + np.cumsum(np.random.default_rng(5).normal(0, 0.5, COUNT))


def candles(*, empty: int | None = None) -> list[Candle]:
    rows = [candle(minute(i), close=float(close)) for i, close in enumerate(WALK)]
    if empty is not None:
        nothing = {"open": None, "high": None, "low": None, "close": None, "vwap": None, "trades": 0}
        rows[empty] = msgspec.structs.replace(rows[empty], **nothing, reason=EmptyReason.QUIET)
    return rows


async def ask(api: Api, **query: Any) -> Any:
    answer = await api.get("/api/v1/indicators", **{"instrument": BTC, "interval": "1m", **query})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_value_is_the_same_on_every_page(backend: FakeBackend, api: Api) -> None:
    await backend.commit(*candles())
    expected = talib.RSI(WALK, timeperiod=7)
    page = await ask(api, name="rsi", period=7, limit=500, order="desc")
    assert (page["name"], page["parameters"], page["outputs"], page["history"]) == ("RSI", {"period": 7}, ["rsi"], 232)
    newest = [row["rsi"] for row in page["indicators"]]
    np.testing.assert_allclose(newest, expected[:-501:-1], rtol=1e-9)
    rest = await ask(api, name="rsi", period=7, limit=500, order="desc", cursor=page["next"])
    assert rest["next"] is None
    oldest = [row["rsi"] for row in rest["indicators"]][::-1]
    assert oldest[:7] == [None] * 7
    np.testing.assert_allclose(oldest[7:], expected[7 : COUNT - 500], rtol=1e-9)


async def test_parameters_are_told_as_they_were_given(backend: FakeBackend, api: Api) -> None:
    await backend.commit(*candles())
    assert (
        '"parameters":{"period":20}'
        in (await api.get("/api/v1/indicators", instrument=BTC, interval="1m", name="EMA", period=20)).text
    )
    bands = await ask(api, name="BBANDS", period=20, deviations=2.5)
    assert bands["parameters"] == {"period": 20, "deviations": 2.5}


async def test_an_empty_window_is_left_out(backend: FakeBackend, api: Api) -> None:
    await backend.commit(*candles(empty=450))
    rows = (await ask(api, name="EMA", period=10))["indicators"]
    assert (rows[450]["ema"], rows[450]["is_final"]) == (None, True)
    expected = talib.EMA(np.delete(WALK, 450), timeperiod=10)
    np.testing.assert_allclose([rows[i]["ema"] for i in (449, 451)], expected[449:451], rtol=1e-12)


async def test_an_interval_that_is_not_stored_is_rolled_up(backend: FakeBackend, api: Api) -> None:
    await backend.commit(*candles())
    whole = (await ask(api, name="EMA", period=3, interval="2m"))["indicators"]
    part = (await ask(api, name="EMA", period=3, interval="2m", limit=4, order="desc"))["indicators"]
    assert len(whole) in (450, 451)
    assert [row["start"] for row in part] == [row["start"] for row in whole[:-5:-1]]
    np.testing.assert_allclose([row["ema"] for row in part], [row["ema"] for row in whole[:-5:-1]], rtol=1e-9)


async def test_what_counts_from_the_beginning_reads_all(backend: FakeBackend, api: Api) -> None:
    await backend.commit(*candles())
    (newest,) = (await ask(api, name="OBV", limit=1, order="desc"))["indicators"]
    assert newest["obv"] == pytest.approx(talib.OBV(WALK, np.full(COUNT, 10.0))[-1])


async def test_more_history_than_can_be_read_is_refused(
    backend: FakeBackend, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    await backend.commit(*candles())
    monkeypatch.setattr(warm, "MAX_LIMIT", 200)
    monkeypatch.setattr(warm, "MOST_ROWS", 300)
    query = {"instrument": BTC, "interval": "1m", "order": "desc", "limit": 1}
    answer = await api.get("/api/v1/indicators", **query, name="OBV")
    assert answer.status_code == 400
    assert "OBV needs more than 300 candles before: ask for a longer interval" in answer.json()["detail"]
    assert (await api.get("/api/v1/indicators", **query, name="RSI", period=2)).status_code == 200


async def test_other_forms(backend: FakeBackend, api: Api) -> None:
    await backend.commit(*candles())
    query = {"instrument": BTC, "interval": "1m", "name": "AROON", "format": "arrow"}
    answer = await api.get("/api/v1/indicators", **query)
    table = pa.ipc.open_stream(io.BytesIO(answer.content)).read_all()
    assert table.column_names == ["start", "is_final", "aroondown", "aroonup"]
    assert table["aroonup"].null_count == 14


async def test_without_candles_there_is_no_indicator(api: Api) -> None:
    assert (await ask(api, name="MACD", instrument=ETH))["indicators"] == []


@pytest.mark.parametrize(
    ("query", "status", "says"),
    [
        ({"name": "RSY"}, 400, "did you mean 'RSI'?"),
        ({"name": "RSI", "period": 1}, 400, "must be a whole number from 2 to 1000"),
        ({"name": "RSI", "period": 14.5}, 400, "must be a whole number"),
        ({"name": "RSI", "period": "nan"}, 400, "period"),
        ({"name": "RSI", "period": "inf"}, 400, "period"),
        ({"name": "RSI", "fast": 3}, 400, "RSI has no parameter 'fast'; it takes period"),
        ({"name": "OBV", "period": 3}, 400, "it takes none"),
        ({"name": "BBANDS", "deviations": -1}, 400, "must be a number from 0 to 100"),
        ({"name": "RSI", "periods": 3}, 400, "did you mean 'period'?"),
        ({"name": "RSI", "interval": "7x"}, 400, "interval"),
        ({"name": "RSI", "instrument": "BTC-USD.KRAKEN"}, 404, "unknown instrument"),
        ({}, 400, "name"),
    ],
)
async def test_what_cannot_be_had(query: dict[str, Any], status: int, says: str, api: Api) -> None:
    answer = await api.get("/api/v1/indicators", **{"instrument": BTC, "interval": "1m", **query})
    assert answer.status_code == status
    assert says in answer.json()["detail"]


async def test_without_ta_lib_the_extra_is_named(
    backend: FakeBackend, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    await backend.commit(candle(minute(0)))
    monkeypatch.setitem(sys.modules, "talib", None)
    query = {"instrument": BTC, "interval": "1m", "name": "RSI"}
    answer = await api.get("/api/v1/indicators", **query)
    assert answer.status_code == 503
    assert "fulltape[indicators]" in answer.json()["detail"]
    assert (await api.get("/api/v1/indicators", **query | {"name": "DONCHIAN"})).status_code == 200


async def test_what_there_is_can_be_asked_for_as_it_is_told(backend: FakeBackend, api: Api) -> None:
    await backend.commit(*candles())
    told = (await api.get("/api/v1/indicators/available")).json()["indicators"]
    assert [one["name"] for one in told] == list(INDICATORS)
    for one in told:
        page = await ask(api, name=one["name"], limit=1, order="desc")
        assert page["parameters"] == {parameter["name"]: parameter["default"] for parameter in one["parameters"]}
        assert page["outputs"] == [output["name"] for output in one["outputs"]]
        for parameter in one["parameters"]:
            beyond = {parameter["name"]: parameter["most"] + 1}
            refused = await api.get("/api/v1/indicators", instrument=BTC, interval="1m", name=one["name"], **beyond)
            assert refused.status_code == 400


async def test_figures_are_of_the_unit_that_is_told(backend: FakeBackend, api: Api) -> None:
    around = [
        msgspec.structs.replace(row, high=close + 0.5, low=close - 0.5, volume=1.0, quote_volume=close)
        for row, close in zip(candles(), WALK.tolist(), strict=True)
    ]
    await backend.commit(*around)
    told = (await api.get("/api/v1/indicators/available")).json()["indicators"]
    low, high = WALK.min() - 20, WALK.max() + 20
    seen = set()
    for one in told:
        (row,) = (await ask(api, name=one["name"], limit=1, order="desc"))["indicators"]
        for output in one["outputs"]:
            value = row[output["name"]]
            seen.add(output["unit"])
            if output["unit"] == "price":
                assert low < value < high, output
            if output["unit"] == "sign":
                assert abs(value) == 1, output
    assert seen == {"price", "price_difference", "index", "percent", "volume", "sign"}
    (macd,) = [one for one in told if one["name"] == "MACD"]
    assert [output["name"] for output in macd["outputs"] if output["is_bar"]] == ["macdhist"]
