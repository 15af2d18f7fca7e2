"""The contract of a store: commits in, batches out.

One thread writes, in commit order. Any thread reads through a reader of its own, and sees whole commits only.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, Self

import msgspec
import pyarrow as pa

from fulltape.records import Array, Batch, Commit, InstrumentTable, Schema


class Retention(msgspec.Struct, frozen=True):
    """How many days each table keeps, by the kind's name; a table not named keeps everything.

    Candles may be limited per interval, as ``candles.1s``.
    """

    days: Mapping[str, float] = msgspec.field(default_factory=dict)


class StoreIdentity(msgspec.Struct, frozen=True):
    """What a database is: format version, whether its prices are simulated, and what tells it from all others.

    ``id`` is the same in copies of a database.
    """

    version: int
    simulated: bool
    id: str = ""


@dataclass(slots=True)
class Restored:
    """What the last commit left behind: where to go on from."""

    commit: int
    clock: int
    instruments: InstrumentTable
    snapshots: dict[str, dict[int, bytes]]


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place between two rows of a kind: after the row with this time and this id."""

    time: int
    low: int = 0
    high: int = 0


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows of one kind to read.

    The range is half-open on the kind's time: ``start <= time < end`` (ns). ``after_commit`` keeps rows that a later
    commit wrote or changed. Rows come ordered by (time, id), or the other way round with ``newest_first``; ``after``
    continues behind a cursor in that order. ``instruments`` are codes; empty means all.
    """

    schema: Schema
    instruments: tuple[int, ...] = ()
    interval_s: int | None = None
    start: int | None = None
    end: int | None = None
    after_commit: int | None = None
    after: Cursor | None = None
    newest_first: bool = False
    limit: int | None = None


MAX_QUERY: Final = 10_000
"""The longest query of a stranger, in characters."""


@dataclass(frozen=True, slots=True)
class SqlLimits:
    """What a user's query may take; memory is what the process grows by, disk what it writes, meanwhile."""

    max_rows: int = 100_000
    timeout_s: float = 30.0
    max_bytes: int = 64 << 20
    max_memory_bytes: int = 256 << 20
    max_disk_bytes: int = 256 << 20


@dataclass(frozen=True, slots=True)
class SqlRows:
    """What a query gave; ``is_cut`` when there were more rows than its limits let through."""

    table: pa.Table
    is_cut: bool


class Reader(Protocol):
    """Reads whole commits. One thread at a time; close it when done."""

    def read(self, selection: Selection) -> Batch:
        """Return the selected rows."""
        ...

    def written(self, schema: Schema, after: int, until: int) -> tuple[Batch, Array]:
        """Return the rows that commits ``after`` < n <= ``until`` wrote, and the number of the commit of each.

        They come in order of commits. Of kinds that keep one row per key, what a later commit replaced is not there;
        nor is what retention deleted.
        """
        ...

    def last_commit(self) -> tuple[int, int]:
        """Return (number, clock) of the newest commit this reader sees; (0, 0) in an empty store."""
        ...

    def pinned(self) -> AbstractContextManager[None]:
        """Keep to one state of the store: every read inside the ``with`` block sees the same newest commit."""
        ...

    def intervals(self) -> tuple[int, ...]:
        """Return the lengths (s) of the windows that are stored, of candles or bars of any instrument."""
        ...

    def sql(self, query: str, limits: SqlLimits | None = None, parameters: Sequence[Any] = ()) -> pa.Table:
        """Run one read-only statement over the public views; ``parameters`` stand for its question marks.

        Raises ConfigError if it is refused or fails.
        """
        ...

    def export(self, query: str, path: Path) -> int:
        """Write a table's or query's rows to ``.csv``, ``.parquet`` or ``.arrow`` and return how many.

        The file appears whole or not at all. Raises ConfigError for what cannot be run, or not be written there.
        """
        ...

    def table_sizes(self) -> dict[str, int]:
        """Return the number of rows of each table."""
        ...

    def close(self) -> None:
        """Give the reader's resources back."""
        ...


class Sandbox(Protocol):
    """Runs SQL from strangers, one query at a time."""

    def run(self, query: str, limits: SqlLimits, gone: threading.Event) -> SqlRows:
        """Run one SELECT over the public tables until ``gone`` is set.

        Raises ConfigError, saying why, for anything else, an error in it, and when it takes more than its limits of
        time or memory; TransientError when the machine has no room for it now.
        """
        ...


class Store(Protocol):
    """A database that takes commits."""

    identity: StoreIdentity

    def restore(self) -> Restored:
        """Return what to go on from; commit 0 and an empty table in a new database."""
        ...

    def commit(self, commit: Commit) -> None:
        """Write everything or nothing.

        Numbers must follow each other; a number already there is a no-op, so a retry after a failure in doubt is
        safe. Raises FatalError when the disk is full or the file is damaged: nothing of this commit is then in the
        store and every earlier commit is.
        """
        ...

    def reader(self) -> Reader:
        """Return a reader for the calling thread."""
        ...

    def sandbox(self) -> Sandbox:
        """Return what runs SQL from strangers; there is one for all threads."""
        ...

    def retain(self, retention: Retention, now_ns: int) -> dict[str, int]:
        """Delete what is older than its table keeps and return how many rows each table lost.

        Raises ConfigError for a table or an interval that does not exist or a length that is not positive.
        """
        ...

    def close(self) -> None:
        """Flush and let go of the file."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...
