"""Every profile runs, with nothing but its venues' addresses replaced, until all that its system had has data."""

from __future__ import annotations

import asyncio
import csv
import re
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.e2e.programs import FULLTAPE
from tests.kafka.broker import Broker
from tests.kafka.broker import running as broker_at

from fulltape.clock import SECOND_NS
from fulltape.engine import profiles
from fulltape.engine.config import Config
from fulltape.sim.server import SimConfig, SimServer

PATIENCE_S = 300.0
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Case:
    """What is fetched of the past before the start, what must have rows, and which calls must not be empty."""

    relations: Sequence[str]
    calls: Mapping[str, str]
    past: Sequence[str] = ()
    symbols: Sequence[str] = ()
    trades_per_s: float = 20.0
    history_s: float = 1.0
    past_days: float = 0.1
    second_of_minute: int = -1
    """At which the venue's clock stands when it starts, so that a minute is soon complete; -1 is ours."""


VENUES = {
    "alpaca-dash": "alpaca",
    "coinbase-grafana": "coinbase",
    "coinbase-superset": "coinbase",
    "bitmex-streamlit": "bitmex",
    "bybit-streamlit": "bybitlinear",
    "livecoinwatch-metabase": "livecoinwatch",
}
"""Which simulated venue each follows."""

STREAMLIT_CALLS = {
    "/health": '"status":200',
    "/transactions_count_last_6_hours": '"XBTUSDT"',
    "/trade_volume_last_6_hours": '"total_trade_volume"',
    "/hourly_stats_last_12_hours?n_hours=3": '"hour_start"',
    "/transactions_in_last_n_min?symbol=SOLUSDT&n_minutes=20": '"SOLUSDT"',
    "/top_n_highest_volumes?top_n=3": '"total_volume"',
    "/current_price?symbol=ETHUSDT": '"Sell price"',
}
LIVE_CALLS = {call: STREAMLIT_CALLS[call] for call in ("/health", "/current_price?symbol=ETHUSDT")}

CASES = {
    "alpaca-dash": Case(
        ("bars", "trades", "candles"),
        {
            "/api/v1/candles?instrument=BTC-USD.ALPACA&interval=7m": '"open"',
            "/": "<title>",
        },
        past=("BTC-USD.ALPACA", "--from", "60m"),
    ),
    "coinbase-grafana": Case(
        ("tickers", "trades"),
        {
            "/compat/influx?product=BTC-USD": "kafka_consumer,product=BTC-USD price=",
            "/compat/grafana/products": "BTC-USD.COINBASE",
            "/api/v1/candles?instrument=BTC-USD.COINBASE&interval=30d": '"open"',
        },
    ),
    "coinbase-superset": Case(
        ("coinbase_ticker", "coinbase_ticker_stats", "coinbase_volatility", "quote_stats"),
        {"/": "<title>"},
        second_of_minute=40,
    ),
    "bitmex-streamlit": Case(
        ("trades", "quotes", "current_price", "historical_trades", "symbol_stats_last_hour"),
        STREAMLIT_CALLS,
        past=("BTC-USDT-PERP.BITMEX", "--from", "70m", "--trades"),
        trades_per_s=1.0,
        history_s=4_500.0,
    ),
    "bybit-streamlit": Case(("trades", "quotes", "current_price", "historical_trades"), LIVE_CALLS),
    "livecoinwatch-metabase": Case(
        (
            "coins", "ohlc_by_minute", "ohlc_by_day", "change_by_second", "mov_avg_60_sec", "hist_daily",
            "moving_average_10d WHERE moving_average > 0", "moving_average_30d WHERE moving_average > 0",
            "change_by_day WHERE change_from_week_before IS NOT NULL", "change_by_day_latest",
            "overview WHERE change_7d IS NOT NULL", "winners_losers",
        ),
        {"/": "<title>"},
        past=("BTC-USD.LIVECOINWATCH", "--from", "32d", "--interval", "1d"),
        symbols=("BTC-USD",),
        past_days=33.0,
    ),
}  # fmt: skip
"""The rows of docs/parity.md that need no waiting for an hour, a day, an auction or the chance of an RFQ match."""


def test_every_profile_has_a_case_and_a_system() -> None:
    assert set(CASES) == set(VENUES) == set(profiles.names())
    replaced = [re.search(r'# Replaces "([^"]+)"', profiles.text(name)) for name in profiles.names()]
    assert len({match[1] for match in replaced if match}) == 5
    assert (ROOT / "profiles").resolve() == ROOT / "src" / "fulltape" / "engine" / "profiles"


