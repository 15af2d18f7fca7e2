from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

from fulltape.cli import simulate
from fulltape.cli.output import SIMULATED
from fulltape.sim.server import SimServer

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
