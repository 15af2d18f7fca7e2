from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fulltape.cli import simulate
from fulltape.cli.output import SIMULATED
from fulltape.engine.config import Config, StoreConfig
from fulltape.sim.server import SimServer

pytestmark = pytest.mark.integration

Run = Callable[..., Any]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_venue_runs_until_a_signal(run: Run, monkeypatch: pytest.MonkeyPatch, number: signal.Signals) -> None:
    announce = simulate._announce

    def announce_and_stop(server: SimServer) -> None:
        announce(server)
        os.kill(os.getpid(), number)

    monkeypatch.setattr(simulate, "_announce", announce_and_stop)
    result = run("sim", "--port", "0", "--symbol", "BTC-USD", "--trades-per-s", "1")
    assert result.code == 0
    assert SIMULATED in result.err
    assert "ws://127.0.0.1:" in result.err


def test_a_configuration_to_follow_all_venues_is_written(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(simulate, "_announce", lambda server: os.kill(os.getpid(), signal.SIGINT))
    path = tmp_path / "sim.toml"
    for venues in ("kraken", "kraken, Binance"):  # what an earlier run has written may be written over
        arguments = ("--port", "0", "--symbol", "BTC-USD", "--trades-per-s", "1", "--past-days", "0.01")
        result = run("sim", *arguments, "--venues", venues, "--config-out", str(path))
        assert result.code == 0
        assert f"fulltape up --config {path}" in result.err.replace("\n", "")
    config = Config.load(path)
    assert config.store == StoreConfig("fulltape-sim.duckdb", simulated=True)
    assert list(config.venues) == ["kraken", "binance"]
    assert config.venues["binance"].url.endswith("/stream")
    assert config.venues["binance"].rest_url.startswith("http://127.0.0.1:")


def test_nothing_else_is_written_over(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("[store]\n")
    assert "was not written by" in run("sim", "--config-out", str(path)).err
    assert path.read_text() == "[store]\n"


def test_a_configuration_that_cannot_be_written_ends_it(run: Run, tmp_path: Path) -> None:
    arguments = ("--port", "0", "--symbol", "BTC-USD", "--trades-per-s", "1", "--past-days", "0.01")
    result = run("sim", *arguments, "--config-out", str(tmp_path / "none" / "sim.toml"))
    assert result.code == 2
    assert "No such file" in result.err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--faults", "drip=1"), "unknown fault 'drip' (did you mean 'drop'?)"),
        (("--symbol", "BTC-USB"), "does not list 'BTC-USB' (did you mean 'BTC-USD'?)"),
        (("--venues", "coinbse"), "no simulated venue 'coinbse' (did you mean 'coinbase'?)"),
        (("--port", "70000"), "port must be between"),
    ],
)
def test_a_mistake_is_one_line(run: Run, arguments: tuple[str, ...], complaint: str) -> None:
    result = run("sim", *arguments)
    assert result.code == 2
    assert complaint in result.err