@pytest.mark.parametrize("name", profiles.names())
def test_a_profile_says_how_to_start_it_and_stands_by_itself(name: str) -> None:
    config, text = Config.parse(profiles.text(name)), profiles.text(name)
    assert f"fulltape up --config {name}.toml" in text
    assert config.store.path == f"{name}.duckdb"
    assert config.server.host == "127.0.0.1"
    assert [one for one in config.venues.values() if one.enabled]
    assert not [one for one in config.venues.values() if one.url or one.rest_url]


def test_what_is_followed_is_what_the_older_systems_followed() -> None:
    followed = {name: venue for p in profiles.names() for name, venue in Config.parse(profiles.text(p)).venues.items()}
    assert {wish.partition("/")[0] for wish in followed["alpaca"].instruments} == {
        "BTC", "ETH", "LTC", "SOL", "BCH", "PAXG",
    }  # fmt: skip
    grafana = Config.parse(profiles.text("coinbase-grafana")).venues["coinbase"]
    assert {wish.partition("-")[0] for wish in grafana.instruments} == {
        "ETH", "BTC", "SOL", "BNB", "XRP", "ADA", "AVAX", "DOT",
    }  # fmt: skip
    assert len(Config.parse(profiles.text("coinbase-superset")).venues["coinbase"].instruments) == 8
    for name in ("bitmex", "bybitlinear", "binance", "kraken"):
        bases = {re.sub(r"/?USDT$", "", wish).replace("XBT", "BTC") for wish in followed[name].instruments}
        assert bases == {"BTC", "ETH", "SOL", "XRP", "LINK"}
    assert {wish.partition("-")[0] for wish in followed["livecoinwatch"].instruments} == {
        "USDT", "BTC", "ETH", "FDUSD", "XRP", "SOL", "USDC", "DOGE", "LINK", "AAVE",
    }  # fmt: skip
    assert Config.parse(profiles.text("alpaca-dash")).exports.csv_minutes == (1, 2, 5)
    assert Config.parse(profiles.text("bitmex-streamlit")).server.compat_at_root


class Ahead:
    """The machine's clock, so many seconds ahead."""

    def __init__(self, seconds: int) -> None:
        self._seconds = seconds

    def now_ns(self) -> int:
        return time.time_ns() + self._seconds * SECOND_NS


def simulated(text: str, sim: SimServer) -> str:
    """Return a profile that follows simulated venues: their addresses, and a database that may hold made-up prices."""
    text = text.replace("[store]\n", "[store]\nsimulated = true\n")
    for name, venue in sim.venues.items():
        header = f"[venues.{name}]\n"
        assert header in text
        address = f'url = "{venue.ws_url}"\nrest_url = "{venue.rest_url}"\nrequests_per_s = 100\n'
        text = text.replace(header, header + (address.partition("\n")[2] if name == "livecoinwatch" else address))
    return text


async def program(folder: Path, name: str, *arguments: str) -> asyncio.subprocess.Process:
    with (folder / f"{name}.log").open("wb") as out:
        return await asyncio.create_subprocess_exec(FULLTAPE, *arguments, cwd=folder, stdout=out, stderr=out)


@asynccontextmanager
async def running(folder: Path, name: str, *options: str) -> AsyncIterator[httpx.AsyncClient]:
    """Run a profile on a simulated venue that has some history, and yield a client of it."""
    case, venue = CASES[name], VENUES[name]
    settings = SimConfig(
        venues=(venue,),
        symbols=tuple(case.symbols),
        trades_per_s=case.trades_per_s,
        history_s=case.history_s,
        past_days=case.past_days,
    )
    now_s = time.time_ns() // SECOND_NS
    ahead_s = 0 if case.second_of_minute < 0 else (case.second_of_minute - now_s) % 60
    async with SimServer(settings, Ahead(ahead_s)) as sim:
        config = simulated(profiles.text(name), sim)
        (folder / f"{name}.toml").write_text(config)
        if case.past:
            past = await program(folder, "past", "backfill", *case.past, "--config", f"{name}.toml")
            assert await past.wait() == 0, (folder / "past.log").read_text()
        up = await program(folder, "up", "up", "--config", f"{name}.toml", "--port", "0", *options)
        try:
            url = await printed((folder / "up.log").read_text, r"http://\S+", up)
            async with httpx.AsyncClient(base_url=url, timeout=240, trust_env=False) as client:
                yield client
            up.send_signal(signal.SIGTERM)
            assert await up.wait() == 0
        finally:
            if up.returncode is None:
                up.kill()
                await up.wait()


