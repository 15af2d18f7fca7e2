from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from fulltape.cli import serve, wiring
from fulltape.cli.serve import Plan, plan, simulated_path
from fulltape.engine.config import Config, ServerConfig, StoreConfig, VenueConfig
from fulltape.errors import ConfigError

pytestmark = pytest.mark.integration

Run = Callable[..., Any]


def test_without_a_configuration_it_may_fall_back_to_the_simulated_venue() -> None:
    chosen = plan(None, None, None, live=False, sim=False)
    assert chosen == Plan(Config(), simulate=False, may_simulate=True)


def test_live_never_simulates() -> None:
    assert not plan(None, None, None, live=True, sim=False).may_simulate


def test_a_configuration_never_simulates(tmp_path: Path) -> None:
    (tmp_path / "f.toml").write_text("[server]\nport = 1234")
    chosen = plan(tmp_path / "f.toml", None, None, live=False, sim=False)
    assert (chosen.config.server.port, chosen.may_simulate) == (1234, False)


def test_options_win_over_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "f.toml").write_text("[server]\nport = 1234\n[store]\npath = 'a.duckdb'")
    config = plan(tmp_path / "f.toml", 80, Path("b.duckdb"), live=False, sim=False).config
    assert (config.server.port, config.store.path) == (80, "b.duckdb")


def test_simulated_prices_go_into_a_database_of_their_own() -> None:
    assert plan(None, None, None, live=False, sim=True).config.store.path == "fulltape-sim.duckdb"
    assert plan(None, None, Path("x.duckdb"), live=False, sim=True).config.store.path == "x.duckdb"
    assert simulated_path("data/tape.duckdb") == Path("data/tape-sim.duckdb")


@pytest.mark.parametrize("arguments", [("--live", "--sim"), ("--sim", "--config", "f.toml")])
def test_contradictions_are_refused(run: Run, arguments: tuple[str, ...]) -> None:
    result = run("up", *arguments)
    assert result.code == 2
    assert result.err.startswith("error: ")


def test_a_port_in_use_is_told_before_anything_is_touched(run: Run, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run("up", "--live", "--port", str(port), "--db", str(tmp_path / "x.duckdb"))
    assert result.code == 2
    assert f"port {port} is in use" in result.err
    assert list(tmp_path.iterdir()) == []


class Told(list[str]):
    """What was told to the user, with a way to wait for it."""

    def __init__(self) -> None:
        super().__init__()
        self.changed = asyncio.Event()

    def add(self, text: str, style: str = "") -> None:
        self.append(text)
        self.changed.set()

    async def wait_for(self, part: str) -> str:
        async with asyncio.timeout(120):
            while True:
                for text in self:
                    if part in text:
                        return text
                self.changed.clear()
                await self.changed.wait()


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    heard = Told()
    monkeypatch.setattr(serve, "tell", heard.add)
    monkeypatch.setattr(serve, "tell_simulated", lambda: heard.add("SIMULATED"))
    return heard


async def run_plan(config: Config, stop: asyncio.Event, *, may_simulate: bool = False) -> None:
    with wiring.listen("127.0.0.1", 0) as listening:
        await serve.serve(Plan(config, simulate=False, may_simulate=may_simulate), listening, stop)


def silent_venue(folder: Path, port: int) -> Config:
    return Config(
        server=ServerConfig(port=0),
        store=StoreConfig(path=str(folder / "x.duckdb")),
        venues={"coinbase": VenueConfig(url=f"ws://127.0.0.1:{port}", rest_url=f"http://127.0.0.1:{port}")},
    )


@pytest.mark.slow
async def test_a_silent_venue_is_replaced_by_the_simulated_one(
    tmp_path: Path, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serve, "_ANSWER_S", 0.2)
    stop = asyncio.Event()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        config = silent_venue(tmp_path, silent.getsockname()[1])
        running = asyncio.create_task(run_plan(config, stop, may_simulate=True))
        text = await told.wait_for("fulltape runs: ")
        url = text.split()[2]
        async with httpx.AsyncClient(timeout=120, trust_env=False) as client:
            status = (await client.get(f"{url}/api/v1/status")).json()
        stop.set()
        await running
    assert status["simulated"] is True
    assert "No venue answers" in told[0]
    assert "SIMULATED" in told
    assert (tmp_path / "x-sim.duckdb").exists()
    assert not (tmp_path / "x.duckdb").exists()


async def test_live_waits_for_a_silent_venue_and_records_what_comes(tmp_path: Path, told: Told) -> None:
    stop = asyncio.Event()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        config = silent_venue(tmp_path, silent.getsockname()[1])
        capture = msgspec.structs.replace(config.capture, enabled=True, directory=str(tmp_path / "captures"))
        config = msgspec.structs.replace(config, capture=capture)
        running = asyncio.create_task(run_plan(config, stop))
        await told.wait_for("fulltape runs: ")
        stop.set()
        await running
    assert "SIMULATED" not in told
    assert (tmp_path / "x.duckdb").exists()
    assert (tmp_path / "captures").is_dir()


async def test_ctrl_c_while_asking_the_venues_starts_nothing(tmp_path: Path, told: Told) -> None:
    stop = asyncio.Event()
    stop.set()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        config = silent_venue(tmp_path, silent.getsockname()[1])
        await run_plan(config, stop, may_simulate=True)
    assert not (tmp_path / "x.duckdb").exists()
    assert told == []


async def test_a_simulated_venue_in_a_live_database_stops_everything(tmp_path: Path, told: Told) -> None:
    from fulltape.errors import FatalError
    from fulltape.sim.server import SimConfig, SimServer

    async with SimServer(SimConfig(history_s=0)) as sim:
        config = silent_venue(tmp_path, 1)
        venues = {"coinbase": VenueConfig(url=sim.ws_url, rest_url=sim.rest_url)}
        config = msgspec.structs.replace(config, venues=venues)
        with pytest.raises(FatalError, match="simulated prices"):
            await run_plan(config, asyncio.Event())


async def test_a_locked_database_is_a_configuration_error(tmp_path: Path, told: Told) -> None:
    (tmp_path / "x.duckdb").write_bytes(b"something else" * 1000)
    with pytest.raises(ConfigError, match="not a DuckDB database"):
        await run_plan(silent_venue(tmp_path, 1), asyncio.Event())


def test_record_is_up_with_a_recorder(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    plans: list[Plan] = []

    async def remember(chosen: Plan, listening: socket.socket, stop: asyncio.Event) -> None:
        plans.append(chosen)

    monkeypatch.setattr(serve, "serve", remember)
    monkeypatch.setattr(serve, "_SLOW_S", 0.0)
    assert run("record", "--directory", str(tmp_path), "--port", "0").code == 0
    assert run("up", "--sim", "--port", "0").code == 0
    assert plans[0].config.capture.enabled
    assert plans[0].config.capture.directory == str(tmp_path)
    assert (plans[0].simulate, plans[0].may_simulate) == (False, False)
    assert not plans[1].config.capture.enabled
    assert plans[1].simulate


def test_a_configuration_without_an_enabled_venue_is_refused(run: Run, tmp_path: Path) -> None:
    config = tmp_path / "none.toml"
    config.write_text("[server]\nport = 0\n[venues.coinbase]\nenabled = false\n")
    result = run("up", "--config", str(config), "--db", str(tmp_path / "x.duckdb"))
    assert result.code == 2
    assert "every venue is disabled (coinbase): set enabled = true for one of them" in " ".join(result.err.split())
