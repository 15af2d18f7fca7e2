"""A running API over a real store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.api.scene import BTC, ETH, Api, FakeBackend, Server, call, serve

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
    """The application over `backend` with default limits, without a socket."""
    async with call(backend) as running:
        yield running


@pytest.fixture
async def server(backend: FakeBackend) -> AsyncIterator[Server]:
    """The same behind a real socket."""
    async with serve(backend) as running:
        yield running