async def printed(log: Callable[[], str], pattern: str, process: asyncio.subprocess.Process) -> str:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and process.returncode is None:
        if match := re.search(pattern, log()):
            return match[0]
        await asyncio.sleep(0.05)
    pytest.fail(log())


async def has_rows(client: httpx.AsyncClient, relation: str) -> bool:
    answer = await client.post("/api/v1/sql", json={"query": f"SELECT count(*) AS n FROM {relation}"})
    assert answer.status_code == 200, answer.text
    ((count,),) = answer.json()["rows"]
    return bool(count)


async def wait_for_all(client: httpx.AsyncClient, case: Case) -> None:
    """Wait until every feed is live, every relation has rows and every call has what it is asked for."""
    relations, calls, states = list(case.relations), dict(case.calls), set[str]()
    deadline = time.monotonic() + PATIENCE_S
    while relations or calls or states != {"live"}:
        relations = [relation for relation in relations if not await has_rows(client, relation)]
        calls = {call: part for call, part in calls.items() if part not in (await client.get(call)).text}
        states = {feed["state"] for feed in (await client.get("/api/v1/status")).json()["feeds"]}
        if time.monotonic() > deadline:
            answers = {call: (await client.get(call)).text[:200] for call in calls}
            pytest.fail(f"nothing in {PATIENCE_S:g} s: {relations} {answers} {states}")
        await asyncio.sleep(0.1)


@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
async def test_a_profile_runs_until_everything_has_data(name: str, tmp_path: Path) -> None:
    async with running(tmp_path, name) as client:
        await wait_for_all(client, CASES[name])
        status = (await client.get("/api/v1/status")).json()
        assert status["engine"]["rejected"] == {}
        wanted = Config.parse(profiles.text(name)).venues[VENUES[name]].channels
        assert set(wanted) <= {channel for feed in status["feeds"] for channel in feed["channels"]}
    if name == "alpaca-dash":
        files = sorted(path.name for path in (tmp_path / "data").iterdir())
        assert files == [f"{n}_min_crypto_data.csv" for n in (1, 2, 5)]
        for file, fewest in zip(files, (50, 25, 10), strict=True):
            columns, *rows = csv.reader((tmp_path / "data" / file).read_text().splitlines())
            assert ",".join(columns) == "start_time,end_time,symbol,open,high,low,close,volume,trade_count"
            assert len(rows) >= fewest


TOPICS = {
    "alpaca-dash": {"bars": "crypto_ingestion"},
    "coinbase-grafana": {"tickers": "ticker_batch"},
    "bitmex-streamlit": {"trades": "trades", "quotes": "order"},
    "bybit-streamlit": {"trades": "trades", "quotes": "order"},
    "livecoinwatch-metabase": {"coins": "coins_current_full"},
}
"""What the older systems called their topics."""


@pytest.mark.parametrize("name", profiles.names())
def test_topics_are_called_as_before_and_none_is_written_unless_wanted(name: str) -> None:
    kafka = Config.parse(profiles.text(name)).kafka
    assert kafka.names == TOPICS.get(name, {})
    assert set(kafka.names) <= set(kafka.kinds)
    assert not kafka.bootstrap


def test_alerts_are_made_and_a_target_is_prepared() -> None:
    text = profiles.text("coinbase-superset")
    config = Config.parse(text)
    assert config.alerts.enabled
    assert not config.notify
    prepared = Config.parse(re.sub(r"^# (\[notify|url_variable)", r"\1", text, flags=re.MULTILINE))
    assert list(prepared.notify) == ["phone"]


@pytest.fixture(scope="module")
def own_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A Kafka that no other test writes to: the older names are whole names."""
    with broker_at(tmp_path_factory.mktemp("profiles-kafka")) as broker:
        yield broker


@pytest.mark.e2e
@pytest.mark.slow
async def test_the_older_topic_is_written_to_in_the_older_form(own_broker: Broker, tmp_path: Path) -> None:
    async with running(tmp_path, "coinbase-grafana", "--kafka", own_broker.bootstrap) as client:
        deadline = time.monotonic() + PATIENCE_S
        rows: list[dict[str, Any]] = []
        while not rows:
            assert time.monotonic() < deadline, (await client.get("/api/v1/status")).text
            answer = await client.get("/api/v1/topics/ticker_batch/messages", params={"limit": 10})
            rows = answer.json()["messages"] if answer.status_code == 200 else []
            await asyncio.sleep(0.1)
    for row in rows:
        value = row["value"]
        assert value["product"] in Config.parse(profiles.text("coinbase-grafana")).venues["coinbase"].instruments
        assert value["price"] > 0
        assert value["w_time"] > 1_700_000_000
