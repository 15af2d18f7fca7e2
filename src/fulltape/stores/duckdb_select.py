"""The SQL of a selection."""

from __future__ import annotations

from typing import Final

from fulltape.records import Schema
from fulltape.records.columns import Physical
from fulltape.stores.base import Cursor, Selection
from fulltape.stores.schema import COMMIT, physical_names, quoted, table, tables_of

_TIME: Final = "make_timestamp_ns(?)"
_LATEST_TIME: Final = 2**63 - 2  # the ends of int64 stand for infinity


def select(selection: Selection) -> tuple[str, list[int]]:
    """Return the statement that reads a selection's physical columns, and its parameters."""
    schema = selection.schema
    conditions: list[str] = []
    parameters: list[int] = []
    for condition, values in _conditions(selection):
        conditions.append(condition)
        parameters.extend(values)
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    direction = "DESC" if selection.newest_first else "ASC"
    ending = " ORDER BY " + ", ".join(f"{name} {direction}" for name in _order(schema))
    if selection.limit is not None:
        ending += f" LIMIT {selection.limit:d}"
    columns = ", ".join(physical_names(schema))
    parts = [f"SELECT {columns} FROM {table(name)}{where}{ending}" for name in tables_of(schema)]
    if len(parts) == 1:
        return parts[0], parameters
    # Each table is cut to the limit by itself: a top-n over a union would read both to their ends.
    union = " UNION ALL ".join(f"({part})" for part in parts)
    return f"SELECT * FROM ({union}){ending}", parameters * len(parts)


def written_by(schema: Schema) -> str:
    """Return the statement that reads what commits after the first parameter, up to the second, wrote."""
    columns = ", ".join([*physical_names(schema), COMMIT])
    within = f"{COMMIT} > $1 AND {COMMIT} <= $2"
    parts = [f"SELECT {columns} FROM {table(name)} WHERE {within}" for name in tables_of(schema)]
    if not schema.latest:
        return f"{parts[0]} ORDER BY {COMMIT}, rowid"
    return f"SELECT * FROM ({' UNION ALL '.join(parts)}) ORDER BY {', '.join([COMMIT, *_order(schema)])}"


def _conditions(selection: Selection) -> list[tuple[str, list[int]]]:
    time = quoted(selection.schema.time)
    found: list[tuple[str, list[int]]] = []
    if selection.instruments:
        marks = ", ".join("?" * len(selection.instruments))
        found.append((f"instrument IN ({marks})", list(selection.instruments)))
    if selection.interval_s is not None:
        found.append(("interval = ?", [selection.interval_s]))
    if selection.start is not None:
        found.append((f"{time} >= {_TIME}", [_finite(selection.start)]))
    if selection.end is not None:
        found.append((f"{time} < {_TIME}", [_finite(selection.end)]))
    if selection.after_commit is not None:
        found.append((f"{COMMIT} > ?", [selection.after_commit]))
    if selection.after is not None:
        found.append(_behind(selection.schema, selection.after, "<" if selection.newest_first else ">"))
    return found


def _behind(schema: Schema, cursor: Cursor, sign: str) -> tuple[str, list[int]]:
    names = [quoted(name) for name in _place(schema)]
    time = _finite(cursor.time)
    if len(names) == 1:
        return f"{names[0]} {sign} {_TIME}", [time]
    # The comparison of the time alone says nothing new, but it is what skips row groups.
    condition = f"{names[0]} {sign}= {_TIME} AND ({', '.join(names)}) {sign} ({_TIME}, ?, ?)"
    return condition, [time, time, cursor.high, cursor.low]


def _place(schema: Schema) -> list[str]:
    """Return the columns that a cursor knows: the time and, upper half first, the id if the key has one."""
    ids = [column for column in schema.columns if column.name in schema.key and column.physical is Physical.ID128]
    return [schema.time, *(name for column in ids[:1] for name in reversed(column.names))]


def _order(schema: Schema) -> list[str]:
    place = _place(schema)
    rest = [name for name in schema.key if name not in place]
    # Appended kinds may hold several rows of one key: they stay as they came.
    arrival = [] if schema.latest else ["rowid"]
    return [*map(quoted, place), *map(quoted, rest), *arrival]


def _finite(time_ns: int) -> int:
    return max(-_LATEST_TIME, min(_LATEST_TIME, time_ns))
