from __future__ import annotations

import socket
from random import Random

import pytest

from fulltape.cli.probe import answers
from fulltape.clock import SystemClock
from fulltape.engine.config import VenueConfig
from fulltape.sim.faults import Faults
from fulltape.sim.server import SimConfig, SimServer
from fulltape.venues.registry import venue

pytestmark = pytest.mark.integration


async def asks(url: str, timeout_s: float) -> bool:
    followed = VenueConfig(url=url)
    return await answers(venue("coinbase"), followed, clock=SystemClock(), random=Random(1), timeout_s=timeout_s)


async def test_a_venue_that_talks_answers() -> None:
    async with SimServer(SimConfig(trades_per_s=1, history_s=0)) as sim:
        assert await asks(sim.ws_url, 20)


async def test_a_venue_that_refuses_or_is_gone_does_not() -> None:
    async with SimServer(SimConfig(trades_per_s=1, history_s=0, faults=Faults(refuse=True))) as sim:
        assert not await asks(sim.ws_url, 0.2)
    assert not await asks(sim.ws_url, 0.2)


async def test_a_venue_that_never_speaks_does_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        assert not await asks(f"ws://127.0.0.1:{listening.getsockname()[1]}", 0.2)
