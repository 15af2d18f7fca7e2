"""The seven calls of a BitMEX dashboard's server: paths, shapes, hours, and a recount of the stored trades."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterable
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from tests.api.scene import BTC, Api, FakeBackend, call, feed

from fulltape.clock import SECOND_NS
from fulltape.operators.base import Step
from fulltape.operators.candles import Candles
from fulltape.records import TRADES, AggressorSide, Commit, Instrument, Last, Origin, Trade
from fulltape.records.status import FeedState

MINUTE = 60 * SECOND_NS
HOUR = 60 * MINUTE
XBT = "BTC-USDT-PERP.BITMEX"
SOL = "SOL-USDT-PERP.BITMEX"
KYIV = ZoneInfo("Europe/Kyiv")
CALLS = [
    "health",
    "transactions_count_last_6_hours",
    "trade_volume_last_6_hours",
    "hourly_stats_last_12_hours",
    "transactions_in_last_n_min?symbol=XBTUSDT&n_minutes=20",
    "top_n_highest_volumes?top_n=3",
    "current_price?symbol=XBTUSDT",
]


def ns(*moment: int) -> int:
    return int(dt.datetime(*moment, tzinfo=dt.UTC).timestamp()) * SECOND_NS  # type: ignore[misc,arg-type]


SUMMER = ns(2026, 7, 1, 12, 34, 56)
WINTER = ns(2026, 12, 1, 12, 34, 56)
CLOCKS_GO_FORWARD = ns(2026, 3, 29, 3, 20, 10)  # they did at 01:00 UTC
CLOCKS_GO_BACK = ns(2026, 10, 25, 3, 20, 10)


def market(now: int, count: int = 600) -> list[Trade]:
    """Return trades of the 14 hours up to ``now``, of which one in five ends an hour or a minute to the nanosecond."""
    random = Random(now)
    rows = []
    for number in range(count):
        at = now - random.randrange(14 * HOUR)
        if number % 5 == 0:
            at = at // HOUR * HOUR - random.choice((0, 1)) if number % 2 else at // MINUTE * MINUTE
        name = XBT if number % 3 else SOL
        rows.append(Trade(name, str(number), 100.0 + number % 7, 0.25, AggressorSide.BUY, at, at, Origin.LIVE))
    return sorted(rows, key=lambda row: row.event_time)


async def store(backend: FakeBackend, trades: Iterable[Trade], now: int, *others: Any) -> None:
    """Store trades with the candles that the operator makes of them, as the engine does."""
    for text, symbol, base in ((XBT, "XBTUSDT", "BTC"), (SOL, "SOLUSDT", "SOL")):
        backend.table.add(Instrument(text, "BITMEX", symbol, base, "USDT"))
    backend.clock = now
    made = backend.build(*trades, *others, clock=now)
    derived = Candles().apply(Step({TRADES.name: made.batches["trades"]}, now)) if "trades" in made.batches else []
    batches = {**made.batches, **{batch.schema.name: batch for batch in derived}}
    backend.store.commit(Commit(made.number, now, batches, instruments=made.instruments))


def recount(trades: Iterable[Trade], start: int, end: int) -> dict[str, tuple[int, float]]:
    """Count and value the trades of a stretch by symbol."""
    counts: Counter[str] = Counter()
    values: defaultdict[str, float] = defaultdict(float)
    for row in trades:
        if start <= row.event_time < end:
            name = {XBT: "XBTUSDT", SOL: "SOLUSDT"}[row.instrument]
            counts[name] += 1
            values[name] += row.price * row.size
    return {name: (counts[name], values[name]) for name in sorted(counts)}


@pytest.mark.parametrize("now", [SUMMER, WINTER, CLOCKS_GO_FORWARD, CLOCKS_GO_BACK])
async def test_summer_and_winter_give_the_figures_of_a_recount(now: int, backend: FakeBackend, api: Api) -> None:
    """The older server was two hours ahead all year round: in summer its windows were empty."""
    trades = market(now)
    await store(backend, trades, now)
    hour = now // HOUR * HOUR
    six = recount(trades, hour - 6 * HOUR, hour)
    assert len(six) == 2
    counts = (await api.get("/compat/transactions_count_last_6_hours")).json()
    assert counts == {"count": {name: {"total_transaction_count": count} for name, (count, _) in six.items()}}
    volumes = (await api.get("/compat/trade_volume_last_6_hours")).json()
    assert volumes == {
        "count": {name: {"total_trade_volume": pytest.approx(value, rel=1e-9)} for name, (_, value) in six.items()}
    }
    for n_hours, query in ((12, {}), (3, {"n_hours": 3})):
        stats = (await api.get("/compat/hourly_stats_last_12_hours", **query)).json()["stats"]
        expected: dict[str, list[dict[str, Any]]] = {}
        for start in range(hour - n_hours * HOUR, hour, HOUR):
            text = dt.datetime.fromtimestamp(start // SECOND_NS, dt.UTC).isoformat()
            for name, (count, value) in recount(trades, start, start + HOUR).items():
                row = {"hour_start": text, "transaction_count": count, "total_trade_volume": pytest.approx(value)}
                expected.setdefault(name, []).append(row)
        assert stats == expected
    minute = now // MINUTE * MINUTE
    for symbol in ("XBTUSDT", XBT):
        answer = await api.get("/compat/transactions_in_last_n_min", symbol=symbol, n_minutes=90)
        assert answer.json() == {
            "symbol": symbol, "number_of_trades": recount(trades, minute - 90 * MINUTE, minute)["XBTUSDT"][0],
        }  # fmt: skip
    top = (await api.get("/compat/top_n_highest_volumes", top_n=3)).json()["top_symbols"]
    hourly = recount(trades, minute - 59 * MINUTE, now + 1)
    ranked = sorted(hourly.items(), key=lambda item: -item[1][1])
    assert top == [{"symbol": name, "total_volume": pytest.approx(value)} for name, (_, value) in ranked]


def test_the_moments_lie_around_changes_of_the_clock() -> None:
    offsets = [dt.datetime.fromtimestamp(now / SECOND_NS, KYIV).utcoffset() for now in (SUMMER, WINTER)]
    assert offsets == [dt.timedelta(hours=3), dt.timedelta(hours=2)]
    for now in (CLOCKS_GO_FORWARD, CLOCKS_GO_BACK):
        before, after = (dt.datetime.fromtimestamp(at / SECOND_NS, KYIV) for at in (now - 6 * HOUR, now))
        assert before.utcoffset() != after.utcoffset()


async def test_an_hour_that_waits_for_late_trades_counts_already(backend: FakeBackend, api: Api) -> None:
    now = ns(2026, 11, 20, 12) + SECOND_NS
    await store(backend, market(now), now)
    counts = (await api.get("/compat/transactions_count_last_6_hours")).json()["count"]
    expected = recount(market(now), now - SECOND_NS - 6 * HOUR, now - SECOND_NS)
    assert counts["XBTUSDT"]["total_transaction_count"] == expected["XBTUSDT"][0]


async def test_every_last_hour_ends_at_the_call_while_the_engine_stands_still(backend: FakeBackend, api: Api) -> None:
    """The largest volumes went by the engine's clock: hours after the last commit an old hour passed for the last."""
    await store(backend, market(SUMMER), SUMMER)
    count = {"symbol": "XBTUSDT", "n_minutes": 60}
    assert len((await api.get("/compat/top_n_highest_volumes", top_n=3)).json()["top_symbols"]) == 2
    assert (await api.get("/compat/transactions_in_last_n_min", **count)).json()["number_of_trades"] > 0
    backend.clock = SUMMER + 8 * HOUR
    assert (await api.get("/compat/top_n_highest_volumes", top_n=3)).json() == {"top_symbols": []}
    assert (await api.get("/compat/transactions_in_last_n_min", **count)).json()["number_of_trades"] == 0
    assert (await api.get("/compat/trade_volume_last_6_hours")).json() == {"count": {}}
    backend.clock = SUMMER + 30 * MINUTE
    minute = backend.clock // MINUTE * MINUTE
    half = recount(market(SUMMER), minute - 59 * MINUTE, backend.clock + 1)
    top = (await api.get("/compat/top_n_highest_volumes", top_n=3)).json()["top_symbols"]
    assert {row["symbol"]: row["total_volume"] for row in top} == {
        name: pytest.approx(value) for name, (_, value) in half.items()
    }


