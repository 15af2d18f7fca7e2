"""A running server for the client."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.api.scene import BTC, ETH, FakeBackend, Server, serve

from fulltape.stores.duckdb import DuckDbStore


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[FakeBackend]:
    """A backend with two instruments and nothing committed."""
    with DuckDbStore.open(tmp_path / "client.duckdb", simulated=False) as store:
        backend = FakeBackend(store)
        backend.add(BTC, ETH)
        yield backend


@pytest.fixture
async def server(backend: FakeBackend) -> AsyncIterator[Server]:
    """The application over `backend` on a free port."""
    async with serve(backend) as running:
        yield running
