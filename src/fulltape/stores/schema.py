"""Tables and views of the embedded store, derived from the records.

Rows lie in tables of the schema ``_tape`` as columns lie in memory: instruments and intervals as integers, enums as
small numbers, plus the number of the commit that wrote them. What people query are views of the same names with
readable values. A new kind in `fulltape.records.STORED` gets its table and its view by itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from typing import Final

import msgspec

from fulltape.records import CANDLES, STORED, Instrument, Schema
from fulltape.records.columns import Column, Physical, high
from fulltape.stores.statistics import VIEWS
from fulltape.stores.views import OLDER_SYSTEMS

FORMAT_VERSION: Final = 2
"""Grows with every change after which an older fulltape could not read or continue the database."""

SCHEMA: Final = "_tape"
"""Where the tables lie. Not a word that somebody would give to the file itself."""

COMMIT: Final = "commit"
"""The column of every table that holds the number of the commit that wrote the row."""

VIEWS_TABLE: Final = "_tape.views"
"""Holds the digest of the views that a database has."""

IDENTITY_TABLE: Final = "_tape.identity"
"""Holds what tells a database from all others."""

OPEN_CANDLES: Final = "candles_open"
"""Candles that are not final: few rows that every commit replaces, kept apart from the millions that rest."""

_SQL_TYPES: Final = {
    Physical.INSTRUMENT: "INTEGER",
    Physical.TIME: "TIMESTAMP_NS",
    Physical.INTERVAL: "INTEGER",
    Physical.ID128: "BIGINT",
    Physical.FLOAT: "DOUBLE",
    Physical.INT: "BIGINT",
    Physical.BOOL: "BOOLEAN",
    Physical.ENUM: "UTINYINT",
    Physical.TEXT: "VARCHAR",
    Physical.BYTES: "BLOB",
}
_INSTRUMENT_TYPES: Final = {str: "VARCHAR", float: "DOUBLE", int: "BIGINT"}

_ID_TEXT: Final = """
CREATE MACRO _tape.hex16(half) AS lpad(lower(hex(half)), 16, '0');
CREATE MACRO _tape.id_text(low, high) AS CASE WHEN high = 0 THEN CAST(low AS VARCHAR) ELSE
    concat_ws('-', _tape.hex16(high)[1:8], _tape.hex16(high)[9:12], _tape.hex16(high)[13:16],
              _tape.hex16(low)[1:4], _tape.hex16(low)[5:16]) END;
"""


def quoted(name: str) -> str:
    """Return ``name`` as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def table(name: str) -> str:
    """Return the qualified name of the table that holds the rows of a kind."""
    return f"_tape.{quoted(name)}"


def public_tables() -> frozenset[str]:
    """Return the names of what people query."""
    return frozenset({"instruments", *(schema.name for schema in STORED), *VIEWS, *OLDER_SYSTEMS})


def tables_of(schema: Schema) -> tuple[str, ...]:
    """Return the names of the tables that together hold one kind."""
    return (schema.name, OPEN_CANDLES) if schema is CANDLES else (schema.name,)


def sql_type(column: Column) -> str:
    """Return the type in which the values of a column lie in its table."""
    return _SQL_TYPES[column.physical]


def rows_of(schema: Schema) -> str:
    """Return a FROM item with every stored row of a kind."""
    names = [table(name) for name in tables_of(schema)]
    if len(names) == 1:
        return names[0]
    return "(" + " UNION ALL ".join(f"SELECT * FROM {name}" for name in names) + ")"


def physical_names(schema: Schema) -> list[str]:
    """Return the quoted names of a kind's columns as they lie in its table, without the commit."""
    return [quoted(name) for column in schema.columns for name in column.names]


