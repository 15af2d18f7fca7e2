"""A running simulated venue."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.sim.driver import Venue, VenueFactory, running


@pytest.fixture
def start_venue() -> VenueFactory:
    """Start a server with settings of its own."""
    return running


@pytest.fixture
async def venue() -> AsyncIterator[Venue]:
    """A server with three products and 100 trades a second."""
    async with running() as started:
        yield started
