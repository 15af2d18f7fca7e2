"""SQL from strangers: what it may say, and that it takes no more than it may."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.stores.committer import commit

from fulltape.errors import ConfigError
from fulltape.stores.base import MAX_QUERY, SqlLimits, SqlRows, Store
from fulltape.stores.duckdb import DuckDbStore

LIMITS = SqlLimits(max_rows=1_000, timeout_s=0.3)
"""Short: what is slow is meant to be stopped."""

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
)

HOSTILE = (
    # writes
    "INSERT INTO trades VALUES (1)",
    "INSERT INTO _tape.trades SELECT * FROM _tape.trades",
    "UPDATE _tape.trades SET price = 1",
    "DELETE FROM _tape.trades",
    "TRUNCATE _tape.trades",
    "DROP TABLE _tape.trades",
    "DROP VIEW trades",
    "DROP SCHEMA _tape CASCADE",
    "ALTER TABLE _tape.trades ADD COLUMN x INTEGER",
    "CREATE TABLE x AS SELECT 1",
    "CREATE TEMP TABLE x AS SELECT 1",
    "CREATE OR REPLACE VIEW trades AS SELECT 1",
    "CREATE MACRO sum(x) AS 1",
    "CREATE SEQUENCE s",
    "CREATE TYPE t AS ENUM ('a')",
    "CREATE INDEX i ON _tape.trades(price)",
    "MERGE INTO _tape.trades USING _tape.trades t ON true WHEN MATCHED THEN DELETE",
    "WITH gone AS (DELETE FROM _tape.trades RETURNING *) SELECT * FROM gone",
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "CHECKPOINT",
    "VACUUM",
    "ANALYZE",
    "SELECT 1; DELETE FROM _tape.trades",
    "SELECT 1; SELECT 2",
    # files, other databases, extensions, the network
    "COPY trades TO 'x.csv'",
    "COPY trades FROM 'x.csv'",
    "COPY (SELECT 1) TO '/dev/stdout'",
    "EXPORT DATABASE 'x'",
    "IMPORT DATABASE 'x'",
    "ATTACH 'x.duckdb' AS x",
    "ATTACH ':memory:' AS x",
    "DETACH tape",
    "USE _tape",
    "INSTALL httpfs",
    "LOAD httpfs",
    "FROM 'x.csv'",
    "FROM 'https://example.org/x.parquet'",
    "FROM '/etc/passwd'",
    "FROM read_csv('/etc/passwd')",
    "FROM read_text('/etc/passwd')",
    "FROM read_blob('*')",
    "FROM read_parquet('x.parquet')",
    "FROM read_json_auto('x.json')",
    "FROM read_duckdb('x.duckdb')",
    "FROM glob('*')",
    "FROM sniff_csv('x.csv')",
    "FROM parquet_metadata('x.parquet')",
    # settings and insides
    "SET threads = 64",
    "SET GLOBAL memory_limit = '1TB'",
    "RESET memory_limit",
    "SET VARIABLE x = 1",
    "PRAGMA database_list",
    "PRAGMA memory_limit = '1TB'",
    "CALL pragma_version()",
    "SELECT current_setting('temp_directory')",
    "SELECT getvariable('x')",
    "SELECT getenv('HOME')",
    "SELECT nextval('s')",
    "SELECT current_query()",
    "SELECT version()",
    "SELECT write_log('x')",
    "FROM duckdb_settings()",
    "FROM duckdb_secrets()",
    "FROM duckdb_temporary_files()",
    "FROM pragma_table_info('trades')",
    "FROM query('DELETE FROM _tape.trades')",
    "FROM query_table('_tape.snapshots')",
    "FROM json_execute_serialized_sql('{}')",
    "FROM _tape.snapshots",
    "FROM tape._tape.trades",
    "FROM information_schema.tables",
    "FROM sqlite_master",
    "FROM pg_catalog.pg_tables",
    "PREPARE p AS SELECT 1",
    "EXECUTE p",
    "DEALLOCATE p",
    "EXPLAIN ANALYZE SELECT 1",
    "SELECT $1",
    # values that cannot be interrupted while they grow
    "SELECT repeat('x', 1000000000)",
    "SELECT unnest(range(1000000000))",
    "SELECT range(1000000000)",
    "SELECT lpad('x', 1000000000, 'x')",
    "SELECT replace('xxxxxxxx', 'x', 'xxxxxxxxxxxxxxxx')",
    "SELECT regexp_replace('xxxxxxxx', 'x', 'xxxxxxxxxxxxxxxx', 'g')",
    "SELECT printf('%1000000000d', 1)",
    "SELECT format('{:1000000000d}', 1)",
    "SELECT list_resize([1], 1000000000)",
    "SELECT list_transform([1], x -> x)",
    "SELECT [1, 2]",
    "SELECT list(price) FROM trades",
    "SELECT string_agg(instrument) FROM trades",
    "SELECT histogram(price) FROM trades",
    "SELECT array(SELECT 1)",
    "SELECT 'a' || 'b'",
    "SELECT concat(instrument, instrument) FROM trades",
    "SELECT CAST(CAST('x' AS BLOB) AS BIT)::VARCHAR",
    "SELECT {'a': 1}",
    "SELECT sleep_ms(60000)",
    "WITH RECURSIVE r AS (SELECT 'x' AS a UNION ALL SELECT a || a FROM r) FROM r",
    "PIVOT trades ON price USING sum(size)",
    # what never ends, or takes all the memory
    "SELECT count(*) FROM range(100000000000000)",
    "SELECT max(a.range * b.range) FROM range(10000000) a, range(10000000) b",
    "SELECT median(r) FROM range(20000000000) AS t(r)",
    "SELECT count(DISTINCT r) FROM range(20000000000) AS t(r)",
    "SELECT r FROM range(20000000000) AS t(r) ORDER BY hash(r)",
    # what is no query at all
    "",
    "SELECT",
    "SEL ECT 1",
    "SELECT * FROM tradse",
    "SELECT " + "(" * 4_000 + "1" + ")" * 4_000,
    "SELECT '" + "x" * MAX_QUERY + "'",
)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A database with some commits that no test may change."""
    path: Path = tmp_path_factory.mktemp("sandbox") / "tape.duckdb"
    with DuckDbStore.open(path, simulated=False) as store:
        for number in (1, 2, 3):
            store.commit(commit(number, 1_000))
        yield store


