"""The JSON datasource, and rows for Infinity."""

from __future__ import annotations

from typing import Any

import httpx
from tests.api.scene import BTC, ETH, Api, FakeBackend, candle, minute, trade
from tests.conformance.samples import coin

from fulltape.clock import SECOND_NS, format_rfc3339
from fulltape.records import Origin

MS = 10**6
RANGE = {"from": format_rfc3339(minute(0)), "to": format_rfc3339(minute(60))}


async def post(api: Api, path: str, **body: Any) -> httpx.Response:
    return await api.http.post(f"/compat/grafana/{path}", json=body)


async def panel(api: Api, *targets: str, product: str = BTC, interval: str = "1m", **more: Any) -> list[dict[str, Any]]:
    payload = {"product": product, "interval": interval}
    wanted = [{"refId": "A", "target": name, "payload": payload, **more} for name in targets]
    answer = await post(api, "query", range=RANGE, intervalMs=500, maxDataPoints=1_000, targets=wanted)
    assert answer.status_code == 200
    found: list[dict[str, Any]] = answer.json()
    return found


async def test_the_connection_can_be_tested(api: Api) -> None:
    assert (await api.get("/compat/grafana/")).status_code == 200


async def test_metrics_tell_what_must_be_chosen(api: Api) -> None:
    (first, *_) = rows = (await post(api, "metrics")).json()
    assert {"mean", "candles", "close", "volume"} <= {row["value"] for row in rows}
    assert [(row["name"], row["options"][0]["value"]) for row in first["payloads"]] == [
        ("product", BTC),
        ("interval", "1m"),
    ]


async def test_variables_are_products_and_intervals(api: Api) -> None:
    assert (await post(api, "variable", payload={"target": "product"})).json()[1] == {"__text": ETH, "__value": ETH}
    intervals = (await post(api, "variable", payload={"target": "Interval"})).json()
    assert [row["__value"] for row in intervals] == [
        "1m",
        "5m",
        "10m",
        "30m",
        "1h",
        "6h",
        "12h",
        "1d",
        "7d",
        "14d",
        "30d",
    ]
    assert (await post(api, "metric-payload-options", metric="mean", name="product")).json()[0]["value"] == BTC
    assert (await post(api, "variable", payload={"target": "nothing"})).status_code == 422


