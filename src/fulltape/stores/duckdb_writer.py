"""Writing commits into the embedded store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import duckdb
import msgspec
import numpy as np
import pyarrow as pa

from fulltape.errors import FatalError
from fulltape.records import CANDLES, Array, Batch, Commit, Instrument
from fulltape.records.interval import format_interval
from fulltape.stores.latest import last_of_each_key
from fulltape.stores.schema import COMMIT, OPEN_CANDLES, SCHEMA, quoted, sql_type, table

_BEFORE_ALL: Final = np.iinfo(np.int64).min

Series = tuple[int, int]
"""A series of candles: instrument code and interval in seconds."""


class CommitWriter:
    """Writes commits through one cursor. What it knows of the stored rows spares a look at them in every commit."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self._cursor = cursor
        self._instruments = len(cursor.execute("SELECT code FROM _tape.instruments").fetchall())
        self._intervals = {seconds for (seconds,) in cursor.execute("SELECT seconds FROM _tape.intervals").fetchall()}
        self._finals = _newest_finals(cursor)

    def write(self, commit: Commit) -> None:
        """Write everything that a commit changes, inside the transaction that the caller has begun.

        Raises FatalError for rows of an instrument that no commit introduced.
        """
        batches = [_latest(batch) for batch in commit.batches.values() if len(batch)]
        self._check_codes(commit, batches)
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
        self._cursor.execute(
            f"UPDATE _tape.meta SET {COMMIT} = ?, clock = make_timestamp_ns(?)", [commit.number, commit.clock]
        )

    def remember(self, commit: Commit) -> None:
        """Take note of what a commit changed, once it is in the store."""
        self._instruments = _known(self._instruments, commit)
        self._intervals |= _intervals(commit.batches.values())
        candles = commit.batches.get(CANDLES.name)
        if candles is None:
            return
        final = candles.take(candles["is_final"])
        for series, start in zip(_series(final), final["start"].tolist(), strict=True):
            self._finals[series] = max(start, self._finals.get(series, start))

    def _check_codes(self, commit: Commit, batches: Iterable[Batch]) -> None:
        # A row whose instrument is unknown would be stored and yet missing from every view.
        known = _known(self._instruments, commit)
        for batch in batches:
            codes = batch.columns.get("instrument")
            if codes is not None and int(codes.max()) >= known:
                raise FatalError(f"commit {commit.number}: {batch!r} names an instrument that no commit introduced")

    def _append(self, batch: Batch, name: str, number: int) -> None:
        numbers = pa.array(np.full(len(batch), number, np.int64))
        self._insert(name, batch.to_arrow().append_column(COMMIT, numbers))

    def _replace(self, batch: Batch, name: str, number: int) -> None:
        self._delete(batch, name)
        self._append(batch, name, number)

    def _delete(self, batch: Batch, name: str) -> None:
        columns = [batch.schema.column(key) for key in batch.schema.key]
        keys = {n: (sql_type(column), batch[n].tolist()) for column in columns for n in column.names}
        self._forget(name, keys)

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
        self._forget("instruments", {"code": ("INTEGER", list(instruments))})
        self._insert("instruments", pa.Table.from_pylist(rows))

    def _write_intervals(self, new: set[int]) -> None:
        for seconds in sorted(new):
            self._cursor.execute("INSERT INTO _tape.intervals VALUES (?, ?)", [seconds, format_interval(seconds)])

    def _write_snapshots(self, snapshots: Mapping[str, Mapping[int, bytes]]) -> None:
        rows = [(operator, code, state) for operator, states in snapshots.items() for code, state in states.items()]
        if not rows:
            return
        operators, codes, states = map(list, zip(*rows, strict=True))
        self._forget("snapshots", {"operator": ("VARCHAR", operators), "instrument": ("INTEGER", codes)})
        self._insert("snapshots", pa.table({"operator": operators, "instrument": codes, "state": states}))

    def _insert(self, name: str, rows: pa.Table) -> None:
        self._cursor.from_arrow(rows).insert_into(f"{SCHEMA}.{name}")

    def _forget(self, name: str, keys: Mapping[str, tuple[str, list[Any]]]) -> None:
        """Delete the rows with these keys, given as (type, values) by column."""
        # Lists as parameters cost half of what a join with an Arrow table does; literals in an IN list even more.
        lists = ", ".join(f"unnest(?::{_plain(kind)}[]) AS {quoted(key)}" for key, (kind, _) in keys.items())
        match = " AND ".join(
            f"t.{quoted(key)} = {_restored(kind, f'gone.{quoted(key)}')}" for key, (kind, _) in keys.items()
        )
        self._cursor.execute(
            f"DELETE FROM {table(name)} AS t USING (SELECT {lists}) AS gone WHERE {match}",
            [values for _, values in keys.values()],
        )


def _plain(kind: str) -> str:
    """Return the type in which values of a column's type are passed: times as nanoseconds."""
    return "BIGINT" if kind == "TIMESTAMP_NS" else kind


def _restored(kind: str, value: str) -> str:
    return f"make_timestamp_ns({value})" if kind == "TIMESTAMP_NS" else value


def _known(instruments: int, commit: Commit) -> int:
    return max(instruments, *(code + 1 for code in commit.instruments), 0)


def _latest(batch: Batch) -> Batch:
    return last_of_each_key(batch) if batch.schema.latest else batch


def _intervals(batches: Iterable[Batch]) -> set[int]:
    return {seconds for batch in batches if "interval" in batch.columns for seconds in batch["interval"].tolist()}


def _series(candles: Batch) -> Iterable[Series]:
    return zip(candles["instrument"].tolist(), candles["interval"].tolist(), strict=True)


def _newest_finals(cursor: duckdb.DuckDBPyConnection) -> dict[Series, int]:
    rows = cursor.execute(
        f"SELECT instrument, interval, epoch_ns(max(start)) FROM {table(CANDLES.name)} GROUP BY ALL"
    ).fetchall()
    return {(code, seconds): start for code, seconds, start in rows}
