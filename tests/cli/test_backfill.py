"""The command line of ``fulltape backfill``; tests/e2e/test_backfill.py fetches with it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

from fulltape.cli.backfill import by_venue, fetch, find_instruments, parse_moment
from fulltape.clock import SECOND_NS
from fulltape.engine.config import Config, StoreConfig, VenueConfig
from fulltape.engine.history.backfill import Wish
from fulltape.errors import ConfigError
from fulltape.sim.server import SimConfig, SimServer
from fulltape.stores.duckdb import DuckDbStore
from fulltape.venues.registry import venue

Run = Callable[..., Any]
NOW = 1_795_186_888_123_456_789
DAY = 86_400 * SECOND_NS


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("0s", NOW),
        ("90s", NOW - 90 * SECOND_NS),
        ("2m", NOW - 120 * SECOND_NS),
        ("3h", NOW - 10_800 * SECOND_NS),
        ("30d", NOW - 30 * DAY),
        ("2w", NOW - 14 * DAY),
        ("1970-01-02", DAY),
        ("1970-01-02T00:00:01Z", DAY + SECOND_NS),
    ],
)
def test_moments(text: str, moment: int) -> None:
    assert parse_moment(text, NOW) == moment


@pytest.mark.parametrize(
    "text", ["", "0d", "-1d", "1y", "1.5d", "yesterday", "2026-13-01", "2026-10-01T12:00:00", "\u0661d"]
)
def test_what_is_no_moment_is_refused_with_the_forms_there_are(text: str) -> None:
    with pytest.raises(ConfigError, match="use 2026-10-01, 2026-10-01T12:00:00Z, or 30d"):
        parse_moment(text, NOW)


def test_instruments_go_to_their_venues_once_each() -> None:
    named = ["btc-usd.coinbase", "BTC-USDT.BINANCE", "ETH-USD.COINBASE", "btc-usd.coinbase"]
    assert by_venue(named) == {"COINBASE": ("BTC-USD.COINBASE", "ETH-USD.COINBASE"), "BINANCE": ("BTC-USDT.BINANCE",)}


@pytest.mark.parametrize(("text", "words"), [("BTC-USD", "not an instrument"), ("BTC-USD.NOWHERE", "(?i)nowhere")])
def test_what_names_no_instrument_of_a_venue_is_refused(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        by_venue([text])


def test_what_a_venue_does_not_offer_is_refused_with_the_nearest() -> None:
    offered = [venue("coinbase").instrument(symbol) for symbol in ("BTC-USD", "ETH-USD")]
    assert find_instruments(offered, ["ETH-USD.COINBASE"]) == (offered[1],)
    with pytest.raises(ConfigError, match=r"COINBASE does not offer BTC-USB\.COINBASE; did you mean BTC-USD\.COINBASE"):
        find_instruments(offered, ["BTC-USB.COINBASE"])
    with pytest.raises(ConfigError, match=r"does not offer XXXX-ZZZZ\.COINBASE$"):
        find_instruments(offered, ["XXXX-ZZZZ.COINBASE"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("BTC-USD.COINBASE", "--from", "soon"), "soon"),
        (("BTC-USD.COINBASE", "--from", "1d", "--interval", "7"), "--interval: unknown interval '7'"),
        (("BTC-USD", "--from", "1d"), "not an instrument"),
        (("BTC-USD.COINBASE", "--from", "1d", "--config", "none.toml"), "none.toml"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line_with_code_2(run: Run, arguments: tuple[str, ...], words: str) -> None:
    result = run("backfill", *arguments)
    assert result.code == 2
    assert words in result.err
    assert result.err.startswith("error: ")


def config(path: Path, *sims: SimServer) -> Config:
    venues = {
        name: VenueConfig(url=sim.ws_url, rest_url=server.rest_url, requests_per_s=1_000)
        for sim in sims
        for name, server in sim.venues.items()
    }
    return Config(store=StoreConfig(str(path), simulated=True), venues=venues)


def simulated() -> SimServer:
    return SimServer(SimConfig(symbols=("BTC-USD",), trades_per_s=5.0, history_s=1.0, past_days=0.1))


def hour() -> Wish:
    """Sixty minutes whose bars are settled, whatever the second is."""
    end = (time.time_ns() // (60 * SECOND_NS) - 2) * 60 * SECOND_NS
    return Wish(60, end - 3_600 * SECOND_NS, end)


@pytest.mark.integration
async def test_a_backfill_says_what_came(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with simulated() as sim:
        wanted = by_venue(["BTC-USD.COINBASE"])
        await fetch(config(tmp_path / "x.duckdb", sim), wanted, hour(), asyncio.Event())
        told = capsys.readouterr().err
        assert "SIMULATED" in told
        assert "BTC-USD.COINBASE: 60 bars of 1m came\n" in told
        trades = Wish(0, hour().start, hour().end)
        await fetch(config(tmp_path / "x.duckdb", sim), wanted, trades, asyncio.Event())
    assert "COINBASE does not have all between" in capsys.readouterr().err


@pytest.mark.integration
async def test_a_stop_keeps_what_has_come_and_says_how_to_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stop = asyncio.Event()
    stop.set()
    async with simulated() as sim:
        with pytest.raises(typer.Exit) as stopped:
            await fetch(config(tmp_path / "x.duckdb", sim), by_venue(["BTC-USD.COINBASE"]), hour(), stop)
    assert stopped.value.exit_code == 130
    assert "stopped: what has come is kept; the same command goes on from here" in capsys.readouterr().err


@pytest.mark.integration
async def test_what_a_venue_has_not_is_refused(tmp_path: Path) -> None:
    async with simulated() as sim:
        with pytest.raises(ConfigError, match="COINBASE has no bars of 2m"):
            wish = Wish(120, hour().start, hour().end)
            await fetch(config(tmp_path / "x.duckdb", sim), by_venue(["BTC-USD.COINBASE"]), wish, asyncio.Event())
        with pytest.raises(ConfigError, match="does not offer BTC-EUR"):
            await fetch(config(tmp_path / "x.duckdb", sim), by_venue(["BTC-EUR.COINBASE"]), hour(), asyncio.Event())


@pytest.mark.integration
async def test_simulated_history_does_not_get_into_a_live_database(tmp_path: Path) -> None:
    path = tmp_path / "x.duckdb"
    DuckDbStore.open(path, simulated=False).close()
    async with simulated() as sim:
        with pytest.raises(ConfigError, match="simulated"):
            await fetch(config(path, sim), by_venue(["BTC-USD.COINBASE"]), hour(), asyncio.Event())
