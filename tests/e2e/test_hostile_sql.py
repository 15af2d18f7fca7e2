"""A hundred and more hostile statements over HTTP, sent to a program that commits meanwhile."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import httpx
import pytest
from tests.e2e.programs import start, started
from tests.stores.hostile import DOUBLING, HOSTILE, UNUSUAL

from fulltape.records import STORED

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

DATABASE = "hostile.duckdb"
REPLACED = {"last", "candles", "coverage"}
"""What the capture itself writes anew: the newest of each, candles as they grow, stretches that go on."""


@contextmanager
def running(folder: Path, name: str) -> Iterator[httpx.Client]:
    """Run ``fulltape up`` on the simulated venue until the block ends, which it must do as it was told."""
    process, log = start(folder, name, "up", "--sim", "--port", "0", "--db", DATABASE)
    try:
        address = started(log, r"(http://127\.0\.0\.1:\d+)", process)[1]
        with httpx.Client(base_url=address, timeout=240, trust_env=False) as http:
            yield http
        process.send_signal(signal.SIGINT)
        assert process.wait(240) == 0, log.read_text()
    except subprocess.TimeoutExpired:
        pytest.fail(f"it does not end:\n{log.read_text()}")
    finally:
        process.kill()


def commit_of(http: httpx.Client) -> int:
    return int(http.get("/api/v1/status").json()["engine"]["commit"])


def wait_for_commit(http: httpx.Client, number: int) -> None:
    while commit_of(http) < number:
        assert http.get("/health").status_code in (200, 503)  # it answers, and takes time to do so


def rows_until(folder: Path, commit: int) -> dict[str, tuple[int, int]]:
    """Return how many rows of each kind were written until a commit, and a sum over all their values."""
    with duckdb.connect(str(folder / DATABASE), read_only=True) as connection:
        return {
            schema.name: connection.execute(
                f'SELECT count(*), sum(hash(t)) FROM _tape."{schema.name}" AS t WHERE "commit" <= ?', [commit]
            ).fetchall()[0]
            for schema in STORED
            if schema.name not in REPLACED
        }


def test_every_one_is_refused_while_commits_go_on_and_nothing_changes(tmp_path: Path) -> None:
    assert len({*HOSTILE, *UNUSUAL, *DOUBLING}) > 230
    with running(tmp_path, "before") as http:
        wait_for_commit(http, 40)
    with duckdb.connect(str(tmp_path / DATABASE), read_only=True) as connection:
        ((commit,),) = connection.execute('SELECT "commit" FROM _tape.meta').fetchall()
    stored = rows_until(tmp_path, commit)
    assert stored["trades"][0] > 0

    with running(tmp_path, "attacked") as http:
        for query in (*HOSTILE, *UNUSUAL, *DOUBLING):
            number = commit_of(http)
            answer = http.post("/api/v1/sql", json={"query": query})
            assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json"), query
            assert "Traceback" not in answer.text
            wait_for_commit(http, number + 1)
        while (status := http.get("/api/v1/status").json()["engine"])["gaps_open"]:  # a stall is refilled
            wait_for_commit(http, commit_of(http) + 1)
        assert (status["missing_trades"], status["error"]) == (0, "")

    assert rows_until(tmp_path, commit) == stored
    with duckdb.connect(str(tmp_path / DATABASE), read_only=True) as connection:
        twice = "SELECT instrument, trade_id FROM trades GROUP BY ALL HAVING count(*) > 1"
        assert connection.execute(twice).fetchall() == []
