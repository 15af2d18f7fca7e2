"""SQL from strangers: what it may say, and that it takes no more than it may."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import duckdb
import psutil
import pytest
from tests.stores.committer import commit
from tests.stores.hostile import DOUBLING, HEAVY, HOSTILE, UNUSUAL

from fulltape.errors import ConfigError, FulltapeError, TransientError
from fulltape.records import Commit
from fulltape.stores import duckdb_sandbox, rehearsal
from fulltape.stores.base import SqlLimits, SqlRows, Store
from fulltape.stores.duckdb import DuckDbStore
from fulltape.stores.duckdb_writer import CommitWriter

pytestmark = pytest.mark.integration

LIMITS = SqlLimits(max_rows=1_000, timeout_s=0.3)
"""Short: what is slow is meant to be stopped."""
PATIENT = SqlLimits(max_rows=1_000, timeout_s=300.0)
"""Long: what is not may take its time on a busy machine."""

HARMLESS = (
    "SELECT 1",
    "FROM trades",
    "SELECT count(*) FROM trades WHERE price > 1 AND instrument LIKE 'BTC%'",
    "WITH t AS (SELECT * FROM trades) SELECT sum(size) OVER (ORDER BY event_time ROWS 5 PRECEDING) FROM t",
    "SELECT date_trunc('hour', event_time) AS h, median(price), sum(price * size) / sum(size) FROM trades GROUP BY h",
    "SELECT * FROM trades ASOF JOIN quotes USING (instrument, event_time)",
    "SELECT extract(hour FROM event_time), price::DECIMAL(10, 2), INTERVAL 1 DAY FROM trades",
    "SELECT CASE WHEN aggressor_side = 'BUY' THEN size ELSE -size END FROM trades",
    "SELECT instrument FROM trades QUALIFY row_number() OVER (PARTITION BY instrument ORDER BY event_time) = 1",
    "SELECT * FROM candles ORDER BY start DESC NULLS LAST LIMIT 10 OFFSET 2",
    "SELECT price FROM trades UNION ALL SELECT bid FROM quotes",
    "SELECT * EXCLUDE (price) FROM trades WHERE trade_id IN (SELECT trade_id FROM trades)",
    "VALUES (1), (2)",
    "SELECT x FROM range(10) AS t(x)",
    "DESCRIBE trades",
    "SHOW TABLES",
    "SUMMARIZE trades",
    "SHOW trades",
    "WITH a AS (SELECT price FROM trades), b AS (FROM a) SELECT (SELECT max(price) FROM b) FROM a, (FROM b) AS c",
    "SELECT instrument, aggressor_side, count(*) FROM trades GROUP BY ROLLUP (instrument, aggressor_side)",
    "SELECT regexp_extract(instrument, '^([A-Z]+)-', 1), strftime(event_time, '%Y-%m-%d') FROM trades",
    "SELECT * FROM overview",
    "SELECT count(DISTINCT price), approx_quantile(price, 0.5), approx_count_distinct(trade_id) FROM trades",
    "SELECT median(price) OVER (ORDER BY event_time ROWS 20 PRECEDING) FROM trades",
    "SELECT first_value(price ORDER BY size) OVER (PARTITION BY instrument ORDER BY event_time) FROM trades",
    "\u00a0SELECT '\u202e\u0131', $$it's$$ -- \u2028; DROP VIEW trades",
)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A database with some commits that no test may change."""
    path: Path = tmp_path_factory.mktemp("sandbox") / "tape.duckdb"
    with DuckDbStore.open(path, simulated=False) as store:
        for number in (1, 2, 3):
            store.commit(commit(number, 1_000))
        yield store


def run(store: Store, query: str, limits: SqlLimits = PATIENT, gone: threading.Event | None = None) -> SqlRows:
    """Run a query in a thread of its own, as its priority falls for good; raise what it raises."""
    rows: list[SqlRows] = []
    errors: list[FulltapeError] = []

    def work() -> None:
        try:
            rows.append(store.sandbox().run(query, limits, gone or threading.Event()))
        except FulltapeError as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return rows[0]


def run_in_vain(store: Store, query: str) -> None:
    """Run a query that must be refused or stopped."""
    with pytest.raises(ConfigError):
        run(store, query, LIMITS)


def run_in_vain_at_once(store: Store) -> None:
    """Run a query that is being interrupted, again and again, from its beginning to its end."""
    with pytest.raises(ConfigError):
        run(store, "SELECT count(*) FROM range(90000000000000)", SqlLimits(timeout_s=0.0))


