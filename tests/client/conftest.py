"""A running server for the client."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from tests.api.scene import BTC, ETH, FakeBackend, Server, serve

from fulltape.stores.duckdb import DuckDbStore


@pytest.fixture
def backend(tmp_path: Path, make_database: Callable[[Path], None]) -> Iterator[FakeBackend]:
    """A backend with two instruments and nothing committed."""
    path = tmp_path / "client.duckdb"
    make_database(path)
    with DuckDbStore.open(path, simulated=False) as store:
        backend = FakeBackend(store)
        backend.add(BTC, ETH)
        yield backend


@pytest.fixture
async def server(backend: FakeBackend) -> AsyncIterator[Server]:
    """The application over `backend` on a free port."""
    async with serve(backend) as running:
        yield running
