"""A running API over a real store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from tests.api.scene import Api, EmptyStores, FakeBackend, Server, backend_over, call, serve


@pytest.fixture
def backend(empty_stores: EmptyStores) -> Iterator[FakeBackend]:
    """A backend with two instruments and nothing committed."""
    with backend_over(empty_stores) as backend:
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
