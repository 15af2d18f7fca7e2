"""What every handler gets: the backend and what the API built around it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from litestar import Response
from litestar.enums import MediaType

from fulltape.api.answers import Answers
from fulltape.api.backend import Backend
from fulltape.api.catalogue import Catalogue
from fulltape.api.config import ApiConfig
from fulltape.api.hub import Hub
from fulltape.api.queries import Queries
from fulltape.api.readers import Readers
from fulltape.api.sharing import Shared
from fulltape.api.snapshots import Caught
from fulltape.api.subscription import Wants
from fulltape.api.watching import Watching
from fulltape.stores.base import Reader

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Services:
    """The parts that handlers work with; one of each in an app."""

    backend: Backend
    config: ApiConfig
    catalogue: Catalogue
    readers: Readers
    queries: Queries
    watching: Watching
    hub: Hub
    answers: Answers
    snapshots: Shared[Wants, Caught]
    bringing: asyncio.Semaphore
    """Held by those who bring records: their bodies are in memory meanwhile."""

    @property
    def simulated(self) -> bool:
        """Whether the prices are made up."""
        return self.backend.status().simulated

    def close(self) -> None:
        """End the threads, once nobody asks any more."""
        self.queries.close()
        self.watching.close()
        self.readers.close()

    async def read(self, read: Callable[[Reader], T]) -> T:
        """Run a blocking read in a worker thread."""
        return await self.readers.run(read)


def json_response(body: bytes, status_code: int = 200) -> Response[bytes]:
    """Return encoded JSON as a response that nobody keeps."""
    return Response(
        body, status_code=status_code, media_type=MediaType.JSON.value, headers={"Cache-Control": "no-store"}
    )