def where(price: float | None, quote_time: int | None) -> Last:
    side, none = AggressorSide.BUY, None
    return Last(XBT, "1", 1.0, 1.0, side, 1, price, 1.0, 101.0, 1.0, quote_time, none, none, none, none, 1, 1)


async def test_the_current_price_is_the_newest_quote_by_symbol(backend: FakeBackend, api: Api) -> None:
    await store(backend, (), SUMMER, where(99.5, 5))
    for symbol in ("XBTUSDT", XBT):
        answer = (await api.get("/compat/current_price", symbol=symbol)).json()
        assert answer == {"Symbol": symbol, "Sell price": 101.0, "Buy price": 99.5}


async def test_an_empty_side_is_null(backend: FakeBackend, api: Api) -> None:
    await store(backend, (), SUMMER, where(None, 5))
    assert (await api.get("/compat/current_price", symbol="XBTUSDT")).json()["Buy price"] is None


async def test_nothing_stored_gives_empty_answers(api: Api) -> None:
    assert (await api.get("/compat/transactions_count_last_6_hours")).json() == {"count": {}}
    assert (await api.get("/compat/hourly_stats_last_12_hours")).json() == {"stats": {}}
    assert (await api.get("/compat/top_n_highest_volumes", top_n=1)).json() == {"top_symbols": []}


