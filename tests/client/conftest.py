"""A running server for the client."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from tests.api.scene import EmptyStores, FakeBackend, Server, backend_over, serve


@pytest.fixture
def backend(empty_stores: EmptyStores) -> Iterator[FakeBackend]:
    """A backend with two instruments and nothing committed."""
    with backend_over(empty_stores) as backend:
        yield backend


@pytest.fixture
async def server(backend: FakeBackend) -> AsyncIterator[Server]:
    """The application over `backend` on a free port."""
    async with serve(backend) as running:
        yield running
