"""Worker threads that read the store, each with a reader of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from fulltape.api.backend import Backend
from fulltape.stores.base import Reader

T = TypeVar("T")


class Readers:
    """Runs blocking reads off the event loop. Readers are opened on a thread's first use and closed by `close`."""

    def __init__(self, backend: Backend, threads: int) -> None:
        self._backend = backend
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="fulltape-read")
        self._local = threading.local()
        self._opened: list[Reader] = []

    async def run(self, read: Callable[[Reader], T]) -> T:
        """Return what ``read`` makes of this thread's reader; waits while all threads are busy."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._call, read)

    def _call(self, read: Callable[[Reader], T]) -> T:
        reader: Reader | None = getattr(self._local, "reader", None)
        if reader is None:
            reader = self._local.reader = self._backend.reader()
            self._opened.append(reader)
        return read(reader)

    def close(self) -> None:
        """Finish the reads that run and close every reader."""
        self._pool.shutdown(cancel_futures=True)
        while self._opened:
            self._opened.pop().close()