def run(store: Store, query: str, limits: SqlLimits = LIMITS, gone: threading.Event | None = None) -> SqlRows:
    """Run a query in a thread of its own, as its priority falls for good; raise what it raises."""
    rows: list[SqlRows] = []
    errors: list[ConfigError] = []

    def work() -> None:
        try:
            rows.append(store.sandbox().run(query, limits, gone or threading.Event()))
        except ConfigError as error:
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
        run(store, query)


def run_in_vain_at_once(store: Store) -> None:
    """Run a query that is being interrupted, again and again, from its beginning to its end."""
    with pytest.raises(ConfigError):
        run(store, "SELECT count(*) FROM range(90000000000000)", SqlLimits(timeout_s=0.0))


@pytest.mark.parametrize("query", HARMLESS)
def test_what_people_ask_of_a_tape_runs(filled: Store, query: str) -> None:
    assert run(filled, query).table.num_columns > 0


@pytest.mark.parametrize("query", HOSTILE)
def test_what_is_hostile_is_refused_or_stopped_and_changes_nothing(filled: Store, query: str) -> None:
    run_in_vain(filled, query)
    assert run(filled, "SELECT count(*) FROM trades").table.column(0).to_pylist() == [3_000]


def test_commits_go_on_while_a_query_takes_all_it_may(filled: Store) -> None:
    hostile = threading.Thread(target=run_in_vain, args=(filled, "SELECT median(r) FROM range(90000000000) AS t(r)"))
    hostile.start()
    number = filled.restore().commit
    while hostile.is_alive():
        number += 1
        filled.commit(commit(number, 0))
    hostile.join()
    assert number > 3
    assert filled.restore().commit == number


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (SqlLimits(timeout_s=0.1), "it ran for more than 0.1 s"),
        (SqlLimits(max_memory_bytes=-(1 << 50)), "it took more than"),
    ],
)
def test_a_query_is_stopped_with_the_reason(filled: Store, limits: SqlLimits, reason: str) -> None:
    with pytest.raises(ConfigError, match=f"query stopped: {reason}"):
        run(filled, "SELECT count(*) FROM range(90000000000000)", limits)


def test_a_query_that_nobody_awaits_is_stopped(filled: Store) -> None:
    gone = threading.Event()
    threading.Timer(0.05, gone.set).start()
    with pytest.raises(ConfigError, match="nobody waits for it"):
        run(filled, "SELECT count(*) FROM range(90000000000000)", SqlLimits(), gone)


def test_the_next_query_runs_whatever_became_of_the_one_before(filled: Store) -> None:
    for _ in range(20):
        run_in_vain_at_once(filled)
        assert run(filled, "SELECT 1").table.num_rows == 1


def test_rows_beyond_the_limit_are_cut_off(filled: Store) -> None:
    cut = run(filled, "SELECT * FROM range(100000)", SqlLimits(max_rows=10))
    assert (cut.table.num_rows, cut.is_cut) == (10, True)
    whole = run(filled, "SELECT * FROM range(10)", SqlLimits(max_rows=10))
    assert (whole.table.num_rows, whole.is_cut) == (10, False)


def test_bytes_beyond_the_limit_are_cut_off(filled: Store) -> None:
    cut = run(filled, "SELECT * FROM range(100000)", SqlLimits(max_bytes=80_000))
    assert cut.is_cut
    assert 9_000 < cut.table.num_rows <= 10_000


def test_closing_ends_what_runs(tmp_path: Path) -> None:
    store = DuckDbStore.open(tmp_path / "tape.duckdb", simulated=False)
    threading.Timer(0.05, store.close).start()
    with pytest.raises(ConfigError, match="the database is being closed"):
        run(store, "SELECT count(*) FROM range(90000000000000)", SqlLimits())


def test_what_is_refused_is_named_with_the_nearest_that_is_not(filled: Store) -> None:
    with pytest.raises(ConfigError, match=r"no table 'tradse' .did you mean 'trades'"):
        run(filled, "FROM tradse")
    with pytest.raises(ConfigError, match=r"'meadian' .did you mean 'median'"):
        run(filled, "SELECT meadian(price) FROM trades")
