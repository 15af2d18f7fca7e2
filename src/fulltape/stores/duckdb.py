"""The embedded store: one DuckDB file.

One thread commits; any thread reads through a reader of its own, while commits go on. Everything that one commit
changes goes through Arrow into one transaction.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final, Self

import duckdb

from fulltape.errors import FatalError
from fulltape.records import Commit, Instrument, InstrumentTable
from fulltape.stores.base import Restored, Retention, StoreIdentity
from fulltape.stores.duckdb_file import connect, connect_to_read, explained, identify, lock
from fulltape.stores.duckdb_reader import DuckDbReader, progress
from fulltape.stores.duckdb_sandbox import DuckDbSandbox
from fulltape.stores.duckdb_writer import CommitWriter
from fulltape.stores.retention import expired
from fulltape.stores.schema import quoted

_NO_MEMORY: Final = (duckdb.OutOfMemoryException, duckdb.TransactionException)
"""What DuckDB says when a commit finds none, be it before its end or in it."""


class DuckDbStore:
    """A store in one DuckDB file. `restore`, `commit`, `retain` and `close` belong to one thread."""

    def __init__(self, root: duckdb.DuckDBPyConnection, identity: StoreIdentity) -> None:
        self.identity = identity
        self._root = root
        self._sandbox = DuckDbSandbox(lock(root))
        self._root_lock = threading.Lock()
        self._readers: weakref.WeakSet[DuckDbReader] = weakref.WeakSet()
        self._cursor = root.cursor()
        self._commit, _ = progress(self._cursor)
        self._writer = CommitWriter(self._cursor)

    @classmethod
    def open(cls, path: Path, *, simulated: bool | None, read_only: bool = False) -> Self:
        """Open a database, or make it unless ``read_only``.

        ``simulated`` says which prices will be written; None takes the database as it is (a new one is live).
        Raises ConfigError, naming the file and what to do, if it cannot be used.
        """
        with explained(path), ExitStack() as stack:
            root = stack.enter_context(connect_to_read(path) if read_only else connect(path, read_only=False))
            store = cls(root, identify(root, path, simulated=simulated, read_only=read_only))
            stack.pop_all()
            return store

    def restore(self) -> Restored:
        """Return what the last commit left behind."""
        number, clock = progress(self._cursor)
        fields = ", ".join(quoted(name) for name in Instrument.__struct_fields__)
        rows = self._cursor.execute(f"SELECT {fields} FROM _tape.instruments ORDER BY code").fetchall()
        snapshots: dict[str, dict[int, bytes]] = {}
        for operator, code, state in self._cursor.execute("FROM _tape.snapshots").fetchall():
            snapshots.setdefault(operator, {})[code] = state
        return Restored(number, clock, InstrumentTable(Instrument(*row) for row in rows), snapshots)

    def commit(self, commit: Commit) -> None:
        """Write a commit in one transaction; see `fulltape.stores.base.Store.commit`."""
        if commit.number <= self._commit:
            return
        if commit.number != self._commit + 1:
            raise FatalError(f"commit {commit.number} does not follow {self._commit}: the store would have a hole")
        self._write(commit)
        self._writer.remember(commit)
        self._commit = commit.number

    def _write(self, commit: Commit) -> None:
        what = f"commit {commit.number}"
        try:
            with self._transaction(what):
                self._writer.write(commit)
                return
        except FatalError as error:
            if not isinstance(error.__cause__, _NO_MEMORY):
                raise
        # A stranger's query may have taken it. It ends, with all that it holds, and this is tried once more.
        with self._sandbox.aside():
            with suppress(duckdb.Error):  # that may have found no memory either
                self._cursor.rollback()
            if progress(self._cursor)[0] < commit.number:
                with self._transaction(what):
                    self._writer.write(commit)

    def retain(self, retention: Retention, now_ns: int) -> dict[str, int]:
        """Delete what is older than its table keeps, in one transaction; see `fulltape.stores.base.Store.retain`."""
        deletions = list(expired(retention, now_ns))
        lost: dict[str, int] = {}
        with self._transaction("retention"):
            for kind, statement, parameters in deletions:
                rows = self._cursor.execute(statement, parameters).fetchall()
                lost[kind] = lost.get(kind, 0) + sum(count for (count,) in rows)
        return lost

    def reader(self) -> DuckDbReader:
        """Return a reader for the calling thread; any thread may ask."""
        with self._root_lock:
            reader = DuckDbReader(self._root.cursor())
            self._readers.add(reader)
            return reader

    def sandbox(self) -> DuckDbSandbox:
        """Return what runs SQL from strangers."""
        return self._sandbox

    def close(self) -> None:
        """Flush and let go of the file. Readers end with it, in the middle of a query if need be."""
        with self._root_lock:
            self._sandbox.close()
            for reader in tuple(self._readers):
                reader.end()
            self._cursor.close()
            self._root.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @contextmanager
    def _transaction(self, what: str) -> Iterator[None]:
        try:
            self._cursor.begin()
            yield
            self._cursor.commit()
        except BaseException as error:
            with suppress(duckdb.Error):  # after some failures DuckDB has rolled back by itself
                self._cursor.rollback()
            if isinstance(error, duckdb.Error):
                raise FatalError(
                    f"{what} could not be written: {error}. What was committed before is safe: see that the disk has "
                    "room and the file can be written, then start again"
                ) from error
            raise
