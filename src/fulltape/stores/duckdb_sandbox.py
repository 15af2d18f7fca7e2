"""Running SQL from strangers in the process that captures, so that the capture does not feel it."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Final

import duckdb
import psutil
import pyarrow as pa

from fulltape.errors import ConfigError
from fulltape.stores.base import SqlLimits, SqlRows
from fulltape.stores.rehearsal import Rehearsal
from fulltape.stores.sandbox import check, check_text
from fulltape.stores.schema import public_tables

_NICENESS: Final = 10
_WATCH_S: Final = 0.02
_BATCH_ROWS: Final = 2_048
_MOST_COLUMNS: Final = 1_000


class DuckDbSandbox:
    """One query at a time through a cursor of its own, within limits of time, memory, rows and bytes."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self._cursor = cursor
        self._tables = public_tables()
        self._rehearsal = Rehearsal()
        self._running = threading.Lock()
        self._closing = threading.Event()
        self._aside = threading.Event()

    def run(self, query: str, limits: SqlLimits, gone: threading.Event) -> SqlRows:
        """Run a query; see `fulltape.stores.base.Sandbox.run`. The calling thread steps back behind all others."""
        _step_back()

        def unwanted() -> str:
            return self._unwanted(gone)

        with self._running:
            self._rehearse(query, unwanted)
            self._cursor.execute("BEGIN TRANSACTION READ ONLY")
            try:
                watch = _Watch(self._cursor, limits, unwanted)
                with _explained(watch), watch:
                    return self._fetch(query, limits)
            finally:
                # Not before the watch has ended: what interrupts a query would interrupt this as well.
                self._cursor.rollback()

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """End the query that runs, and let none begin before the block ends."""
        self._aside.set()
        try:
            with self._running:
                yield
        finally:
            self._aside.clear()

    def close(self) -> None:
        """Give the cursor back, ending what runs."""
        self._closing.set()
        with self._running:
            self._rehearsal.close()
            self._cursor.close()

    def _unwanted(self, gone: threading.Event) -> str:
        if self._closing.is_set():
            return "the database is being closed"
        if self._aside.is_set():
            return "a commit needed the memory that it held"
        return "nobody waits for it any more" if gone.is_set() else ""

    def _rehearse(self, query: str, unwanted: Callable[[], str]) -> None:
        """Raise ConfigError for what may not be said, or cannot be planned in bounds."""
        check_text(query)
        check(self._rehearsal.tree(query, unwanted), self._tables)
        self._rehearsal.plan(query, unwanted)

    def _fetch(self, query: str, limits: SqlLimits) -> SqlRows:
        relation = self._cursor.sql(query)
        if len(relation.columns) > _MOST_COLUMNS:
            raise ConfigError(f"query refused: it has {len(relation.columns):,} columns, {_MOST_COLUMNS:,} are allowed")
        with relation.limit(limits.max_rows + 1).to_arrow_reader(_BATCH_ROWS) as batches:
            return _within(batches, limits)


class _Watch:
    """Stops a query that nobody awaits, or that takes too much time, memory or disk: DuckDB does not count it all."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, limits: SqlLimits, unwanted: Callable[[], str]) -> None:
        self.reason = ""
        self._cursor = cursor
        self._limits = limits
        self._unwanted = unwanted
        self._process = psutil.Process()
        self._most = self._process.memory_info().rss + limits.max_memory_bytes
        self._most_written = self._written() + limits.max_disk_bytes
        self._until = time.monotonic() + limits.timeout_s
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="sql-watch")

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *exc: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(_WATCH_S):
            self.reason = self.reason or self._judge()
            if self.reason:
                self._cursor.interrupt()  # has no effect on a query about to begin, so again until it ends

    def _judge(self) -> str:
        if reason := self._unwanted():
            return reason
        if time.monotonic() >= self._until:
            return f"it ran for more than {self._limits.timeout_s:g} s"
        if self._process.memory_info().rss >= self._most:
            return f"it took more than {self._limits.max_memory_bytes >> 20} MiB of memory"
        if self._written() >= self._most_written:
            return f"it put more than {self._limits.max_disk_bytes >> 20} MiB aside on the disk"
        return ""

    def _written(self) -> int:
        """Return how much the process has written: gigabytes set aside would keep commits waiting for the disk."""
        if not hasattr(self._process, "io_counters"):  # macOS does not tell
            return 0
        return int(self._process.io_counters().write_bytes)


def _within(batches: pa.RecordBatchReader, limits: SqlLimits) -> SqlRows:
    """Return the first rows, as many as the limits of rows and bytes let through."""
    taken: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        if rows + len(batch) > limits.max_rows or size + batch.nbytes > limits.max_bytes:
            taken.append(batch.slice(0, _fitting(batch, limits.max_rows - rows, limits.max_bytes - size)))
            return SqlRows(pa.Table.from_batches(taken, batches.schema), is_cut=True)
        taken.append(batch)
        rows += len(batch)
        size += batch.nbytes
    return SqlRows(pa.Table.from_batches(taken, batches.schema), is_cut=False)


def _fitting(batch: pa.RecordBatch, rows: int, size: int) -> int:
    """Return how many of the batch's rows fit, taking them to be of one size."""
    fitting = len(batch) * size // max(batch.nbytes, 1)
    return int(max(0, min(rows, fitting, len(batch))))


@contextlib.contextmanager
def _explained(watch: _Watch) -> Iterator[None]:
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise ConfigError("query stopped: it took more memory than a query may") from error
    except (duckdb.Error, OSError, pa.ArrowException) as error:  # the last two say what DuckDB says between batches
        raise ConfigError(f"query stopped: {watch.reason}" if watch.reason else f"query refused: {error}") from error


def _step_back() -> None:
    """Let the threads of the engine go first on a busy machine; only on Linux has each thread its own niceness."""
    thread = threading.get_native_id()
    if os.uname().sysname == "Linux" and os.getpriority(os.PRIO_PROCESS, thread) < _NICENESS:
        os.setpriority(os.PRIO_PROCESS, thread, _NICENESS)
