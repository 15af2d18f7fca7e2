"""Opening a DuckDB file, and saying in words why one cannot be opened."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import duckdb

from fulltape.errors import ConfigError
from fulltape.stores.base import StoreIdentity
from fulltape.stores.schema import (
    COMMIT,
    FORMAT_VERSION,
    IDENTITY_TABLE,
    SCHEMA,
    VIEWS_DIGEST,
    VIEWS_TABLE,
    completing_statements,
    create_statements,
)

SHUT_OFF: Final = {
    "enable_external_access": "false",
    "autoload_known_extensions": "false",
    "autoinstall_known_extensions": "false",
}
"""Settings of a DuckDB that has neither files nor extensions."""

_META: Final = f"{SCHEMA}.meta"
_PID: Final = re.compile(r"PID (\d+)")

# The cache of a process that runs for months. A commit that finds no memory would stop the engine, so what queries
# may hold stays far below it; what they sort and group beyond that goes to disk, which they must not fill either. Long
# before that the watch of `fulltape.stores.duckdb_sandbox` stops a stranger's query, where the system tells it enough.
_MEMORY: Final = "512MB"
_QUERY_MEMORY: Final = "48MB"
_SPILLED: Final = "2GB"


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what DuckDB says while a file is opened into a ConfigError that says what to do."""
    try:
        yield
    except duckdb.Error as error:
        raise ConfigError(f"{path}: {_explain(str(error))}") from error


def connect(path: Path, *, read_only: bool) -> duckdb.DuckDBPyConnection:
    """Open a database file, shut off from everything but itself. Raises ConfigError or duckdb.Error.

    Queries of users run in this instance: no files, no extensions and, after `lock`, no settings.
    """
    if not path.parent.is_dir():
        raise ConfigError(f"{path}: the folder {path.parent} does not exist: create it or name another with --db")
    if path.is_dir():
        raise ConfigError(f"{path}: is a folder: name a file with --db")
    if path.stem.lower() == SCHEMA:  # DuckDB names the database after the file and could not tell the two apart
        raise ConfigError(f"{path}: {SCHEMA} is a name fulltape uses inside the database: name another with --db")
    if read_only and not path.exists():
        raise ConfigError(f"{path}: no such database")
    if not read_only and not os.access(path.parent, os.W_OK):
        raise ConfigError(f"{path}: no permission to write in {path.parent}, where the log of the database lies too")
    config: dict[str, str | bool | int | float | list[str]] = {"checkpoint_threshold": "16MB", **SHUT_OFF}
    if not read_only:
        config |= {
            "memory_limit": _MEMORY,
            "threads": 1,  # a query then runs in the thread that asked, whose niceness it has
        }
    connection = duckdb.connect(str(path), read_only=read_only, config=config)
    connection.execute("SET python_enable_replacements = false")
    if not read_only:
        # Not in `config`: from there DuckDB 2.0 shows this bound but does not hold it.
        connection.execute(f"SET max_temp_directory_size = '{_SPILLED}'")
    return connection


