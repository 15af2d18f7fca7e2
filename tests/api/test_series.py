"""What is worked out over windows and ranges: the figures of the operators, at the right windows, in every form."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from tests.api.scene import BTC, ETH, START_NS, Api, FakeBackend, Server, candle, last, minute, trade
from tests.api.test_formats import table_of
from tests.conformance.samples import MINUTE, coverage, depth, quote_stat, window

from fulltape.api.rest import ranges
from fulltape.clock import SECOND_NS, format_rfc3339
from fulltape.operators.correlation import log_returns
from fulltape.operators.returns import drawdown, rolling_together, sharpe, sortino
from fulltape.operators.sentiment import HISTORY, sentiment
from fulltape.operators.volume import relative_volume, volume_profile, volume_z
from fulltape.operators.vwap import anchored_vwap, rolling_vwap
from fulltape.records import WINDOWS, Array, Candle, CoverageState, Duplicate, EmptyReason, InstrumentTable, Origin

HOUR = 3_600 * SECOND_NS
DAY = 24 * HOUR
UNTRADED = "DOT-USD.COINBASE"
CLOSES = np.exp(np.random.default_rng(4).normal(0, 0.1, (40, 2)).cumsum(axis=0)) * 100.0


def minutes(column: int, instrument: str) -> list[Candle]:
    rows = [candle(minute(n), instrument, close=float(close)) for n, close in enumerate(CLOSES[:, column])]
    return [msgspec.structs.replace(row, volume=1.0 + n % 7) for n, row in enumerate(rows)]


async def ask(api: Api, path: str, **query: Any) -> Any:
    answer = await api.get(f"/api/v1/{path}", **query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def column(rows: list[dict[str, Any]], name: str) -> Array:
    return np.array([row[name] for row in rows], float)


@pytest.fixture
async def pair(backend: FakeBackend, api: Api) -> Api:
    """Forty minutes of two instruments, one that nobody traded, and a clock at their end."""
    backend.add(UNTRADED)
    await backend.commit(*minutes(0, BTC), *minutes(1, ETH), clock=minute(40))
    return api


async def test_a_drawdown_is_of_the_range(pair: Api) -> None:
    found = await ask(pair, "drawdown", instrument=BTC, interval="1m", periods=30)
    assert (found["interval"], found["periods"], found["drawdown"][0]["start"][11:16]) == ("1m", 30, "08:10")
    np.testing.assert_allclose(column(found["drawdown"], "drawdown"), drawdown(CLOSES[10:, 0]), rtol=1e-9)
    early = await ask(pair, "drawdown", instrument=BTC, interval="1m", periods=50)
    assert [row["drawdown"] for row in early["drawdown"][:10]] == [None] * 10


@pytest.mark.parametrize("end", ["1970-01-01", "2027-01-15", "9999-12-31"])
async def test_windows_that_begin_before_all_times_are_refused(end: str, pair: Api) -> None:
    """They left int64, and the answer was a 500."""
    for path, query in {
        "drawdown": {"instrument": UNTRADED},
        "ratios": {"instruments": UNTRADED},
        "relative_volume": {"instrument": UNTRADED},
        "correlation": {"instruments": f"{UNTRADED},{UNTRADED}"},
        "correlation/rolling": {"instrument": UNTRADED, "other": UNTRADED},
    }.items():
        many = await pair.get(f"/api/v1/{path}", interval="366d", periods=5_000, end=end, **query)
        assert (many.status_code, many.json()["detail"].partition(":")[0]) == (400, "periods"), path
        few = await pair.get(f"/api/v1/{path}", interval="366d", periods=50, end=end, **query)
        assert few.status_code == 200, few.text


async def test_ratios_stand_beside_each_other(pair: Api) -> None:
    found = await ask(pair, "ratios", instruments=f"{BTC},{ETH}", interval="1m", periods=39)
    assert [row["instrument"] for row in found["ratios"]] == [BTC, ETH]
    for place, row in enumerate(found["ratios"]):
        returns = log_returns(CLOSES[:, place])
        assert (row["returns"], row["sharpe"]) == (39, pytest.approx(sharpe(returns, 60), rel=1e-9))
        assert row["sortino"] == pytest.approx(sortino(returns, 60), rel=1e-9)
        assert row["max_drawdown"] == pytest.approx(drawdown(CLOSES[:, place]).min(), rel=1e-9)
    (nothing,) = (await ask(pair, "ratios", instruments=BTC, interval="1d", periods=3))["ratios"]
    assert nothing == {
        "instrument": BTC, "returns": 0, "sharpe": None, "sortino": None, "max_drawdown": None
    }  # fmt: skip


async def test_a_rolling_correlation_is_warm_from_its_first_window(pair: Api) -> None:
    query = {"instrument": BTC, "other": ETH, "interval": "1m", "n": 10}
    found = (await ask(pair, "correlation/rolling", **query, periods=20))["correlation"]
    returns = log_returns(CLOSES)
    expected = rolling_together(returns[:, 0], returns[:, 1], 10)
    np.testing.assert_allclose(column(found, "correlation"), expected.correlation[-20:], rtol=1e-9)
    np.testing.assert_allclose(column(found, "beta"), expected.beta[-20:], rtol=1e-9)


async def test_volume_is_compared_with_what_is_known(backend: FakeBackend, api: Api) -> None:
    nothing = {"open": None, "high": None, "low": None, "close": None, "vwap": None, "trades": 0, "volume": 0.0}
    rows = minutes(0, BTC)
    rows[20] = msgspec.structs.replace(rows[20], **nothing, reason=EmptyReason.QUIET)
    rows[30] = msgspec.structs.replace(rows[30], **nothing, reason=EmptyReason.GAP)
    await backend.commit(*rows, clock=minute(40))
    found = (await ask(api, "relative_volume", instrument=BTC, interval="1m", n=5, periods=30))["relative_volume"]
    volume = np.array([row.volume for row in rows])
    volume[30] = np.nan
    assert found[10]["volume"] == 0.0
    np.testing.assert_allclose(column(found, "relative_volume"), relative_volume(volume, 5)[10:], rtol=1e-9)
    np.testing.assert_allclose(column(found, "volume_z"), volume_z(volume, 5)[10:], rtol=1e-9)
    assert [row["relative_volume"] for row in found[20:26]] == [None] * 6


@pytest.mark.parametrize(("path", "expected"), [("flow", 1), ("vwap/rolling", 5), ("vwap/anchored", 5)])
async def test_windows_are_bounded_by_one_rule(
    path: str, expected: int, backend: FakeBackend, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Flow was refused half as many as a VWAP, and nobody was told where to end instead."""
    monkeypatch.setattr(ranges, "MOST_WINDOWS", 10)
    rows = [window(minute(0) + n * MINUTE // 2) for n in range(12)]
    await backend.commit(*rows, clock=minute(6))
    query = {"instrument": BTC, "anchor" if path == "vwap/anchored" else "start": format_rfc3339(minute(0))}
    refused = await api.get(f"/api/v1/{path}", **query)
    told = f"the range has more than 10 windows of a minute: end at {format_rfc3339(minute(5))}, or begin later"
    assert (refused.status_code, refused.json()["detail"]) == (400, told)
    found = await ask(api, path, **query, end=format_rfc3339(minute(5)))
    assert len(found[path.partition("/")[0]]) == expected


async def test_a_vwap_rolls_or_is_anchored(backend: FakeBackend, api: Api) -> None:
    rows = [window(minute(n), volume=1.0 + n % 5, vwap=100.0 + n, vwap_std=0.5 * (n % 3)) for n in range(40)]
    await backend.commit(*rows, window(minute(3) + MINUTE // 2, volume=None, vwap=None), clock=minute(40))
    batch = WINDOWS.from_rows(rows, InstrumentTable(backend.table))
    expected = rolling_vwap(batch, 8)
    start = format_rfc3339(minute(20))
    found = await ask(api, "vwap/rolling", instrument=BTC, minutes=8, k=1.5, start=start)
    assert (found["minutes"], found["k"], len(found["vwap"])) == (8, 1.5, 20)
    np.testing.assert_allclose(column(found["vwap"], "vwap"), expected.vwap[20:], rtol=1e-9)
    np.testing.assert_allclose(column(found["vwap"], "lower"), expected.band(-1.5)[20:], rtol=1e-9)
    np.testing.assert_allclose(column(found["vwap"], "upper"), expected.band(1.5)[20:], rtol=1e-9)
    anchored = await ask(api, "vwap/anchored", instrument=BTC, anchor=format_rfc3339(minute(5) + 7), end=start)
    assert (anchored["anchor"], len(anchored["vwap"])) == (format_rfc3339(minute(5) + 7), 15)
    np.testing.assert_allclose(column(anchored["vwap"], "std"), anchored_vwap(batch, minute(5)).std[:15], rtol=1e-9)


async def test_a_profile_has_a_value_area(backend: FakeBackend, api: Api) -> None:
    await backend.commit(*(trade(n) for n in range(1, 101)), clock=START_NS + 200 * SECOND_NS)
    found = await ask(api, "profile", instrument=BTC)
    assert (found["step"], found["trades"], len(found["profile"])) == (2.0, 100, 51)
    price = 100.0 + np.arange(1, 101)
    expected = volume_profile(price, np.full(100, 0.5), 2.0)
    assert [row["volume"] for row in found["profile"]] == expected.volumes.tolist()
    assert (found["point_of_control"], found["value_area_high"]) == (
        expected.point_of_control,
        expected.value_area_high,
    )
    assert len((await ask(api, "profile", instrument=BTC, steps=2))["profile"]) == 3
    nothing = await ask(api, "profile", instrument=ETH)
    assert (nothing["profile"], nothing["step"], nothing["point_of_control"]) == ([], None, None)


async def test_ticks_of_any_length_are_warm(backend: FakeBackend, api: Api) -> None:
    random = np.random.default_rng(2)
    prices = 100.0 + random.normal(0, 1, 900).cumsum() / 10
    rows = [
        msgspec.structs.replace(trade(n, time=START_NS + n * SECOND_NS // 3), price=p) for n, p in enumerate(prices)
    ]
    late = msgspec.structs.replace(rows[100], ingest_time=START_NS + 10**12)
    await backend.commit(*rows[:100], *rows[101:], late, clock=START_NS + 400 * SECOND_NS)
    start = format_rfc3339(START_NS + 250 * SECOND_NS)
    found = await ask(api, "ticks", instrument=BTC, span=7, length=20, start=start)
    price = pd.Series(prices)
    told, last = found["ticks"], np.arange(752, 900, 3)
    assert ([row["trade_id"] for row in told], told[0]["event_time"] > start) == ([str(n) for n in last], True)
    ewm, rolling = price.ewm(span=7, adjust=False), price.rolling(20)
    expected = {
        "ewma": ewm.mean(), "ewma_std": ewm.std(), "ewma_variance": ewm.var(), "rolling_mean": rolling.mean(),
        "rolling_std": rolling.std(), "rolling_variance": rolling.var(), "change_1t": 100 * price.pct_change(),
    }  # fmt: skip
    for name, values in expected.items():
        np.testing.assert_allclose(column(told, name), values[last], rtol=1e-9, atol=1e-9, err_msg=name)
    assert (await ask(api, "ticks", instrument=ETH))["ticks"] == []


async def test_sentiment_is_of_completed_hours(backend: FakeBackend, api: Api) -> None:
    random = np.random.default_rng(8)
    count = HISTORY + 10
    closes = 100.0 * np.exp(random.normal(0, 0.01, (count, 2)).cumsum(axis=0))
    volume, first = random.lognormal(0, 1, count), START_NS - START_NS % HOUR
    rows = [
        msgspec.structs.replace(
            candle(first + n * HOUR, instrument, "1h", close=float(closes[n, place])),
            volume=float(volume[n]), taker_buy_volume=float(volume[n] * closes[n, 0] / 1_000.0),
        )
        for n in range(count)
        for place, instrument in enumerate((BTC, ETH))
    ]  # fmt: skip
    await backend.commit(*rows, clock=first + count * HOUR + 5)
    found = (await ask(api, "sentiment", instrument=BTC, hours=10))["sentiment"]
    assert len(found) == 10
    for hour in (0, 9):
        until = HISTORY + 1 + hour
        part = (closes[:until, 0], volume[:until], (volume * closes[:, 0] / 1_000.0)[:until], closes[:until])
        expected = msgspec.structs.asdict(sentiment(*(array[-HISTORY:] for array in part)))
        assert {name: found[hour][name] for name in expected} == pytest.approx(expected, rel=1e-9)
    young = (await ask(api, "sentiment", instrument=BTC, hours=12))["sentiment"]
    assert [row["sentiment"] is None for row in young] == [True] + [False] * 11


async def test_sentiment_without_hours_says_what_to_do(api: Api) -> None:
    answer = await api.get("/api/v1/sentiment", instrument=BTC)
    assert (answer.status_code, "add 1h to [candles] intervals" in answer.json()["detail"]) == (400, True)


async def test_one_product_at_all_venues(backend: FakeBackend, api: Api) -> None:
    names = [f"BTC-USD.{venue}" for venue in ("KRAKEN", "BITSTAMP", "ALPACA", "OKX")]
    backend.add(*names)
    rows = [last(10), *(last(10, name) for name in names)]
    mids = [(99.0, 101.0), (99.5, 100.5), (100.0, 101.0), (149.0, 151.0), (None, 100.0)]
    rows = [
        msgspec.structs.replace(row, bid=bid, ask=ask) for row, (bid, ask) in zip(rows, mids, strict=True)
    ]  # fmt: skip
    await backend.commit(*rows, last(10, ETH), clock=START_NS + 20 * SECOND_NS)
    found = await ask(api, "across", product="BTC-USD")
    assert (found["venues"], found["best_bid"], found["best_ask"], found["median_price"]) == (4, 149.0, 100.5, 100.25)
    told = {row["venue"]: row for row in found["across"]}
    assert set(told) == {"COINBASE", "KRAKEN", "BITSTAMP", "ALPACA", "OKX"}
    assert told["ALPACA"]["is_outlier"]
    assert told["COINBASE"]["premium_bp"] == pytest.approx((100.0 / 100.25 - 1) * 1e4)
    assert (told["OKX"]["counts"], told["OKX"]["mid"], told["OKX"]["premium_bp"]) == (False, None, None)
    assert told["KRAKEN"]["age_s"] == 10.0
    old = await ask(api, "across", product="BTC-USD", max_age_s=9)
    assert (old["venues"], old["best_bid"]) == (0, None)
    answer = await api.get("/api/v1/across", product="BTC-USDX")
    assert (answer.status_code, "BTC-USD" in answer.json()["detail"]) == (404, True)


async def test_views_with_a_row_for_each(backend: FakeBackend, api: Api) -> None:
    await backend.commit(candle(minute(0)), candle(minute(0), ETH), last(1), last(2, ETH), clock=minute(1))
    found = (await ask(api, "rolling"))["rolling"]
    assert [(row["instrument"], row["trades_24h"], row["high_24h"]) for row in found] == [(BTC, 7, 3.0), (ETH, 7, 3.0)]
    assert [row["instrument"] for row in (await ask(api, "rolling", instrument=ETH))["rolling"]] == [ETH]
    overview = (await ask(api, "overview"))["overview"]
    assert [(row["instrument"], row["price"]) for row in overview] == [(BTC, 101.0), (ETH, 102.0)]
    assert (await ask(api, "winners_losers"))["winners_losers"] == []


async def test_quality_is_told_by_day(backend: FakeBackend, api: Api) -> None:
    noon = START_NS - START_NS % DAY + DAY // 2
    day = format_rfc3339(noon - DAY // 2)
    rows = [
        coverage(noon, noon + HOUR, instrument=BTC),
        coverage(noon + HOUR, noon + 2 * HOUR, instrument=BTC, state=CoverageState.DOWN),
        coverage(noon + 2 * HOUR, None, instrument=BTC),
        coverage(
            noon + HOUR // 2, noon + 3 * HOUR // 2, instrument=BTC, state=CoverageState.GAP, missing=4,
            first_missing="4", last_missing="7",
        ),
    ]  # fmt: skip
    trades = [trade(n, time=noon + n * SECOND_NS) for n in (1, 2, 4, 3)]
    trades = [
        msgspec.structs.replace(row, ingest_time=noon + (10 + place) * SECOND_NS) for place, row in enumerate(trades)
    ]
    trades[0] = msgspec.structs.replace(trades[0], origin=Origin.REFILL)
    figures = [depth(noon, instrument=BTC, crossed_s=0.25), depth(noon + 1, instrument=BTC, crossed_s=0.5)]
    quiet = [
        msgspec.structs.replace(candle(noon + n * MINUTE, revision=n), trades=0, reason=EmptyReason.QUIET)
        for n in range(3)
    ]
    again = [Duplicate(BTC, noon - DAY // 2, 1), Duplicate(BTC, noon - DAY * 3 // 2, 50), Duplicate(ETH, noon, 50)]
    await backend.commit(
        *rows,
        *trades,
        *figures,
        *quiet,
        *again,
        quote_stat(noon + 70 * SECOND_NS, instrument=BTC),
        clock=noon + 4 * HOUR,
    )
    (found,) = (await ask(api, "quality"))["quality"]
    assert (found["instrument"], found["day"]) == (BTC, day)
    assert [found[name] for name in ("followed_s", "down_s", "gap_s", "missing")] == [14_400.0, 3_600.0, 5_400.0, 4]
    assert found["completeness"] == pytest.approx(62.5)
    assert [found[name] for name in ("trades", "refilled", "revisions", "stale_s", "crossed_s")] == [4, 1, 3, 120, 0.75]
    assert found["out_of_order"] == pytest.approx(100 / 3)
    assert (found["duplicates"], found["duplicate_rate"]) == (1, pytest.approx(100 / 4))
    delays = np.array([9.0, 8.0, 10.0])
    skew, p50, p99 = np.percentile(delays, [1, 50, 99])
    assert found["clock_skew_s"] == pytest.approx(skew, rel=1e-9)
    assert [found["delay_p50_s"], found["delay_p99_s"]] == pytest.approx([p50 - skew, p99 - skew], rel=1e-9)
    assert (await ask(api, "quality", instrument=ETH))["quality"] == []
    assert (await ask(api, "quality", instrument=BTC, end=day))["quality"] == []


async def test_a_trade_that_comes_after_those_of_the_next_day_is_out_of_order(backend: FakeBackend, api: Api) -> None:
    """Trades were compared with those of their own day alone."""
    midnight = START_NS - START_NS % DAY
    trades = [trade(5 + n, time=midnight + n * SECOND_NS) for n in (-3, -2, 1, -1, 2)]
    trades += [trade(5 + n, ETH, time=midnight + n * SECOND_NS) for n in (-2, -1, 1)]
    trades = [msgspec.structs.replace(row, ingest_time=midnight + place) for place, row in enumerate(trades)]
    history = msgspec.structs.replace(trade(9, ETH, time=midnight + 9), ingest_time=midnight, origin=Origin.REFILL)
    wanted = [coverage(midnight - HOUR, midnight + HOUR, instrument=one) for one in (BTC, ETH)]
    await backend.commit(*wanted, *trades, history, clock=midnight + HOUR)
    found = (await ask(api, "quality"))["quality"]
    assert [(row["instrument"], row["out_of_order"]) for row in found] == [
        (BTC, pytest.approx(100 / 3)), (ETH, 0.0), (BTC, 0.0), (ETH, 0.0),
    ]  # fmt: skip


async def test_quality_goes_over_midnight(backend: FakeBackend, api: Api) -> None:
    midnight = START_NS - START_NS % DAY
    down = coverage(midnight - HOUR, midnight + 2 * HOUR, instrument=BTC, state=CoverageState.DOWN)
    await backend.commit(
        coverage(midnight - 2 * HOUR, midnight - HOUR, instrument=BTC),
        down,
        coverage(midnight + 2 * HOUR, None, instrument=BTC),
        coverage(midnight, None, instrument=ETH, state=CoverageState.NOT_FOLLOWED),
        clock=midnight + 8 * HOUR,
    )
    found = (await ask(api, "quality"))["quality"]
    assert [(row["followed_s"], row["down_s"], row["completeness"]) for row in found] == [
        (7_200.0, 3_600.0, 50.0),
        (28_800.0, 7_200.0, 75.0),
    ]


@pytest.mark.integration
async def test_the_past_is_kept_until_it_changes(backend: FakeBackend, server: Server) -> None:
    await backend.commit(*minutes(0, BTC), clock=minute(40))
    query: dict[str, Any] = {"instrument": BTC, "interval": "1m", "periods": 10, "end": format_rfc3339(minute(40))}
    first = await server.get("/api/v1/drawdown", **query)
    headers = {"If-None-Match": first.headers["etag"]}
    assert (await server.http.get("/api/v1/drawdown", params=query, headers=headers)).status_code == 304
    await backend.commit(candle(minute(39), close=3.0, revision=1), clock=minute(41))
    async with server.stream():  # connecting takes a turn of the loop: the hub has read the commit
        changed = await server.http.get("/api/v1/drawdown", params=query, headers=headers)
    assert (changed.status_code, changed.json()["drawdown"][-1]["close"]) == (200, 3.0)
    assert "etag" not in (await server.get("/api/v1/drawdown", instrument=BTC)).headers


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("drawdown", {"instrument": BTC}),
        ("ratios", {"instruments": BTC}),
        ("correlation/rolling", {"instrument": BTC, "other": ETH}),
        ("relative_volume", {"instrument": BTC}),
        ("vwap/rolling", {"instrument": BTC}),
        ("vwap/anchored", {"instrument": BTC, "anchor": "2027-01-15T08:00:00Z"}),
        ("profile", {"instrument": BTC}),
        ("ticks", {"instrument": BTC}),
        ("across", {"product": "BTC-USD"}),
        ("rolling", {}),
        ("overview", {}),
        ("winners_losers", {}),
        ("quality", {}),
    ],
)
async def test_every_series_comes_in_every_form(path: str, query: dict[str, str], pair: Api) -> None:
    rows = (await ask(pair, path, **query))[path.split("/", maxsplit=1)[0]]
    for form in ("csv", "arrow", "parquet"):
        table = table_of(await pair.get(f"/api/v1/{path}", **query, format=form))
        assert table.num_rows == len(rows)
        assert not rows or table.column_names == list(rows[0])


@pytest.mark.parametrize(
    ("path", "query", "status", "says"),
    [
        ("drawdown", {"periods": 5_001}, 400, "5000"),
        ("drawdown", {"instrument": "BTC-USD.KRAKEN"}, 404, BTC),
        ("drawdown", {"interval": "7x"}, 400, "interval"),
        ("drawdown", {"interval": "7d", "periods": 5_000}, 400, "ask with periods=49 at most"),
        ("drawdown", {"end": "soon"}, 400, "RFC 3339"),
        ("drawdown", {"limit": 5}, 400, "unknown query parameter 'limit'"),
        ("relative_volume", {"interval": "90s"}, 400, "interval"),
        ("relative_volume", {"n": 1}, 400, "n"),
        ("correlation/rolling", {"other": "X"}, 404, "'X'"),
        ("vwap/rolling", {"minutes": 0}, 400, "minutes"),
        ("vwap/rolling", {"k": "nan"}, 400, "k"),
        ("vwap/anchored", {}, 400, "anchor"),
        ("profile", {"steps": 0}, 400, "steps"),
        ("ticks", {"length": 1}, 400, "length"),
        ("profile", {"share": 1.5}, 400, "share"),
        ("sentiment", {"hours": 169}, 400, "hours"),
        ("quality", {"days": 32}, 400, "days"),
        ("rolling", {"instrument": "X"}, 404, "'X'"),
        ("drawdown", {"format": "xml"}, 400, "unknown format 'xml'"),
    ],
)
async def test_what_cannot_be_had_is_told(
    path: str, query: dict[str, Any], status: int, says: str, backend: FakeBackend, api: Api
) -> None:
    await backend.commit(candle(minute(0)), clock=minute(1))
    answer = await api.get(f"/api/v1/{path}", **{"instrument": BTC, **query})
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    assert says in answer.json()["detail"]