@pytest.mark.parametrize("query", HARMLESS)
def test_what_people_ask_of_a_tape_runs(filled: Store, query: str) -> None:
    assert run(filled, query).table.num_columns > 0


@pytest.mark.parametrize(
    "query", [*HOSTILE, *UNUSUAL, DOUBLING[0], *(pytest.param(query, marks=pytest.mark.slow) for query in DOUBLING[1:])]
)
def test_what_is_hostile_is_refused_or_stopped_and_changes_nothing(filled: Store, query: str) -> None:
    run_in_vain(filled, query)
    assert run(filled, "SELECT count(*) FROM trades").table.column(0).to_pylist() == [3_000]


def commit_while(store: Store, query: str, limits: SqlLimits = LIMITS) -> str:
    """Commit again and again from the beginning of a query to its end, and return why it was stopped."""
    reasons: list[str] = []

    def ask() -> None:
        try:
            run(store, query, limits)
        except ConfigError as error:
            reasons.append(str(error))

    number = before = store.restore().commit
    hostile = threading.Thread(target=ask)
    hostile.start()
    while hostile.is_alive():
        number += 1
        store.commit(commit(number, 0))
    hostile.join()
    assert store.restore().commit == number > before
    (reason,) = reasons
    return reason


@pytest.mark.parametrize("query", ["SELECT median(r) FROM range(90000000000) AS t(r)", *HEAVY])
def test_commits_go_on_while_a_query_takes_all_it_may(filled: Store, query: str) -> None:
    assert commit_while(filled, query).startswith("query stopped: ")
    assert run(filled, "SELECT count(*) FROM trades").table.column(0).to_pylist() == [3_000]


class Forgetful(CommitWriter):
    """A writer that finds no memory the first time it writes a commit, as if a query held all of it."""

    error: ClassVar[duckdb.Error] = duckdb.OutOfMemoryException("failed to allocate data of size 2.0 KiB")
    failed: ClassVar[int] = 0

    def write(self, commit: Commit) -> None:
        super().write(commit)
        if Forgetful.failed < commit.number:
            Forgetful.failed = commit.number
            raise self.error


