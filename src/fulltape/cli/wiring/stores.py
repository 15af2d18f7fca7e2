"""Databases, opened."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from fulltape.stores.base import Reader
from fulltape.stores.duckdb import DuckDbStore


def open_store(path: Path, *, simulated: bool | None) -> DuckDbStore:
    """Open a database for writing, or make it; None takes one as it is. Raises ConfigError that says what to do."""
    return DuckDbStore.open(path, simulated=simulated)


@contextlib.contextmanager
def open_reader(path: Path) -> Iterator[tuple[Reader, bool]]:
    """Open a database that nobody else holds; yields a reader and whether its prices are simulated.

    Raises ConfigError when there is none, or another process has it.
    """
    with DuckDbStore.open(path, simulated=None, read_only=True) as store:
        reader = store.reader()
        try:
            yield reader, store.identity.simulated
        finally:
            reader.close()
