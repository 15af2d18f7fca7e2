"""A running API over a real store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.api.scene import BTC, ETH, Api, FakeBackend, serve

from fulltape.stores.duckdb import DuckDbStore


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[FakeBackend]:
    """A backend with two instruments and nothing committed."""
    with DuckDbStore.open(tmp_path / "api.duckdb", simulated=False) as store:
        backend = FakeBackend(store)
        backend.add(BTC, ETH)
        yield backend


@pytest.fixture
async def api(backend: FakeBackend) -> AsyncIterator[Api]:
    """A server over `backend` with default limits."""
    async with serve(backend) as running:
        yield running
