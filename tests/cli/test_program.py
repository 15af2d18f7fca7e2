"""The program as users start it: a process, a signal, a second start."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e

PROGRAM = (sys.executable, "-c", "from fulltape.cli.main import main; main()")


@contextmanager
def fulltape(*arguments: str, folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start the program and yield it with the address it prints; the test stops it."""
    process = subprocess.Popen([*PROGRAM, *arguments], cwd=folder, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    said = ""
    for line in process.stderr:
        said += line
        if found := re.search(r"http://\S+", line):
            break
    else:
        pytest.fail(f"no address was printed: {said}")
    try:
        yield process, found[0]
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def command(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*PROGRAM, *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=600)


def stored(folder: Path) -> int:
    query = "SELECT count(*) AS n, count(DISTINCT (instrument, trade_id)) AS ids FROM trades"
    rows = json.loads(command("sql", "--db", "fulltape-sim.duckdb", query, "--format", "json", folder=folder).stdout)
    assert rows[0]["n"] == rows[0]["ids"]
    return int(rows[0]["n"])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_cleanly_and_goes_on_where_it_stopped(tmp_path: Path, number: signal.Signals) -> None:
    counts = [0]
    for _ in range(2):
        with fulltape("up", "--sim", "--port", "0", folder=tmp_path) as (process, url):
            followed = command("tail", "--url", url, "-n", "5", "--format", "json", folder=tmp_path)
            assert followed.returncode == 0, followed.stderr
            assert len(followed.stdout.splitlines()) == 5
            assert "SIMULATED" in followed.stderr
            process.send_signal(number)
            assert process.wait(timeout=600) == 0
        counts.append(stored(tmp_path))
    assert counts[0] < counts[1] < counts[2]


def test_a_stop_that_cuts_streams_off_is_no_fault(tmp_path: Path) -> None:
    with fulltape("up", "--sim", "--port", "0", folder=tmp_path) as (process, url):
        events = f"{url}/api/v1/events?instruments=BTC-USD.COINBASE&kinds=trades"
        with urllib.request.urlopen(events, timeout=120) as stream:
            assert stream.readline().startswith(b"id: ")
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=120) == 0
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()


def test_a_database_in_use_says_by_whom(tmp_path: Path) -> None:
    with fulltape("up", "--sim", "--port", "0", folder=tmp_path) as (process, url):
        for words in (("sql", "SELECT 1"), ("export", "trades", "trades.csv")):
            refused = command(*words, "--db", "fulltape-sim.duckdb", folder=tmp_path)
            assert refused.returncode == 2
            assert f"in use by process {process.pid}" in refused.stderr
            assert "fulltape sql --url http://127.0.0.1:8000" in refused.stderr
        asked = command("sql", "--url", url, "SELECT 6 * 7 AS answer", "--format", "csv", folder=tmp_path)
        assert (asked.returncode, asked.stdout) == (0, "answer\n42\n")
        assert "SIMULATED" in asked.stderr
        second = command("up", "--sim", "--port", "0", folder=tmp_path)
        assert second.returncode == 2
        assert "in use" in second.stderr
        assert "Traceback" not in second.stderr
