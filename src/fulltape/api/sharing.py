"""One piece of work for everybody who wants the same: what keeps a crowd of reconnecting clients cheap."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Shared(Generic[K, V]):
    """Answers requests of one key with one call of ``work``, which begins after each of them was made.

    A request during a running call is answered by the next one, so nobody gets an answer older than the question.
    Used on the event loop only.
    """

    def __init__(self, work: Callable[[K], Awaitable[V]]) -> None:
        self._work = work
        self._waiting: dict[K, asyncio.Task[V]] = {}
        self._running: dict[K, asyncio.Task[V]] = {}

    async def get(self, key: K) -> V:
        """Return what ``work(key)`` returns, or raise what it raises."""
        task = self._waiting.get(key)
        if task is None:
            task = asyncio.create_task(self._run(key, self._running.get(key)))
            self._waiting[key] = task
        # One client that leaves must not cancel what others wait for.
        return await asyncio.shield(task)

    async def _run(self, key: K, before: asyncio.Task[V] | None) -> V:
        if before is not None:
            await asyncio.wait([before])
        self._running[key] = self._waiting.pop(key)
        try:
            return await self._work(key)
        finally:
            del self._running[key]
