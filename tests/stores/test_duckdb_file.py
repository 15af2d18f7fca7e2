"""Opening a file that cannot be used: a clear word, and the file stays as it was."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from tests.conformance.samples import commit, many_trades, trade

from fulltape.errors import ConfigError, FatalError
from fulltape.records import TRADES, Commit
from fulltape.stores import duckdb as duckdb_store
from fulltape.stores import duckdb_file
from fulltape.stores.base import Selection
from fulltape.stores.duckdb import DuckDbStore

NOBODY = 65_534
HOLD = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"


@pytest.fixture
def made(database: Path) -> Path:
    """Return a database with one trade."""
    with DuckDbStore.open(database, simulated=False) as store:
        store.commit(commit(1, trade(1)))
    return database


@pytest.fixture
def nobody() -> Iterator[Path]:
    """Return a folder of one's own, while the test runs without the rights of root."""
    folder = Path(tempfile.mkdtemp())
    is_root = os.geteuid() == 0
    if is_root:
        os.chown(folder, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, 0)
    try:
        yield folder
    finally:
        if is_root:
            os.setresuid(0, 0, 0)
        folder.chmod(0o700)
        shutil.rmtree(folder)


def refusal(path: Path, *, read_only: bool = False) -> str:
    """Return why a file cannot be opened."""
    with pytest.raises(ConfigError) as caught:
        DuckDbStore.open(path, simulated=None, read_only=read_only)
    assert str(path) in str(caught.value)
    return str(caught.value)


