"""What has been committed stays, whatever happens to the process or the disk."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conformance.samples import CODES
from tests.stores.committer import commit

from fulltape.records import CANDLES, TRADES
from fulltape.stores.base import Selection
from fulltape.stores.duckdb import DuckDbStore

ROOT = Path(__file__).parents[2]
ROUNDS = 10


def command(database: Path, commits: int, rows: int, *max_file_bytes: int) -> list[str]:
    """Return the command of a process that commits."""
    numbers = map(str, (commits, rows, *max_file_bytes))
    return [sys.executable, "-m", "tests.stores.committer", str(database), *numbers]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a process to its end."""
    return subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)


def check(database: Path, rows: int) -> int:
    """Assert that the store holds whole commits without a hole or a double and return how many."""
    with DuckDbStore.open(database, simulated=None) as store:
        restored = store.restore()
        reader = store.reader()
        found = reader.sql("SELECT count(*) AS n, count(DISTINCT trade_id) AS ids FROM trades").to_pylist()
        assert found == [{"n": restored.commit * rows, "ids": restored.commit * rows}]
        if restored.commit:
            expected = commit(restored.commit, rows)
            assert restored.snapshots == expected.snapshots
            newest = reader.read(Selection(TRADES, after_commit=restored.commit - 1))
            assert newest.rows(CODES) == expected.batches["trades"].rows(CODES)
            assert reader.read(Selection(CANDLES)).rows(CODES) == expected.batches["candles"].rows(CODES)
        return restored.commit


@pytest.mark.slow
def test_kill_9_at_any_moment_loses_and_doubles_nothing(database: Path) -> None:
    chance = random.Random(7)
    for _ in range(ROUNDS):
        endless = command(database, 1_000_000, 2_000)
        with subprocess.Popen(endless, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            printed = [int(process.stdout.readline()) for _ in range(chance.randrange(1, 60))]
            process.kill()
            printed += [int(line) for line in process.stdout]
        # One commit may have been finished and not yet printed.
        assert check(database, 2_000) in (printed[-1], printed[-1] + 1)


@pytest.mark.slow
def test_a_log_that_finds_no_room_is_fatal_and_keeps_every_commit_before(database: Path) -> None:
    full = run(*command(database, 1_000, 2_000, 400_000))
    done = full.stdout.count("\n")
    assert full.returncode == 3, full.stderr
    assert f"commit {done + 1} could not be written" in full.stderr
    assert 0 < done == check(database, 2_000)
    assert run(*command(database, done + 2, 2_000)).returncode == 0
    assert check(database, 2_000) == done + 2


@pytest.mark.slow
def test_a_database_that_finds_no_room_is_fatal_and_keeps_every_commit_before(database: Path) -> None:
    rows = 20_000
    before = 100
    assert run(*command(database, before, rows)).returncode == 0
    room = database.stat().st_size + 100_000
    assert room > 17_000_000, "the log must have room until a checkpoint begins"
    full = run(*command(database, 1_000, rows, room))
    done = full.stdout.count("\n")
    assert full.returncode == 3, full.stderr
    assert f"commit {before + done + 1} could not be written" in full.stderr
    assert "checkpoint" in full.stderr
    assert 0 < before + done == check(database, rows)
    assert run(*command(database, before + done + 2, rows)).returncode == 0
    assert check(database, rows) == before + done + 2