def lock(connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """Forbid all changes of settings from now on, and return a cursor whose queries may hold little memory."""
    limited = connection.cursor()
    limited.execute(f"SET operator_memory_limit = '{_QUERY_MEMORY}'")
    connection.execute("SET lock_configuration = true")
    return limited


def identify(
    connection: duckdb.DuckDBPyConnection, path: Path, *, simulated: bool | None, read_only: bool
) -> StoreIdentity:
    """Return what the database is, after making the tables that it lacks: all of them if it is new.

    Raises ConfigError for a database of something else, of another format, or with the other sort of prices.
    """
    if not _is_whole(connection):
        names = _tables(connection)
        if not names and not read_only:
            return _create(connection, simulated=bool(simulated))
        if _META not in names:
            raise ConfigError(f"{path}: a DuckDB database, but not one of fulltape: name another file with --db")
    ((version, is_simulated),) = connection.execute("SELECT version, simulated FROM _tape.meta").fetchall()
    if version != FORMAT_VERSION:
        raise ConfigError(
            f"{path}: has format {version}, this fulltape reads format {FORMAT_VERSION}: "
            "install the version of fulltape that wrote it, or name another file with --db"
        )
    if simulated is not None and simulated != is_simulated:
        has, wants = ("simulated", "live") if is_simulated else ("live", "simulated")
        raise ConfigError(f"{path}: holds {has} prices, {wants} ones must not mix with them: name another with --db")
    if not read_only:
        _execute(connection, _lacking(connection))
    return StoreIdentity(version, is_simulated, _id(connection))


def connect_to_read(path: Path) -> duckdb.DuckDBPyConnection:
    """Open a database to be read only, after making the tables and views that one of an older fulltape lacks.

    Raises ConfigError or duckdb.Error, also when it lacks some and cannot be written.
    """
    with ExitStack() as stack:
        connection = stack.enter_context(connect(path, read_only=True))
        lacking = _lacking(connection)
        if not lacking:
            stack.pop_all()
            return connection
    with connect(path, read_only=False) as connection:
        _execute(connection, lacking)
    return connect(path, read_only=True)


def _is_whole(connection: duckdb.DuckDBPyConnection) -> bool:
    """Return whether a database has all tables and views of this fulltape.

    Nothing is asked of the catalogue: to read it for the first time takes half as long as to open a file.
    """
    facts = f"SELECT version, digest FROM {_META}, {VIEWS_TABLE}, {IDENTITY_TABLE}"
    try:
        return connection.execute(facts).fetchone() == (FORMAT_VERSION, VIEWS_DIGEST)
    except duckdb.CatalogException:
        return False


def _tables(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """Return the qualified names of tables and views."""
    rows = connection.execute(
        "SELECT schema_name || '.' || table_name FROM duckdb_tables() UNION ALL "
        "SELECT schema_name || '.' || view_name FROM duckdb_views() WHERE NOT internal"
    ).fetchall()
    return {name for (name,) in rows}


def _lacking(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Return the statements that make what a database lacks; none for one of something else or of another format."""
    if _is_whole(connection):
        return []
    tables = _tables(connection)
    if _META not in tables or connection.execute("SELECT version FROM _tape.meta").fetchone() != (FORMAT_VERSION,):
        return []
    views = connection.execute(f"SELECT digest FROM {VIEWS_TABLE}").fetchone() if VIEWS_TABLE in tables else None
    return list(completing_statements({name.removeprefix(f"{SCHEMA}.") for name in tables}, views[0] if views else ""))


def _execute(connection: duckdb.DuckDBPyConnection, statements: Iterable[str]) -> None:
    connection.begin()
    for statement in statements:
        connection.execute(statement)
    connection.commit()


def _create(connection: duckdb.DuckDBPyConnection, *, simulated: bool) -> StoreIdentity:
    connection.begin()
    for statement in create_statements():
        connection.execute(statement)
    connection.execute(
        f"INSERT INTO _tape.meta(version, simulated, {COMMIT}, clock) VALUES (?, ?, 0, make_timestamp_ns(0))",
        [FORMAT_VERSION, simulated],
    )
    connection.commit()
    return StoreIdentity(FORMAT_VERSION, simulated, _id(connection))


def _id(connection: duckdb.DuckDBPyConnection) -> str:
    ((text,),) = connection.execute(f"SELECT id FROM {IDENTITY_TABLE}").fetchall()
    return str(text)


def _explain(text: str) -> str:
    if "Could not set lock" in text:
        pid = _PID.search(text)
        who = f"process {pid[1]}" if pid else "another process"
        return f"in use by {who}: stop it first, or name another file with --db"
    if "not a valid DuckDB database" in text:
        return "not a DuckDB database: name another file with --db"
    if "Permission denied" in text:
        return "no permission to open it: change its owner or mode, or name another file with --db"
    if "Corrupt" in text or "Could not read" in text:
        return f"damaged: put a copy in its place, or name another file with --db ({text})"
    return f"cannot be opened: {text}"
