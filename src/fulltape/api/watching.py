"""Looking at topics for clients: off the event loop, once for all who ask the same, few at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from litestar.exceptions import NotFoundException

from fulltape.api.backend import Backend
from fulltape.api.sharing import Shared
from fulltape.bus.topics import Message, Overview, Topics
from fulltape.errors import TransientError, did_you_mean

_THREADS: Final = 2
_MOST_WAITING: Final = 16
_RETRY_S: Final = 2.0
_OFF: Final = (
    "nothing is published: start fulltape with --kafka or name brokers in [kafka] bootstrap, see docs/kafka.md"
)

T = TypeVar("T")


class Watching:
    """Asks for topics. Used on the event loop; `close` ends its threads."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="fulltape-topics")
        self._waiting = 0
        self._overviews = Shared[None, Overview](lambda _: self._run(lambda topics: topics.overview()))
        self._newest = Shared[tuple[str, int], list[Message]](
            lambda asked: self._run(lambda topics: topics.newest(*asked))
        )

    def topics(self) -> Topics:
        """Return the topics; TransientError while nothing is published."""
        if (topics := self._backend.topics) is None:
            raise TransientError(_OFF)
        return topics

    async def overview(self) -> Overview:
        """Return topics and groups. Raises TransientError when nobody answers, or too many ask."""
        return await self._overviews.get(None)

    async def newest(self, topic: str, limit: int) -> list[Message]:
        """Return the newest messages of a topic, newest first; a 404 if fulltape has no such topic."""
        names = self.topics().names
        if topic not in names:
            raise NotFoundException(f"no such topic: {topic!r}{did_you_mean(topic, names)}; GET /api/v1/topics has all")
        return await self._newest.get((topic, limit))

    async def _run(self, ask: Callable[[Topics], T]) -> T:
        topics = self.topics()
        if self._waiting >= _MOST_WAITING:
            raise TransientError(f"{self._waiting} others wait for Kafka already", retry_after_s=_RETRY_S)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, ask, topics)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Let no further question begin."""
        self._threads.shutdown(wait=False, cancel_futures=True)
