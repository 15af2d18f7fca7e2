"""The embedded store: one DuckDB file.

One thread commits; any thread reads through a reader of its own, while commits go on. Everything that one commit
changes goes through Arrow into one transaction.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Self

import duckdb
import msgspec
import numpy as np
import pyarrow as pa

from fulltape.errors import FatalError
from fulltape.records import CANDLES, Array, Batch, Commit, Instrument, InstrumentTable
from fulltape.records.interval import format_interval
from fulltape.stores.base import Restored, Retention, StoreIdentity
from fulltape.stores.duckdb_file import connect, identify
from fulltape.stores.duckdb_reader import DuckDbReader
from fulltape.stores.latest import key_names, last_of_each_key
from fulltape.stores.retention import expired
from fulltape.stores.schema import COMMIT, OPEN_CANDLES, quoted, table

_BEFORE_ALL: Final = np.iinfo(np.int64).min

Series = tuple[int, int]
"""A series of candles: instrument code and interval in seconds."""


class DuckDbStore:
    """A store in one DuckDB file. `commit`, `restore`, `retain` and `close` belong to one thread."""

    def __init__(self, root: duckdb.DuckDBPyConnection, identity: StoreIdentity) -> None:
        self.identity = identity
        self._root = root
        self._lock = threading.Lock()
        self._writer = root.cursor()
        self._commit, _ = _progress(self._writer)
        self._instruments = _count(self._writer, "tape.instruments")
        self._intervals = {row[0] for row in self._writer.execute("SELECT seconds FROM tape.intervals").fetchall()}
        self._finals = _newest_finals(self._writer)

    @classmethod
    def open(cls, path: Path, *, simulated: bool | None, read_only: bool = False) -> Self:
        """Open a database, or make it unless ``read_only``.

        ``simulated`` says which prices will be written; None takes the database as it is (a new one is live).
        Raises ConfigError, naming the file and what to do, if it cannot be used.
        """
        root = connect(path, read_only=read_only)
        try:
            identity = identify(root, path, simulated=simulated, read_only=read_only)
            return cls(root, identity)
        except BaseException:
            root.close()
            raise

    def restore(self) -> Restored:
        """Return what the last commit left behind."""
        number, clock = _progress(self._writer)
        fields = ", ".join(quoted(name) for name in Instrument.__struct_fields__)
        rows = self._writer.execute(f"SELECT {fields} FROM tape.instruments ORDER BY code").fetchall()
        snapshots: dict[str, dict[int, bytes]] = {}
        for operator, code, state in self._writer.execute("FROM tape.snapshots").fetchall():
            snapshots.setdefault(operator, {})[code] = state
        return Restored(number, clock, InstrumentTable(Instrument(*row) for row in rows), snapshots)

    def commit(self, commit: Commit) -> None:
        """Write a commit in one transaction; see `fulltape.stores.base.Store.commit`."""
        if commit.number <= self._commit:
            return
        if commit.number != self._commit + 1:
            raise FatalError(f"commit {commit.number} does not follow {self._commit}: the store would have a hole")
        batches = [_latest(batch) for batch in commit.batches.values() if len(batch)]
        self._check_codes(commit, batches)
        with self._transaction(f"commit {commit.number}"):
            self._write(commit, batches)
        self._remember(commit, batches)

    def retain(self, retention: Retention, now_ns: int) -> dict[str, int]:
        """Delete what is older than its table keeps and return how many rows each table lost.

        Raises ConfigError for a table or an interval that does not exist or a length that is not positive.
        """
        deletions = list(expired(retention, now_ns))
        lost: dict[str, int] = {}
        with self._transaction("retention"):
            for kind, statement, parameters in deletions:
                row = self._writer.execute(statement, parameters).fetchone()
                lost[kind] = lost.get(kind, 0) + (row[0] if row else 0)
        return lost

    def reader(self) -> DuckDbReader:
        """Return a reader for the calling thread."""
        with self._lock:
            return DuckDbReader(self._root.cursor())

    def close(self) -> None:
        """Flush and let go of the file."""
        self._writer.close()
        self._root.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @contextmanager
    def _transaction(self, what: str) -> Iterator[None]:
        try:
            self._writer.begin()
            yield
            self._writer.commit()
        except duckdb.Error as error:
            with suppress(duckdb.Error):  # after some failures DuckDB has rolled back by itself
                self._writer.rollback()
            raise FatalError(f"{what} could not be written: {error}") from error

    def _check_codes(self, commit: Commit, batches: Iterable[Batch]) -> None:
        # A row whose instrument is unknown would be stored and yet missing from every view.
        known = max(self._instruments, *(code + 1 for code in commit.instruments), 0)
        for batch in batches:
            codes = batch.columns.get("instrument")
            if codes is not None and int(codes.max()) >= known:
                raise FatalError(f"commit {commit.number}: {batch!r} names an instrument that no commit introduced")

    def _write(self, commit: Commit, batches: Iterable[Batch]) -> None:
        self._write_instruments(commit.instruments)
        self._write_intervals(_intervals(batches) - self._intervals)
        for batch in batches:
            if batch.schema is CANDLES:
                self._write_candles(batch, commit.number)
            elif batch.schema.latest:
                self._replace(batch, batch.schema.name, commit.number)
            else:
                self._append(batch, batch.schema.name, commit.number)
        self._write_snapshots(commit.snapshots)
        self._writer.execute(
            f"UPDATE tape.meta SET {COMMIT} = ?, clock = make_timestamp_ns(?)", [commit.number, commit.clock]
        )

    def _append(self, batch: Batch, name: str, number: int) -> None:
        self._insert(batch.to_arrow(), f"INSERT INTO {table(name)} SELECT *, {number} FROM arriving")

    def _replace(self, batch: Batch, name: str, number: int) -> None:
        self._delete(batch, name)
        self._append(batch, name, number)

    def _delete(self, batch: Batch, name: str) -> None:
        names = key_names(batch)
        match = " AND ".join(f"t.{quoted(n)} = arriving.{quoted(n)}" for n in names)
        keys = batch.to_arrow().select(names)
        self._insert(keys, f"DELETE FROM {table(name)} AS t USING arriving WHERE {match}")

    def _write_candles(self, batch: Batch, number: int) -> None:
        known = self._is_known_final(batch)
        if known.any():
            self._delete(batch.take(known), CANDLES.name)
        self._delete(batch, OPEN_CANDLES)
        final = batch["is_final"]
        if final.any():
            self._append(batch.take(final), CANDLES.name, number)
        if not final.all():
            self._append(batch.take(~final), OPEN_CANDLES, number)

    def _is_known_final(self, batch: Batch) -> Array:
        # Final candles of a series come in order of time, so only a start not after the newest can be there already.
        newest = [self._finals.get(series, _BEFORE_ALL) for series in _series(batch)]
        known: Array = batch["start"] <= np.array(newest, np.int64)
        return known

    def _write_instruments(self, instruments: Mapping[int, Instrument]) -> None:
        if not instruments:
            return
        rows = [{"code": code, **msgspec.structs.asdict(row)} for code, row in instruments.items()]
        arriving = pa.Table.from_pylist(rows)
        names = ", ".join(quoted(name) for name in arriving.column_names)
        self._insert(arriving, "DELETE FROM tape.instruments AS t USING arriving WHERE t.code = arriving.code")
        self._insert(arriving, f"INSERT INTO tape.instruments({names}) SELECT {names} FROM arriving")

    def _write_intervals(self, new: set[int]) -> None:
        for seconds in sorted(new):
            self._writer.execute("INSERT INTO tape.intervals VALUES (?, ?)", [seconds, format_interval(seconds)])

    def _write_snapshots(self, snapshots: Mapping[str, Mapping[int, bytes]]) -> None:
        rows = [
            {"operator": operator, "instrument": code, "state": state}
            for operator, states in snapshots.items()
            for code, state in states.items()
        ]
        if not rows:
            return
        arriving = pa.Table.from_pylist(rows)
        self._insert(
            arriving,
            "DELETE FROM tape.snapshots AS t USING arriving "
            "WHERE t.operator = arriving.operator AND t.instrument = arriving.instrument",
        )
        self._insert(arriving, "INSERT INTO tape.snapshots SELECT operator, instrument, state FROM arriving")

    def _insert(self, arriving: pa.Table, statement: str) -> None:
        self._writer.register("arriving", arriving)
        self._writer.execute(statement)
        self._writer.unregister("arriving")

    def _remember(self, commit: Commit, batches: Iterable[Batch]) -> None:
        self._commit = commit.number
        self._instruments = max(self._instruments, *(code + 1 for code in commit.instruments), 0)
        self._intervals |= _intervals(batches)
        for batch in batches:
            if batch.schema is CANDLES:
                final = batch.take(batch["is_final"])
                for series, start in zip(_series(final), final["start"].tolist(), strict=True):
                    self._finals[series] = max(start, self._finals.get(series, start))


def _latest(batch: Batch) -> Batch:
    return last_of_each_key(batch) if batch.schema.latest else batch


def _intervals(batches: Iterable[Batch]) -> set[int]:
    return {seconds for batch in batches if "interval" in batch.columns for seconds in batch["interval"].tolist()}


def _series(candles: Batch) -> Iterable[Series]:
    return zip(candles["instrument"].tolist(), candles["interval"].tolist(), strict=True)


def _progress(cursor: duckdb.DuckDBPyConnection) -> tuple[int, int]:
    row = cursor.execute(f"SELECT {COMMIT}, epoch_ns(clock) FROM tape.meta").fetchone()
    assert row is not None
    return row[0], row[1]


def _count(cursor: duckdb.DuckDBPyConnection, name: str) -> int:
    row = cursor.execute(f"SELECT count(*) FROM {name}").fetchone()
    assert row is not None
    return int(row[0])


def _newest_finals(cursor: duckdb.DuckDBPyConnection) -> dict[Series, int]:
    rows = cursor.execute(
        f"SELECT instrument, interval, epoch_ns(max(start)) FROM {table(CANDLES.name)} GROUP BY ALL"
    ).fetchall()
    return {(code, seconds): start for code, seconds, start in rows}
