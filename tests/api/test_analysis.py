"""What is worked out when it is asked for."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
import pytest
from tests.api.scene import BTC, ETH, START_NS, Api, FakeBackend, candle, minute, trade
from tests.conformance.samples import MINUTE, NOON, stat, window

from fulltape.api.rest.analysis import Period
from fulltape.api.rest.answers import CorrelationAnswer, DistributionAnswer, FlowAnswer, MoversAnswer
from fulltape.clock import SECOND_NS, format_rfc3339
from fulltape.operators.changes import PERIODS_S
from fulltape.records import Stat


def moved(instrument: str, change: float | None) -> Stat:
    return stat(instrument=instrument, change_1d=change)


async def test_movers_are_sorted_both_ways(backend: FakeBackend, api: Api) -> None:
    names = [f"C{n}-USD.COINBASE" for n in range(5)]
    backend.add(*names)
    backend.following.ids = {*names, "NEW-USD.COINBASE"}
    changes = [3.0, -1.0, None, 7.0, -9.0]
    await backend.commit(*(moved(n, c) for n, c in zip(names, changes, strict=True)), moved(BTC, 99.0))
    answer = await api.get("/api/v1/movers", top=1)
    found = msgspec.json.decode(answer.content, type=MoversAnswer)
    assert [(row.instrument, row.change) for row in found.winners] == [(names[3], 7.0)]
    assert [(row.instrument, row.change) for row in found.losers] == [(names[4], -9.0)]
    assert len((await api.get("/api/v1/movers")).json()["losers"]) == 2


async def test_a_correlation_goes_by_log_returns(backend: FakeBackend, api: Api) -> None:
    closes = [100.0, 110.0, 99.0, 120.0]
    rows = [candle(minute(n), close=close) for n, close in enumerate(closes)]
    rows += [candle(minute(n), ETH, close=close**2) for n, close in enumerate(closes)]
    await backend.commit(*rows, clock=minute(4))
    query = {"instruments": f"{BTC},{ETH}", "interval": "1m", "periods": 3}
    answer = await api.get("/api/v1/correlation", **query)
    found = msgspec.json.decode(answer.content, type=CorrelationAnswer)
    assert found.correlation[0][1] == pytest.approx(1.0)
    assert found.beta[1][0] == pytest.approx(2.0)
    assert found.returns == [[3, 3], [3, 3]]
    earlier = (await api.get("/api/v1/correlation", **query, end=format_rfc3339(minute(2)))).json()
    assert earlier["returns"][0][0] == 1
    assert earlier["correlation"][0][1] is None


async def test_flow_sums_minutes(backend: FakeBackend, api: Api) -> None:
    rows = [window(NOON + n * MINUTE, delta=float(n), trades=n) for n in range(8)]
    rows.append(window(NOON + MINUTE // 2, delta=None))
    await backend.commit(*rows, clock=max(row.end for row in rows))
    answer = await api.get("/api/v1/flow", instrument=BTC, interval="2m")
    found = msgspec.json.decode(answer.content, type=FlowAnswer)
    assert [row.delta for row in found.flow] == [1.0, 5.0, 9.0, 13.0]
    assert [row.cumulative_delta for row in found.flow] == [1.0, 6.0, 15.0, 28.0]
    assert [row.trades for row in found.flow] == [1, 5, 9, 13]
    assert (found.flow[0].taker_buy_ratio, found.flow[0].trade_imbalance) == (2 / 3, 1 / 7)
    nothing = await api.get("/api/v1/flow", instrument=ETH, start="1990-01-01T00:00:00Z", end="1991-01-01T00:00:00Z")
    assert nothing.json()["flow"] == []


async def test_large_trades_come_in_pages(backend: FakeBackend, api: Api) -> None:
    await backend.commit(*(trade(n) for n in range(1, 11)))
    query: dict[str, Any] = {"instrument": BTC, "min_value": 53.0, "limit": 3}
    first = (await api.get("/api/v1/trades/large", **query)).json()
    assert [row["trade_id"] for row in first["trades"]] == ["6", "7", "8"]
    second = (await api.get("/api/v1/trades/large", **query, cursor=first["next"])).json()
    assert [row["trade_id"] for row in second["trades"]] == ["9", "10"]
    assert second["next"] is None


async def test_a_distribution_names_the_largest(backend: FakeBackend, api: Api) -> None:
    await backend.commit(*(trade(n) for n in range(1, 13)), clock=START_NS + 20 * SECOND_NS)
    answer = await api.get("/api/v1/distribution", instrument=BTC, bins=5)
    figures = msgspec.json.decode(answer.content, type=DistributionAnswer).distribution
    assert figures is not None
    assert (figures.trades, figures.volume, len(figures.largest)) == (12, 6.0, 10)
    assert answer.json()["distribution"]["largest"][0]["trade_id"] == "12"
    assert (figures.volumes.interval, sum(figures.volumes.volumes)) == ("1m", 6.0)
    assert figures.volumes.starts[0] == format_rfc3339(START_NS // MINUTE * MINUTE)
    assert figures.rolling.times == []
    assert (await api.get("/api/v1/distribution", instrument=ETH)).json()["distribution"] is None


async def test_a_distribution_is_of_a_period_or_between_two_times(backend: FakeBackend, api: Api) -> None:
    await backend.commit(*(trade(n) for n in range(1, 31)), clock=START_NS + 30 * SECOND_NS)
    ends = {"start": format_rfc3339(START_NS + 3 * SECOND_NS), "end": format_rfc3339(START_NS + 11 * SECOND_NS)}
    for query, count, start in (
        ({"period": "10s"}, 10, START_NS + 20 * SECOND_NS + 1),
        ({}, 30, START_NS + (30 - 3_600) * SECOND_NS + 1),
        (ends, 8, START_NS + 3 * SECOND_NS),
        ({**ends, "period": "1s"}, 8, START_NS + 3 * SECOND_NS),
        ({"end": ends["end"], "period": "4s"}, 4, START_NS + 7 * SECOND_NS),
    ):
        answer = (await api.get("/api/v1/distribution", instrument=BTC, **query)).json()
        assert (answer["distribution"]["trades"], answer["start"]) == (count, format_rfc3339(start))
        assert "end" not in query or answer["end"] == ends["end"]


async def test_a_distribution_rolls_over_fifty_trades(backend: FakeBackend, api: Api) -> None:
    rows = [trade(n) for n in range(1, 62)]
    await backend.commit(*rows, clock=START_NS + 100 * SECOND_NS)
    answer = await api.get("/api/v1/distribution", instrument=BTC)
    figures = msgspec.json.decode(answer.content, type=DistributionAnswer).distribution
    assert figures is not None
    assert figures.rolling.times == [format_rfc3339(row.event_time) for row in rows[49:]]
    means = [sum(row.price for row in rows[n : n + 50]) / 50 for n in range(12)]
    assert figures.rolling.prices == pytest.approx(means)
    assert figures.rolling.sizes == pytest.approx([0.5] * 12)


def test_the_periods_of_movers_are_those_that_changes_are_kept_of() -> None:
    assert [f"change_{period}" for period in get_args(Period)] == list(PERIODS_S)


@pytest.mark.parametrize(
    ("query", "status", "says"),
    [
        ("movers?period=2d", 400, "period"),
        ("movers?top=0", 400, "top"),
        (f"correlation?instruments={BTC}", 400, "instruments"),
        (f"correlation?instruments={BTC},X", 404, "'X'"),
        (f"correlation?instruments={BTC},{ETH}&periods=1", 400, "periods"),
        (f"flow?instrument={BTC}&interval=90s", 400, "interval"),
        (f"trades/large?instrument={BTC}", 400, "min_value"),
        (f"trades/large?instrument={BTC}&min_value=-1", 400, "min_value"),
        (f"trades/large?instrument={BTC}&min_value=nan", 400, "min_value"),
        (f"distribution?instrument={BTC}&start=soon", 400, "RFC 3339"),
        (f"distribution?instrument={BTC}&period=1y", 400, "period"),
        (f"distribution?instrument={BTC}&period=9999d", 404, "366d"),
    ],
)
async def test_what_cannot_be_worked_out_is_told(query: str, status: int, says: str, api: Api) -> None:
    answer = await api.get(f"/api/v1/{query}")
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    assert says in answer.json()["detail"]