async def test_a_series_is_values_with_milliseconds(backend: FakeBackend, api: Api) -> None:
    await backend.commit(candle(minute(0)), candle(minute(1), close=2.5))
    (series,) = await panel(api, "close")
    assert series == {
        "target": f"{BTC} close", "datapoints": [[2.0, minute(0) // MS], [2.5, minute(1) // MS]],
    }  # fmt: skip


async def test_candles_are_a_table(backend: FakeBackend, api: Api) -> None:
    base = minute(0) // (600 * SECOND_NS) * 600 * SECOND_NS
    await backend.commit(candle(base), candle(base + 60 * SECOND_NS, close=2.5))
    (table,) = await panel(api, "candles", interval="10m")
    assert [column["text"] for column in table["columns"]] == [
        "time",
        "open",
        "high",
        "low",
        "close",
        "volume",
        "trades",
    ]
    assert table["rows"] == [[base // MS, 1.0, 3.0, 0.5, 2.5, 20.0, 14]]


async def test_the_mean_is_that_of_the_trades_of_a_window(backend: FakeBackend, api: Api) -> None:
    """Two ticks of a second overwrote each other in the older system: both count."""
    times = [minute(0), minute(0) + 1, minute(1)]
    await backend.commit(*(trade(n, time=time) for n, time in enumerate(times, 1)), trade(9, ETH, time=minute(0)))
    (series,) = await panel(api, "mean")
    assert series["datapoints"] == [[101.5, minute(0) // MS], [103.0, minute(1) // MS]]


async def test_the_mean_of_a_coin_is_that_of_its_rates(backend: FakeBackend, api: Api) -> None:
    rates = {0: 1.0, 5: 3.0}
    await backend.commit(*(coin(minute(0) + n, instrument=BTC, rate=r, origin=Origin.LIVE) for n, r in rates.items()))
    (series,) = await panel(api, "mean", interval="7d")
    assert [value for value, _ in series["datapoints"]] == [2.0]


METRICS = [("mean", "1m"), ("mean", "366d"), ("mean", "4w"), ("close", "1m")]


async def test_the_whole_of_time_can_be_asked_for(backend: FakeBackend, api: Api) -> None:
    await backend.commit(candle(minute(0)), trade(1))
    for metric, interval in METRICS:
        targets = [{"target": metric, "payload": {"product": BTC, "interval": interval}}]
        for first, end in (("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"), ("9999-12-31T23:59:59Z",) * 2):
            answer = await post(api, "query", range={"from": first, "to": end}, targets=targets)
            (found,) = answer.json()
            assert len(found["datapoints"]) == (1 if first < end else 0)


async def test_candles_made_of_too_many_are_refused(backend: FakeBackend, api: Api) -> None:
    await backend.commit(candle(minute(0)))
    targets = [{"target": "close", "payload": {"product": BTC, "interval": "366d"}}]
    answer = await post(api, "query", range={"from": "1970-01-01T00:00:00Z", "to": RANGE["to"]}, targets=targets)
    assert answer.status_code == 400
    assert "366d is made of" in answer.json()["detail"]


async def test_what_is_hidden_is_not_asked(backend: FakeBackend, api: Api) -> None:
    assert await panel(api, "close", hide=True) == []


async def test_infinity_gets_flat_rows(backend: FakeBackend, api: Api) -> None:
    await backend.commit(candle(minute(0)))
    rows = (await api.get("/compat/grafana/candles", product=BTC, interval="1m", **RANGE)).json()
    assert rows == [
        {"time": minute(0) // MS, "open": 1.0, "high": 3.0, "low": 0.5, "close": 2.0, "volume": 10.0, "trades": 7}
    ]


async def test_infinity_gets_mean_prices(backend: FakeBackend, api: Api) -> None:
    await backend.commit(*(trade(n, time=minute(0) + n) for n in (1, 2)), trade(3, ETH, time=minute(0)))
    rows = (await api.get("/compat/grafana/mean", product=BTC, interval="1m", **RANGE)).json()
    assert rows == [{"time": minute(0) // MS, "mean": 101.5}]


async def test_infinity_gets_the_values_of_a_variable(api: Api) -> None:
    assert (await api.get("/compat/grafana/products")).json() == [
        {"__text": BTC, "__value": BTC},
        {"__text": ETH, "__value": ETH},
    ]


async def test_panels_that_show_made_up_prices_say_so(backend: FakeBackend, api: Api) -> None:
    backend.simulated = True
    await backend.commit(candle(minute(0)))
    (first, _) = (await api.get("/compat/grafana/products")).json()
    assert first == {"__text": f"{BTC} SIMULATED", "__value": BTC}
    assert (await post(api, "variable", payload={"target": "product"})).json()[0] == first
    assert (await post(api, "variable", payload={"target": "interval"})).json()[0]["__text"] == "1m"
    assert [series["target"] for series in await panel(api, "close")] == [f"{BTC} SIMULATED close"]


async def test_milliseconds_are_times_too(backend: FakeBackend, api: Api) -> None:
    """``${__from}`` and ``${__timeFrom}`` are milliseconds."""
    await backend.commit(candle(minute(0)), candle(minute(1)))
    rows = {"from": str(minute(0) // MS), "to": str(minute(1) // MS)}
    (row,) = (await api.get("/compat/grafana/candles", product=BTC, interval="1m", **rows)).json()
    assert row["time"] == minute(0) // MS
    whole = {"from": f"-{'9' * 18}", "to": "9" * 18}
    assert len((await api.get("/compat/grafana/candles", product=BTC, interval="1m", **whole)).json()) == 2
    for bad in ("", "9" * 19, "1.5", "--5", "\u0661", "now-6h"):
        refused = await api.get("/compat/grafana/mean", product=BTC, **{**rows, "from": bad})
        assert refused.status_code == 400
        assert "from: not" in refused.json()["detail"]


REFUSED = [
    ("nothing", BTC, "1m", 422, "unknown metric"),
    ("close", "nothing", "1m", 404, "unknown symbol"),
    ("close", BTC, "1x", 422, "interval"),
    ("close", BTC, "9" * 200, 422, ""),
]


async def test_what_cannot_be_drawn_is_told(api: Api) -> None:
    for target, product, interval, status, says in REFUSED:
        targets = [{"target": target, "payload": {"product": product, "interval": interval}}]
        answer = await post(api, "query", range=RANGE, targets=targets)
        assert answer.status_code == status
        assert says in answer.text


BODIES: list[dict[str, Any]] = [
    {},
    {"range": RANGE},
    {"range": {"from": "x", "to": "y"}, "targets": [{"target": "close"}]},
]


async def test_a_body_that_is_none_is_refused(api: Api) -> None:
    for body in BODIES:
        assert (await post(api, "query", **body)).status_code in (400, 404, 422)
