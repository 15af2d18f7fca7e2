"""New databases by a copy of one made before: to make some eighty tables and views takes long."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from fulltape.stores.duckdb import DuckDbStore
from fulltape.stores.duckdb_file import _id


class Templates:
    """A database without a commit for each sort of prices, made when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open = DuckDbStore.open

    def copy(self, path: Path, *, simulated: bool = False) -> None:
        """Make a new database, closed. All copies have one id."""
        template = self._folder / f"{simulated}.duckdb"
        if not template.exists():
            self._open(template, simulated=simulated).close()
        shutil.copyfile(template, path)

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Let `DuckDbStore.open` copy instead of making, with an id of its own for each."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(DuckDbStore, "open", self._open_copied)
            yield

    def _open_copied(self, path: Path, *, simulated: bool | None, read_only: bool = False) -> DuckDbStore:
        if read_only or path.exists() or not os.access(path.parent, os.W_OK):
            return self._open(path, simulated=simulated, read_only=read_only)
        self.copy(path, simulated=bool(simulated))
        store = self._open(path, simulated=simulated)
        store._root.execute("UPDATE _tape.identity SET id = CAST(uuid() AS VARCHAR)")
        store.identity = msgspec.structs.replace(store.identity, id=_id(store._root))
        return store