@pytest.mark.integration
def test_a_database_in_use_names_the_process(made: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(made)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        assert f"in use by process {holder.pid}: stop it" in refusal(made)
        assert f"in use by process {holder.pid}" in refusal(made, read_only=True)
        holder.communicate("")
    DuckDbStore.open(made, simulated=False).close()


@pytest.mark.parametrize("content", [b"", b"hi", b"not a database" * 1_000])
def test_a_file_of_something_else_is_left_alone(database: Path, content: bytes) -> None:
    database.write_bytes(content)
    assert "not a DuckDB database" in refusal(database)
    assert database.read_bytes() == content


def test_a_database_of_something_else_is_left_alone(database: Path) -> None:
    with duckdb.connect(str(database)) as other:
        other.execute("CREATE TABLE mine AS SELECT 1 AS x")
    assert "not one of fulltape" in refusal(database)
    with duckdb.connect(str(database)) as other:
        assert other.execute("SELECT table_name FROM duckdb_tables()").fetchall() == [("mine",)]


@pytest.mark.parametrize("version", [1, 3])
def test_another_format_is_refused(made: Path, version: int) -> None:
    with duckdb.connect(str(made)) as other:
        other.execute("UPDATE _tape.meta SET version = ?", [version])
    assert f"has format {version}, this fulltape reads format 2" in refusal(made)


@pytest.mark.parametrize("read_only", [False, True])
def test_a_database_with_fewer_kinds_gets_the_others(made: Path, read_only: bool) -> None:
    with duckdb.connect(str(made)) as older:
        older.execute("DROP VIEW coins")
        older.execute("DROP TABLE _tape.coins")
        older.execute("DROP TABLE _tape.views")
    with DuckDbStore.open(made, simulated=None, read_only=read_only) as store:
        sizes = store.reader().table_sizes()
        assert (sizes["trades"], sizes["coins"]) == (1, 0)


def test_what_was_written_by_a_newer_one_gets_nothing(made: Path) -> None:
    with duckdb.connect(str(made)) as newer:
        newer.execute("DROP VIEW coins")
        newer.execute("UPDATE _tape.meta SET version = 3")
    assert "has format 3" in refusal(made, read_only=True)
    with duckdb.connect(str(made)) as newer:
        assert newer.execute("SELECT count(*) FROM duckdb_views() WHERE view_name = 'coins'").fetchone() == (0,)


@pytest.mark.parametrize("read_only", [True, False])
def test_a_whole_database_is_opened_once_and_its_catalogue_left_alone(
    made: Path, read_only: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To be read it was opened twice, and every time all names of the catalogue were read: two thirds of the time."""
    opened: list[bool] = []

    def connect(path: Path, *, read_only: bool) -> duckdb.DuckDBPyConnection:
        opened.append(read_only)
        return plain(path, read_only=read_only)

    plain = duckdb_file.connect
    for place in (duckdb_file, duckdb_store):
        monkeypatch.setattr(place, "connect", connect)
    monkeypatch.delattr(duckdb_file, "_tables")
    with DuckDbStore.open(made, simulated=None, read_only=read_only) as store:
        assert len(store.reader().read(Selection(TRADES))) == 1
    assert opened == [read_only]


@pytest.mark.parametrize("read_only", [True, False])
def test_views_of_an_older_fulltape_are_made_anew(made: Path, read_only: bool) -> None:
    with duckdb.connect(str(made)) as older:
        older.execute("CREATE OR REPLACE VIEW trades AS SELECT 1 AS gone")
        older.execute("UPDATE _tape.views SET digest = 'another'")
    with DuckDbStore.open(made, simulated=None, read_only=read_only) as store:
        assert "price" in store.reader().sql("FROM trades").column_names


@pytest.mark.parametrize("read_only", [True, False])
def test_a_database_of_an_older_fulltape_gets_an_id(made: Path, read_only: bool) -> None:
    with duckdb.connect(str(made)) as older:
        older.execute("DROP TABLE _tape.identity")
    with DuckDbStore.open(made, simulated=None, read_only=read_only) as store:
        given = store.identity.id
    with DuckDbStore.open(made, simulated=None) as store:
        assert store.identity.id == given != ""


def test_two_databases_have_two_ids(tmp_path: Path) -> None:
    with (
        DuckDbStore.open(tmp_path / "a.duckdb", simulated=False) as a,
        DuckDbStore.open(tmp_path / "b.duckdb", simulated=False) as b,
    ):
        assert a.identity.id != b.identity.id


def test_a_folder_is_refused(tmp_path: Path) -> None:
    assert "is a folder" in refusal(tmp_path)
    assert "is a folder" in refusal(tmp_path, read_only=True)


def test_a_damaged_file_is_refused(made: Path) -> None:
    with DuckDbStore.open(made, simulated=False) as store:
        store.commit(Commit(2, 0, {"trades": many_trades(10, 100_000)}))
    with made.open("r+b") as file:
        file.truncate(made.stat().st_size // 2)
    assert "damaged" in refusal(made)


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    assert f"the folder {tmp_path / 'no'} does not exist" in refusal(tmp_path / "no" / "x.duckdb")


def test_what_has_no_better_word_is_passed_on(tmp_path: Path) -> None:
    (tmp_path / "loop.duckdb").symlink_to(tmp_path / "loop.duckdb")
    assert "cannot be opened: " in refusal(tmp_path / "loop.duckdb")


def test_a_name_that_the_database_needs_inside_is_refused(tmp_path: Path) -> None:
    assert "uses inside" in refusal(tmp_path / "_Tape.duckdb")


def test_a_folder_without_permission_is_refused(nobody: Path) -> None:
    DuckDbStore.open(nobody / "x.duckdb", simulated=False).close()
    nobody.chmod(0o500)
    assert "no permission to write in" in refusal(nobody / "x.duckdb")
    assert "no permission to write in" in refusal(nobody / "new.duckdb")
    DuckDbStore.open(nobody / "x.duckdb", simulated=False, read_only=True).close()


def test_a_file_without_permission_is_refused(nobody: Path) -> None:
    path = nobody / "x.duckdb"
    DuckDbStore.open(path, simulated=False).close()
    path.chmod(0o400)
    assert "no permission to open it" in refusal(path)


def test_read_only_reads_and_cannot_write(made: Path) -> None:
    assert "no such database" in refusal(made.with_name("new.duckdb"), read_only=True)
    with DuckDbStore.open(made, simulated=None, read_only=True) as store:
        assert len(store.reader().read(Selection(TRADES))) == 1
        with pytest.raises(FatalError, match="commit 2 could not be written"):
            store.commit(commit(2, trade(2)))
    with DuckDbStore.open(made, simulated=None) as store:
        assert store.restore().commit == 1


def test_what_queries_set_aside_on_the_disk_has_its_bound(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duckdb_file, "_MEMORY", "100MB")
    monkeypatch.setattr(duckdb_file, "_SPILLED", "16MB")
    with duckdb_file.connect(database, read_only=False) as connection, duckdb_file.lock(connection) as limited:
        with pytest.raises(duckdb.OutOfMemoryException, match="max_temp_directory_size"):
            limited.execute("SELECT count(*) FROM (SELECT DISTINCT hash(r) FROM range(20000000) AS t(r))")
        with pytest.raises(duckdb.InvalidInputException, match="locked"):
            limited.execute("SET max_temp_directory_size = '1TB'")


@pytest.mark.parametrize("name", ["main.duckdb", "trades.duckdb", "temp.duckdb", "tape", "a b'\";-- é.duckdb"])
def test_any_other_name_will_do(tmp_path: Path, name: str) -> None:
    with DuckDbStore.open(tmp_path / name, simulated=False) as store:
        store.commit(commit(1, trade(1)))
        assert store.reader().sql("SELECT count(*) AS n FROM trades").to_pylist() == [{"n": 1}]