@pytest.mark.parametrize(
    "error",
    [
        duckdb.OutOfMemoryException("failed to allocate data of size 2.0 KiB"),
        duckdb.TransactionException("Failed to commit: failed to pin block"),
    ],
)
def test_a_commit_that_finds_no_memory_ends_the_query_that_holds_it(
    error: duckdb.Error, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fulltape.stores.duckdb.CommitWriter", Forgetful)
    monkeypatch.setattr(Forgetful, "error", error)
    monkeypatch.setattr(Forgetful, "failed", 0)
    with DuckDbStore.open(tmp_path / "tape.duckdb", simulated=False) as store:
        store.commit(commit(1, 10))
        endless = "SELECT count(*) FROM range(90000000000000)"
        assert commit_while(store, endless, SqlLimits()) == "query stopped: a commit needed the memory that it held"
        assert run(store, "SELECT count(*) FROM trades").table.column(0).to_pylist() == [10]


@pytest.mark.slow
def test_commits_outlive_a_query_that_takes_all_the_memory_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DuckDB counts this one late, and cannot interrupt it: whoever allocates next finds none, be it the commit."""
    monkeypatch.setattr(duckdb_sandbox, "check", lambda *_: None)
    distinct = "SELECT count(DISTINCT hash(r)) OVER (ORDER BY r ROWS 100000 PRECEDING) FROM range(3000000) AS t(r)"
    with DuckDbStore.open(tmp_path / "tape.duckdb", simulated=False) as store:
        store.commit(commit(1, 1_000))
        for _ in range(3):
            assert commit_while(store, distinct, SqlLimits()).startswith("query ")


def test_what_duckdb_says_between_two_batches_is_no_mistake_of_ours(filled: Store) -> None:
    rare = "SELECT r FROM range(90000000000000) AS t(r) WHERE r % 1000000 = 1"
    with pytest.raises(ConfigError, match=r"query stopped: it ran for more than 0\.3 s"):
        run(filled, rare, SqlLimits(max_rows=1 << 40, timeout_s=0.3))


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (SqlLimits(timeout_s=0.1), "it ran for more than 0.1 s"),
        (SqlLimits(max_memory_bytes=-(1 << 50)), "it took more than"),
        (SqlLimits(max_disk_bytes=-(1 << 50)), "it put more than"),
    ],
)
def test_a_query_is_stopped_with_the_reason(filled: Store, limits: SqlLimits, reason: str) -> None:
    with pytest.raises(ConfigError, match=f"query stopped: {reason}"):
        run(filled, "SELECT count(*) FROM range(90000000000000)", limits)


def test_a_query_that_nobody_awaits_is_stopped(filled: Store) -> None:
    gone = threading.Event()
    leaving = threading.Timer(0.05, gone.set)
    leaving.start()
    with pytest.raises(ConfigError, match="nobody waits for it"):
        run(filled, "SELECT count(*) FROM range(90000000000000)", SqlLimits(timeout_s=600.0), gone)
    leaving.join()


def test_the_next_query_runs_whatever_became_of_the_one_before(filled: Store) -> None:
    for _ in range(20):
        run_in_vain_at_once(filled)
        assert run(filled, "SELECT 1").table.num_rows == 1


def test_rows_beyond_the_limit_are_cut_off(filled: Store) -> None:
    cut = run(filled, "SELECT * FROM range(100000)", SqlLimits(max_rows=10, timeout_s=300.0))
    assert (cut.table.num_rows, cut.is_cut) == (10, True)
    whole = run(filled, "SELECT * FROM range(10)", SqlLimits(max_rows=10, timeout_s=300.0))
    assert (whole.table.num_rows, whole.is_cut) == (10, False)


def test_bytes_beyond_the_limit_are_cut_off(filled: Store) -> None:
    cut = run(filled, "SELECT * FROM range(100000)", SqlLimits(max_bytes=80_000))
    assert cut.is_cut
    assert 9_000 < cut.table.num_rows <= 10_000


def test_what_makes_planning_endless_does_not_outlive_its_client(filled: Store) -> None:
    gone = threading.Event()
    gone.set()
    with pytest.raises(ConfigError, match=r"nobody waits for it|takes too long to plan"):
        run(filled, DOUBLING[-1], SqlLimits(), gone)


def test_no_text_of_a_stranger_reaches_a_program_that_could_read_our_environment(filled: Store) -> None:
    run(filled, "SELECT 1")
    planners = [child for child in psutil.Process().children() if "rehearsing.py" in " ".join(child.cmdline())]
    assert planners
    assert all(set(planner.environ()) <= {"LC_CTYPE"} for planner in planners)  # which Python sets by itself


def test_a_machine_without_room_for_a_process_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with DuckDbStore.open(tmp_path / "tape.duckdb", simulated=False) as store:
        with monkeypatch.context() as patch, pytest.raises(TransientError, match="no process can be started: No such"):
            patch.setattr(sys, "executable", str(tmp_path / "nothing"))
            run(store, "SELECT 1")
        assert run(store, "SELECT 1").table.num_rows == 1


def test_no_query_is_blamed_for_a_planner_that_takes_its_time_to_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rehearsal, "_PATIENCE_S", 0.0)
    planner = rehearsal.Rehearsal()
    assert "SELECT_NODE" in planner.tree("SELECT 1", lambda: "")
    planner.close()


def test_no_query_is_blamed_for_a_planner_that_was_ended(filled: Store) -> None:
    run(filled, "SELECT 1")
    for child in psutil.Process().children():
        if "rehearsing.py" in " ".join(child.cmdline()):
            child.kill()
            psutil.wait_procs([child])
    assert run(filled, "SELECT 1").table.num_rows == 1


def test_half_a_character_is_no_query(filled: Store) -> None:
    with pytest.raises(ConfigError, match="half a character"):
        run(filled, "SELECT '\ud800'")


def test_closing_ends_what_runs(tmp_path: Path) -> None:
    begun = threading.Event()

    class Asked(threading.Event):
        """Whether nobody waits any more, which is asked only while a query is worked on."""

        def is_set(self) -> bool:
            begun.set()
            return super().is_set()

    def close() -> None:
        begun.wait()
        store.close()

    store = DuckDbStore.open(tmp_path / "tape.duckdb", simulated=False)
    closing = threading.Thread(target=close)
    closing.start()
    with pytest.raises(ConfigError, match="the database is being closed"):
        run(store, "SELECT count(*) FROM range(90000000000000)", SqlLimits(timeout_s=600.0), Asked())
    closing.join()


def test_what_is_refused_is_named_with_the_nearest_that_is_not(filled: Store) -> None:
    with pytest.raises(ConfigError, match=r"no table 'tradse' .did you mean 'trades'"):
        run(filled, "FROM tradse")
    with pytest.raises(ConfigError, match=r"'meadian' .did you mean 'median'"):
        run(filled, "SELECT meadian(price) FROM trades")
