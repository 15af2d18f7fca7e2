"""A running server for the client."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from tests.api.scene import FakeBackend, Server, backend_at, serve


@pytest.fixture
def backend(tmp_path: Path, make_database: Callable[[Path], None]) -> Iterator[FakeBackend]:
    """A backend with two instruments and nothing committed."""
    with backend_at(tmp_path / "client.duckdb", make_database) as backend:
        yield backend


@pytest.fixture
async def server(backend: FakeBackend) -> AsyncIterator[Server]:
    """The application over `backend` on a free port."""
    async with serve(backend) as running:
        yield running
