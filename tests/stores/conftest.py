"""Fixtures for tests of stores."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.conformance.stores import OpenStore

from fulltape.stores.base import Store
from fulltape.stores.duckdb import DuckDbStore


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Where the test's database lies."""
    return tmp_path / "tape.duckdb"


@pytest.fixture
def open_store(database: Path) -> OpenStore:
    """Return what opens the test's database."""

    def open_store(*, simulated: bool | None = False) -> Store:
        return DuckDbStore.open(database, simulated=simulated)

    return open_store


@pytest.fixture
def store(open_store: OpenStore, database: Path, make_database: Callable[[Path], None]) -> Iterator[Store]:
    """Return the test's database, new and open."""
    make_database(database)
    with open_store() as store:
        yield store