REFUSED = [
    ("current_price?symbol=XBTUSDC", 404, "XBTUSDT"),
    ("current_price?symbol=SOLUSDT", 404, "no quote"),
    ("current_price", 422, "symbol"),
    ("current_price?symbol=' OR 1=1 --", 404, "unknown symbol"),
    ("transactions_in_last_n_min?symbol=nothing&n_minutes=5", 404, "unknown symbol"),
    ("transactions_in_last_n_min?symbol=XBTUSDT", 422, "n_minutes"),
    ("transactions_in_last_n_min?symbol=XBTUSDT&n_minutes=0", 422, "n_minutes"),
    ("transactions_in_last_n_min?symbol=XBTUSDT&n_minutes=99999", 422, "n_minutes"),
    ("transactions_in_last_n_min?symbol=XBTUSDT&n_minutes=NaN", 422, "n_minutes"),
    ("hourly_stats_last_12_hours?n_hours=-1", 422, "n_hours"),
    ("top_n_highest_volumes", 422, "top_n"),
    ("top_n_highest_volumes?top_n=0", 422, "top_n"),
    ("nothing", 404, ""),
]


async def test_what_cannot_be_answered_is_told_as_fastapi_does(backend: FakeBackend, api: Api) -> None:
    """The older server answered 500 to a symbol that it did not know, and built its queries from strings."""
    await store(backend, (), SUMMER)
    for query, status, says in REFUSED:
        answer = await api.get(f"/compat/{query}")
        assert answer.status_code == status
        assert says in answer.text
        assert "detail" in answer.json()


async def test_a_symbol_of_several_venues_must_be_told_apart(backend: FakeBackend, api: Api) -> None:
    backend.add("XRP-USDT.BINANCE", "XRP-USDT.BYBIT")
    await store(backend, (), SUMMER)
    answer = await api.get("/compat/current_price", symbol="XRPUSDT")
    assert answer.status_code == 422
    assert "XRP-USDT.BINANCE, XRP-USDT.BYBIT" in answer.text


async def test_at_the_root_only_if_switched_on(backend: FakeBackend, api: Api) -> None:
    await store(backend, market(SUMMER), SUMMER, where(99.5, 5))
    below = {path: await api.get(f"/compat/{path}") for path in CALLS}
    assert {answer.status_code for answer in below.values()} == {200}
    assert [(await api.get(f"/{path}")).status_code for path in CALLS[1:]] == [404] * 6
    async with call(backend, compat_at_root=True) as older:
        for path, answer in below.items():
            assert (await older.get(f"/{path}")).content == answer.content


async def test_health_is_the_older_servers_while_all_is_well(backend: FakeBackend, api: Api) -> None:
    assert (await api.get("/compat/health")).json() == {"status": 200}
    assert (await api.get("/health")).json() == {"status": "ok"}
    backend.feeds = (feed(state=FeedState.DOWN),)
    assert (await api.get("/compat/health")).status_code == 503


async def test_made_up_prices_are_labelled(backend: FakeBackend) -> None:
    backend.simulated = True
    async with call(backend, compat_at_root=True) as api:
        for path in (
            "/compat/top_n_highest_volumes?top_n=1",
            "/compat/udf/config",
            f"/influx?product={BTC}",
            "/grafana/",
        ):
            assert (await api.get(path)).headers["fulltape-simulated"] == "1"
    backend.simulated = False
    async with call(backend) as api:
        assert "fulltape-simulated" not in (await api.get("/compat/udf/config")).headers


async def test_parameters_of_others_are_let_pass(backend: FakeBackend, api: Api) -> None:
    assert (await api.get("/compat/transactions_count_last_6_hours", cache="no")).status_code == 200
