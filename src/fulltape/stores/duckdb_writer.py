"""Writing commits into the embedded store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import duckdb
import msgspec
import numpy as np
import pyarrow as pa

from fulltape.errors import FatalError
from fulltape.records import CANDLES, Array, Batch, Commit, Instrument
from fulltape.records.interval import format_interval
from fulltape.stores.latest import key_names, last_of_each_key
from fulltape.stores.schema import COMMIT, OPEN_CANDLES, quoted, table

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
        arriving = batch.to_arrow().append_column(COMMIT, numbers)
        # As a relation: half a millisecond less than a registered view, which is a third of a small commit.
        self._cursor.from_arrow(arriving).insert_into(f"_tape.{name}")

    def _replace(self, batch: Batch, name: str, number: int) -> None:
        self._delete(batch, name)
        self._append(batch, name, number)

    def _delete(self, batch: Batch, name: str) -> None:
        names = key_names(batch)
        match = " AND ".join(f"t.{quoted(n)} = arriving.{quoted(n)}" for n in names)
        self._with_arriving(
            batch.to_arrow().select(names), f"DELETE FROM {table(name)} AS t USING arriving WHERE {match}"
        )

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
        self._with_arriving(arriving, "DELETE FROM _tape.instruments AS t USING arriving WHERE t.code = arriving.code")
        self._with_arriving(arriving, f"INSERT INTO _tape.instruments({names}) SELECT {names} FROM arriving")

    def _write_intervals(self, new: set[int]) -> None:
        for seconds in sorted(new):
            self._cursor.execute("INSERT INTO _tape.intervals VALUES (?, ?)", [seconds, format_interval(seconds)])

    def _write_snapshots(self, snapshots: Mapping[str, Mapping[int, bytes]]) -> None:
        rows = [
            {"operator": operator, "instrument": code, "state": state}
            for operator, states in snapshots.items()
            for code, state in states.items()
        ]
        if not rows:
            return
        arriving = pa.Table.from_pylist(rows)
        self._with_arriving(
            arriving,
            "DELETE FROM _tape.snapshots AS t USING arriving "
            "WHERE t.operator = arriving.operator AND t.instrument = arriving.instrument",
        )
        self._with_arriving(arriving, "INSERT INTO _tape.snapshots SELECT operator, instrument, state FROM arriving")

    def _with_arriving(self, arriving: pa.Table, statement: str) -> None:
        self._cursor.register("arriving", arriving)
        self._cursor.execute(statement)
        self._cursor.unregister("arriving")


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
