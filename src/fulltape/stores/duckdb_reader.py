"""Reading from the embedded store."""

from __future__ import annotations

from typing import Any

import duckdb

from fulltape.records import Batch, Schema
from fulltape.records.columns import Physical
from fulltape.stores.base import Cursor, Selection
from fulltape.stores.schema import COMMIT, physical_names, quoted, rows_of


class DuckDbReader:
    """Reads whole commits of one database through a cursor of its own."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self._cursor = cursor

    def read(self, selection: Selection) -> Batch:
        """Return the selected rows."""
        query, parameters = build(selection)
        return selection.schema.from_arrow(self._cursor.sql(query, params=parameters).to_arrow_table())

    def last_commit(self) -> tuple[int, int]:
        """Return (number, clock) of the newest commit; (0, 0) in an empty store."""
        row = self._cursor.execute(f"SELECT {COMMIT}, epoch_ns(clock) FROM tape.meta").fetchone()
        assert row is not None
        return row[0], row[1]

    def close(self) -> None:
        """Give the cursor back."""
        self._cursor.close()


def place_columns(schema: Schema) -> list[str]:
    """Return the columns that place a row of a kind: its time, then its id (upper half first) if it has one."""
    ids = [name for column in schema.columns if _is_key_id(schema, column.name) for name in reversed(column.names)]
    return [schema.time, *ids]


def _is_key_id(schema: Schema, name: str) -> bool:
    return name in schema.key and schema.column(name).physical is Physical.ID128


def build(selection: Selection) -> tuple[str, list[Any]]:
    """Return the SQL of a selection and its parameters."""
    schema = selection.schema
    time = quoted(schema.time)
    conditions: list[str] = []
    parameters: list[Any] = []

    def where(condition: str, *values: int) -> None:
        conditions.append(condition)
        parameters.extend(values)

    if selection.instruments:
        marks = ", ".join("?" * len(selection.instruments))
        where(f"instrument IN ({marks})", *selection.instruments)
    if selection.interval_s is not None:
        where("interval = ?", selection.interval_s)
    if selection.start is not None:
        where(f"{time} >= make_timestamp_ns(?)", selection.start)
    if selection.end is not None:
        where(f"{time} < make_timestamp_ns(?)", selection.end)
    if selection.after_commit is not None:
        where(f"{COMMIT} > ?", selection.after_commit)
    if selection.after is not None:
        condition, values = _behind(schema, selection.after, newest_first=selection.newest_first)
        where(condition, *values)
    direction = "DESC" if selection.newest_first else "ASC"
    places = [f"{quoted(name)} {direction}" for name in place_columns(schema)]
    order = ", ".join([*places, *(f"{quoted(name)} {direction}" for name in schema.key)])
    query = f"SELECT {', '.join(physical_names(schema))} FROM {rows_of(schema)}"
    if conditions:
        query += " WHERE " + " AND ".join(conditions)
    query += f" ORDER BY {order}"
    if selection.limit is not None:
        query += f" LIMIT {selection.limit:d}"
    return query, parameters


def _behind(schema: Schema, cursor: Cursor, *, newest_first: bool) -> tuple[str, list[int]]:
    values = [cursor.time, cursor.high, cursor.low]
    names = place_columns(schema)
    marks = ["make_timestamp_ns(?)", "?", "?"][: len(names)]
    sign = "<" if newest_first else ">"
    row = ", ".join(quoted(name) for name in names)
    # The plain comparison of the time is what zone maps understand.
    first = f"{quoted(names[0])} {sign}= make_timestamp_ns(?)"
    return f"{first} AND ({row}) {sign} ({', '.join(marks)})", [cursor.time, *values[: len(names)]]
