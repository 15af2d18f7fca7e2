"""A running simulated venue."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from copy import copy
from typing import Any

import pytest
from tests.sim.driver import Venue, VenueFactory, running

from fulltape.sim.history import MinuteBar
from fulltape.sim.plan import Plan


@pytest.fixture(scope="session", autouse=True)
def pasts() -> Iterator[None]:
    """Draw each past once: it is known from what it is asked for, and most tests ask for the same."""
    draw = Plan.past_bars
    drawn = dict[Any, list[list[MinuteBar]]]()

    def past_bars(plan: Plan, minute: int, count: int) -> list[list[MinuteBar]]:
        key = plan._common, plan._own, plan._listings, tuple(plan.trade_rates), minute, count
        if key not in drawn:
            drawn[key] = draw(plan, minute, count)
        return [[copy(bar) for bar in bars] for bars in drawn[key]]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Plan, "past_bars", past_bars)
        yield


@pytest.fixture
def start_venue() -> VenueFactory:
    """Start a server with settings of its own."""
    return running


@pytest.fixture
async def venue() -> AsyncIterator[Venue]:
    """A server with three products and 100 trades a second."""
    async with running() as started:
        yield started