def create_statements() -> Iterator[str]:
    """Yield what makes an empty database, in order."""
    yield "CREATE SCHEMA _tape"
    yield f"CREATE TABLE _tape.meta(version INTEGER, simulated BOOLEAN, {COMMIT} BIGINT, clock TIMESTAMP_NS)"
    yield "CREATE TABLE _tape.snapshots(operator VARCHAR, instrument INTEGER, state BLOB)"
    yield "CREATE TABLE _tape.intervals(seconds INTEGER, name VARCHAR)"
    fields = msgspec.structs.fields(Instrument)
    columns = ", ".join(f"{quoted(field.name)} {_INSTRUMENT_TYPES[field.type]}" for field in fields)
    yield f"CREATE TABLE _tape.instruments(code INTEGER, {columns})"
    yield _ID_TEXT
    yield from completing_statements((), "")


def completing_statements(tables: Collection[str], views: str) -> Iterator[str]:
    """Yield what a database with these ``tables``, and views of the digest ``views``, lacks if it is an older one's."""
    for schema in STORED:
        if schema.name not in tables:
            for name in tables_of(schema):
                yield _create_table(schema, name)
    if IDENTITY_TABLE.removeprefix(f"{SCHEMA}.") not in tables:
        yield f"CREATE TABLE {IDENTITY_TABLE} AS SELECT CAST(uuid() AS VARCHAR) AS id"
    if views != VIEWS_DIGEST:
        yield from _VIEWS
        yield f"CREATE OR REPLACE TABLE {VIEWS_TABLE} AS SELECT '{VIEWS_DIGEST}' AS digest"


def _create_table(schema: Schema, name: str) -> str:
    columns = [f"{quoted(n)} {sql_type(c)}" for c in schema.columns for n in c.names]
    return f"CREATE TABLE {table(name)}({', '.join(columns)}, {COMMIT} BIGINT)"


def _create_view(schema: Schema) -> str:
    columns = ", ".join(f"{_readable(schema, column)} AS {quoted(column.name)}" for column in schema.columns)
    joins = ""
    # Joins rather than expressions: a filter on the text then becomes a filter on the integer that is stored.
    for column in schema.columns:
        if column.physical is Physical.INSTRUMENT:
            joins += f" JOIN _tape.instruments AS instruments ON t.{quoted(column.name)} = instruments.code"
        elif column.physical is Physical.INTERVAL:
            joins += f" JOIN _tape.intervals AS intervals ON t.{quoted(column.name)} = intervals.seconds"
    return f"CREATE OR REPLACE VIEW {quoted(schema.name)} AS SELECT {columns} FROM {rows_of(schema)} AS t{joins}"


def _readable(schema: Schema, column: Column) -> str:
    stored = f"t.{quoted(column.name)}"
    match column.physical:
        case Physical.INSTRUMENT:
            return "instruments.id"
        case Physical.INTERVAL:
            return "intervals.name"
        case Physical.ID128:
            return f"_tape.id_text({stored}, t.{quoted(high(column.name))})"
        case Physical.ENUM:
            assert column.choices is not None
            cases = " ".join(f"WHEN {member.value} THEN '{member.name}'" for member in column.choices)
            return f"CASE {stored} {cases} END"
    if (schema.name, column.name) == ("coverage", "end"):
        # A stretch that goes on has been listened to up to the last commit.
        return f"coalesce({stored}, (SELECT clock FROM _tape.meta))"
    return stored


def _create_views() -> Iterator[str]:
    fields = ", ".join(quoted(field.name) for field in msgspec.structs.fields(Instrument))
    yield f"CREATE OR REPLACE VIEW instruments AS SELECT {fields} FROM _tape.instruments"
    yield from map(_create_view, STORED)
    for statement in (VIEWS | OLDER_SYSTEMS).values():
        yield statement.replace("CREATE VIEW", "CREATE OR REPLACE VIEW", 1)


_VIEWS: Final = tuple(_create_views())
VIEWS_DIGEST: Final = hashlib.blake2b("".join(_VIEWS).encode(), digest_size=16).hexdigest()
"""Tells whether a database has today's views."""
