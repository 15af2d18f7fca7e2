"""Reading from the embedded store."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from fulltape.errors import ConfigError
from fulltape.records import STORED, Array, Batch, Schema
from fulltape.stores.base import Selection, SqlLimits
from fulltape.stores.duckdb_select import select, written_by
from fulltape.stores.export import check_suffix, write_whole
from fulltape.stores.schema import COMMIT, quoted, rows_of

_EXPORT_ROWS = 100_000


class DuckDbReader:
    """Reads whole commits of one database through a cursor of its own. One thread at a time."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self._cursor = cursor
        self._is_pinned = False
        self._is_ended = False
        self._in_use = threading.RLock()  # DuckDB refuses to close a cursor that another thread is using

    def read(self, selection: Selection) -> Batch:
        """Return the selected rows; rows at the same place come in the same order in every read."""
        query, parameters = select(selection)
        with self._in_use:
            return selection.schema.from_arrow(self._cursor.sql(query, params=parameters).to_arrow_table())

    def written(self, schema: Schema, after: int, until: int) -> tuple[Batch, Array]:
        """Return the rows that commits ``after`` < n <= ``until`` wrote, and the number of the commit of each."""
        with self._in_use:
            table = self._cursor.sql(written_by(schema), params=[after, until]).to_arrow_table()
        return schema.from_arrow(table), table.column(COMMIT).to_numpy()

    def last_commit(self) -> tuple[int, int]:
        """Return (number, clock) of the newest commit this reader sees; (0, 0) in an empty store."""
        with self._in_use:
            return progress(self._cursor)

    @contextmanager
    def pinned(self) -> Iterator[None]:
        """Keep to one state of the store until the block ends; a block inside another changes nothing."""
        with self._in_use:
            if self._is_pinned:
                yield
                return
            self._cursor.execute("BEGIN TRANSACTION READ ONLY")
            self._is_pinned = True
            try:
                progress(self._cursor)  # a transaction sees the state at its first read
                yield
            finally:
                self._is_pinned = False
                self._cursor.rollback()

    def intervals(self) -> tuple[int, ...]:
        """Return the lengths (s) of the windows that are stored, of candles or bars of any instrument."""
        with self._in_use:
            rows = self._cursor.execute("SELECT seconds FROM _tape.intervals ORDER BY seconds").fetchall()
        return tuple(seconds for (seconds,) in rows)

    def sql(self, query: str, limits: SqlLimits | None = None, parameters: Sequence[Any] = ()) -> pa.Table:
        """Run one SELECT over the public views and return its rows; ``parameters`` stand for its question marks.

        Raises ConfigError, saying why, for any other statement, an error in it, or one that goes over the limits.
        """
        limits = limits or SqlLimits()
        with self._running(limits.timeout_s):
            table = self._relation(query, parameters).limit(limits.max_rows + 1).to_arrow_table()
        if table.num_rows > limits.max_rows:
            raise ConfigError(f"more than {limits.max_rows:,} rows: add a LIMIT, or export them to a file")
        return table

    def export(self, query: str, path: Path) -> int:
        """Write the rows of a table (its bare name) or a SELECT to ``.csv``, ``.parquet`` or ``.arrow``.

        Returns the number of rows. The file appears whole or not at all. Raises ConfigError for a query that cannot
        run, a suffix of no known format, or a place that cannot be written.
        """
        check_suffix(path)
        if query.strip().isidentifier():
            query = f"FROM {quoted(query.strip())}"
        with self._running(timeout_s=None):
            ((simulated,),) = self._cursor.execute("SELECT simulated FROM _tape.meta").fetchall()
            relation = self._relation(query)
            if path.suffix == ".csv":
                relation = _printable(relation)
            with relation.to_arrow_reader(_EXPORT_ROWS) as batches:
                return write_whole(batches, path, simulated=simulated)

    def table_sizes(self) -> dict[str, int]:
        """Return the number of rows of each table."""
        counts = ", ".join(f"(SELECT count(*) FROM {rows_of(schema)})" for schema in STORED)
        with self._in_use:
            (row,) = self._cursor.execute(f"SELECT {counts}").fetchall()
        return dict(zip((schema.name for schema in STORED), row, strict=True))

    def close(self) -> None:
        """Give the cursor back."""
        with self._in_use:
            self._cursor.close()

    def end(self) -> None:
        """Close the reader from another thread, stopping what it is running."""
        self._is_ended = True
        while not self._in_use.acquire(timeout=0.02):
            self._cursor.interrupt()  # has no effect on a query about to begin, so again until it ends
        self._cursor.close()
        self._in_use.release()

    @contextmanager
    def _running(self, timeout_s: float | None) -> Iterator[None]:
        """Run a user's query: it cannot write, and is interrupted after ``timeout_s``."""
        timer = threading.Timer(timeout_s or 0.0, self._cursor.interrupt)
        try:
            with self.pinned():
                if timeout_s is not None:
                    timer.start()
                try:
                    yield
                finally:
                    timer.cancel()
        except duckdb.InterruptException as error:
            why = "the database is being closed" if self._is_ended else f"it ran for more than {timeout_s} s"
            raise ConfigError(f"query stopped: {why}") from error
        except duckdb.Error as error:
            raise ConfigError(f"query refused: {error}") from error

    def _relation(self, query: str, parameters: Sequence[Any] = ()) -> duckdb.DuckDBPyRelation:
        statements = self._cursor.extract_statements(query)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise ConfigError("only a single SELECT can be run here: the database is written by fulltape alone")
        return self._cursor.sql(statements[0].query, params=list(parameters))


def progress(cursor: duckdb.DuckDBPyConnection) -> tuple[int, int]:
    """Return (number, clock) of the newest commit that ``cursor`` sees."""
    ((number, clock),) = cursor.execute(f"SELECT {COMMIT}, epoch_ns(clock) FROM _tape.meta").fetchall()
    return number, clock


def _printable(relation: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    """Return the relation with raw bytes as text, as CSV needs: bytes outside ASCII become escapes."""
    columns = [
        f"CAST({quoted(name)} AS VARCHAR) AS {quoted(name)}" if kind == "BLOB" else quoted(name)
        for name, kind in zip(relation.columns, map(str, relation.types), strict=True)
    ]
    return relation.project(", ".join(columns))
