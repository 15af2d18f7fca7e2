"""Warming up: compile the kernels before a venue is followed, not while its first frames wait.

Numba compiles a kernel on its first call, once after each installation, and holds everything else up meanwhile.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

from fulltape.cli import wiring
from fulltape.clock import SECOND_NS
from fulltape.engine.config import Config
from fulltape.engine.pipeline import Pipeline
from fulltape.engine.pipeline.derivation import History
from fulltape.engine.runner import CommittedHistory
from fulltape.records.frames import Chunk, Connection, EventKind, SessionEvent
from fulltape.sim.coinbase import Feed, Session
from fulltape.sim.instruments import choose
from fulltape.sim.market import Market
from fulltape.venues.base import Subscription, Venue
from fulltape.venues.registry import venue

_START: Final = 1_700_000_000 * SECOND_NS
_SYMBOL: Final = "BTC-USD"
_STEPS: Final = (1, 2, 3, 65, 66, 4_000)  # seconds: busy ones, then ends of longer and longer windows


def warm_up(config: Config) -> None:
    """Run a pipeline over a little of the simulated market, in memory and in a folder that goes again."""
    with tempfile.TemporaryDirectory() as folder, wiring.open_store(Path(folder) / "x.duckdb", simulated=True) as store:
        history = CommittedHistory(store)
        _run(wiring.pipeline(config, store), venue(wiring.DEFAULT_VENUE), history)
        history.close()


def _run(pipeline: Pipeline, source: Venue, history: History) -> None:
    market = Market(1, _START, choose((_SYMBOL,)), trades_per_s=20.0, past_days=0.1)
    feed = Feed(market)
    session = Session(feed, _START)
    connection = Connection("warm-up", source.spec.name, simulated=True)
    asked = Subscription(source.spec.default_channels, (_SYMBOL,))
    frames = [frame for request in source.subscribe_frames(asked, None, _START) for frame in session.answer(request)]
    pipeline.step([SessionEvent(connection, EventKind.CONNECTED, _START)], _START, history)
    for second in _STEPS:
        now = _START + second * SECOND_NS
        pipeline.step([Chunk(connection, frames, [now] * len(frames))], now, history)
        if second < 60:
            market.advance(now)
        else:
            market.skip(now)
        frames = [frame for _, frame in feed.frames(market.advance(now + SECOND_NS // 2), session.topics)]
    pipeline.step([SessionEvent(connection, EventKind.DISCONNECTED, now)], now, history)
