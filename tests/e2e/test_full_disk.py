"""The whole program on a disk without room: it says so, ends, and goes on from its last commit when there is some."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from pathlib import Path

import duckdb
import httpx
import pytest
from tests.e2e.programs import start, started, waited

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux can limit the files of another process"),
]

DATABASE = "full.duckdb"


def commit_of(address: str) -> int:
    return int(httpx.get(f"{address}/api/v1/status", timeout=240, trust_env=False).json()["engine"]["commit"])


def stored(folder: Path) -> tuple[int, set[tuple[str, str]]]:
    """Return the last commit and every trade in the database, each once."""
    with duckdb.connect(str(folder / DATABASE), read_only=True) as connection:
        ((commit,),) = connection.execute('SELECT "commit" FROM _tape.meta').fetchall()
        trades = connection.execute("SELECT instrument, trade_id FROM trades").fetchall()
    assert len(set(trades)) == len(trades)
    return int(commit), set(trades)


def run_until(folder: Path, name: str, commit: int) -> tuple[subprocess.Popen[bytes], Path, int]:
    """Start the program and wait until it has committed so often; return the last commit that it told of."""
    process, log = start(folder, name, "up", "--sim", "--port", "0", "--db", DATABASE)
    address = started(log, r"(http://127\.0\.0\.1:\d+)", process)[1]
    return process, log, waited(lambda: commit_of(address), lambda seen: seen >= commit, 600.0)


def test_nothing_committed_is_lost_and_it_goes_on_when_there_is_room(tmp_path: Path) -> None:
    process, log, seen = run_until(tmp_path, "filling", 60)
    try:
        room = max(path.stat().st_size for path in tmp_path.glob(f"{DATABASE}*")) + 200_000
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (room, room))
        assert process.wait(600) != 0
    finally:
        process.kill()
    said = log.read_text()
    assert "Traceback" not in said
    assert "room" in said or "space" in said or "too large" in said, said
    commit, trades = stored(tmp_path)
    assert commit >= seen

    process, log, after = run_until(tmp_path, "again", commit + 20)
    try:
        process.send_signal(signal.SIGINT)
        assert process.wait(240) == 0, log.read_text()
    finally:
        process.kill()
    commit, more = stored(tmp_path)
    assert commit >= after
    assert trades < more
