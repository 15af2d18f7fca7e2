"""Strangers' SQL on its way to the store: one query at a time, few that wait, none that nobody awaits."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from litestar import Request

from fulltape.api.backend import Backend
from fulltape.api.config import ApiConfig
from fulltape.errors import TransientError
from fulltape.stores.base import SqlLimits, SqlRows

_RETRY_S: Final = 2.0


class Queries:
    """Runs queries in a thread of their own, so that no page and no chart waits for one."""

    def __init__(self, backend: Backend, config: ApiConfig) -> None:
        self._backend = backend
        self._most_waiting = config.sql_waiting
        self._limits = SqlLimits(max_rows=config.sql_rows, timeout_s=config.sql_timeout_s, max_bytes=config.sql_bytes)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="fulltape-sql")
        self._waiting = 0

    async def run(self, request: Request[Any, Any, Any], query: str) -> SqlRows:
        """Return the rows of a query. It is stopped when the client goes.

        Raises ConfigError for what cannot be run, TransientError while too many wait.
        """
        if self._waiting >= self._most_waiting:
            raise TransientError(f"{self._waiting} queries wait already: try again soon", retry_after_s=_RETRY_S)
        self._waiting += 1
        gone = threading.Event()
        watching = asyncio.create_task(_notice_departure(request, gone))
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._thread, lambda: self._backend.sandbox().run(query, self._limits, gone)
            )
        finally:
            self._waiting -= 1
            gone.set()
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching

    def close(self) -> None:
        """Let the query that runs come to its end, and no other begin."""
        self._thread.shutdown(cancel_futures=True)


async def _notice_departure(request: Request[Any, Any, Any], gone: threading.Event) -> None:
    """Set ``gone`` when the client closes its connection; the body must have been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
    gone.set()
