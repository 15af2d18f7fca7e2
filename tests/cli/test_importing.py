"""Import, from the file to the tables."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fulltape.cli.importing import import_into
from fulltape.clock import SECOND_NS, format_rfc3339
from fulltape.engine.config import Config
from fulltape.imports.bringing import Bringing
from fulltape.imports.files import open_source
from fulltape.imports.form import Form
from fulltape.records import TRADES, Batch, InstrumentTable, Schema
from fulltape.records.delivery import Delivery
from fulltape.stores.base import Selection
from fulltape.stores.duckdb import DuckDbStore

Run = Callable[..., Any]
HEADING = "instrument,trade_id,price,size,aggressor_side,event_time\n"
FIRST = "AAPL-USD.NASDAQ,1,187.25,100,BUY,2026-01-30T14:30:00Z\n"
SECOND = "AAPL-USD.NASDAQ,2,187.5,50,SELL,2026-01-30T14:32:00.5Z\n"
NOW = 1_800_000_000 * SECOND_NS


def query(run: Run, db: Path, text: str) -> list[dict[str, Any]]:
    result = run("sql", "--db", str(db), "--format", "json", text)
    assert result.code == 0, result.err
    rows: list[dict[str, Any]] = json.loads(result.out)
    return rows


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "some.duckdb"


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    path = tmp_path / "t.csv"
    path.write_text(HEADING + SECOND + FIRST)
    return path


def test_a_stock_goes_in_and_has_candles(run: Run, csv: Path, db: Path) -> None:
    result = run("import", str(csv), "--db", str(db))
    assert (result.code, result.err) == (0, f"2 records are in {db}\n")
    assert query(run, db, "SELECT trade_id, origin FROM trades ORDER BY trade_id") == [
        {"trade_id": "1", "origin": "IMPORT"}, {"trade_id": "2", "origin": "IMPORT"}
    ]  # fmt: skip
    minutes = "SELECT close, trades, reason FROM candles WHERE interval = '1d'"
    assert query(run, db, minutes) == [{"close": 187.5, "trades": 2, "reason": "NONE"}]
    (told,) = query(run, db, "SELECT state, evidence FROM coverage")
    assert told == {"state": "NOT_FOLLOWED", "evidence": "records were imported: nobody listened"}
    (instrument,) = query(run, db, "SELECT id, venue, base, quote FROM instruments")
    assert instrument == {"id": "AAPL-USD.NASDAQ", "venue": "NASDAQ", "base": "AAPL", "quote": "USD"}


def test_minutes_without_a_trade_are_not_called_quiet(run: Run, csv: Path, db: Path) -> None:
    csv.write_text(HEADING + FIRST + SECOND.replace("14:32", "14:35"))
    run("import", str(csv), "--db", str(db))
    empty = query(run, db, "SELECT DISTINCT reason FROM candles WHERE trades = 0")
    assert empty == [{"reason": "NOT_FOLLOWED"}]


def test_again_makes_no_doubles(run: Run, csv: Path, db: Path) -> None:
    run("import", str(csv), "--db", str(db))
    candles = query(run, db, "SELECT * FROM candles ORDER BY ALL")
    csv.write_text(HEADING + FIRST + SECOND + SECOND + SECOND.replace(",2,", ",3,"))
    result = run("import", str(csv), "--db", str(db))
    assert result.err == f"1 records are in {db}, 3 were there already\n"
    assert len(query(run, db, "FROM trades")) == 3
    assert query(run, db, "SELECT trades FROM candles WHERE interval = '1d'") == [{"trades": 3}]
    assert len(query(run, db, "FROM candles")) == len(candles)


def test_a_bad_row_keeps_everything_out(run: Run, csv: Path, db: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text(HEADING + FIRST + SECOND.replace("187.5", "-1"))
    result = run("import", str(csv), str(bad), "--db", str(db))
    assert result.code == 2
    assert f"{bad}: row 2: price: must be finite and above zero (-1)" in result.err
    assert "1 of 2 rows are bad; nothing was written" in result.err
    assert not db.exists()


def test_bad_rows_may_be_left_out_and_are_kept(run: Run, db: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text(HEADING + FIRST + SECOND.replace("187.5", "-1") + "half a l")
    result = run("import", str(bad), "--db", str(db), "--skip-bad")
    assert result.code == 0
    assert "1 records are in" in result.err
    assert "2 bad rows are in dead_letters" in result.err
    letters = query(run, db, "SELECT reason, detail FROM dead_letters ORDER BY detail")
    assert [letter["reason"] for letter in letters] == ["bad_row", "bad_row"]


def test_rows_of_another_system_with_their_columns_mapped(run: Run, db: Path, tmp_path: Path) -> None:
    file = tmp_path / "old.ndjson"
    file.write_text('{"product": "BTC-USD", "w_time": "2020-11-01T10:00:00Z", "price": 13800.5}\n')
    mapped = ["--map", "event_time=w_time", "--ignore", "product", "--set", "size=1"]
    result = run("import", str(file), "--db", str(db), "--instrument", "BTC-USD.COINBASE", *mapped)
    assert result.code == 0, result.err
    assert query(run, db, "SELECT instrument, price, size FROM trades") == [
        {"instrument": "BTC-USD.COINBASE", "price": 13800.5, "size": 1.0}
    ]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--map", "x"], "x: write it as FIELD=COLUMN"),
        (["--set", "sise=1"], "trades have no field 'sise' (did you mean 'size'?)"),
        (["--kind", "bars"], "unknown column 'trade_id'"),
        (["--kind", "dogs"], "dogs"),
    ],
)
def test_wrong_options_are_told(arguments: list[str], complaint: str, run: Run, csv: Path, db: Path) -> None:
    result = run("import", str(csv), "--db", str(db), *arguments)
    assert result.code == 2
    assert complaint in result.err
    assert not db.exists()


def test_a_file_without_rows_is_told(run: Run, csv: Path, db: Path) -> None:
    csv.write_text(HEADING)
    assert "there is nothing in it to import" in run("import", str(csv), "--db", str(db)).err


@pytest.mark.integration
def test_a_database_in_use_names_the_other_way(run: Run, csv: Path, db: Path) -> None:
    holding = "import sys; from pathlib import Path; from fulltape.stores.duckdb import DuckDbStore; "
    holding += (
        "store = DuckDbStore.open(Path(sys.argv[1]), simulated=False); print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holding, str(db)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        result = run("import", str(csv), "--db", str(db))
        holder.communicate()
    assert result.code == 2
    assert "or send the files to it: POST /api/v1/records" in result.err


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_made_up_prices_never_become_live_ones(suffix: str, run: Run, csv: Path, db: Path, tmp_path: Path) -> None:
    made_up, file, live = tmp_path / "sim.duckdb", tmp_path / f"t{suffix}", tmp_path / "live.duckdb"
    with DuckDbStore.open(made_up, simulated=True):
        pass
    assert run("import", str(csv), "--db", str(made_up)).code == 0
    assert run("export", "--db", str(made_up), "trades", str(file)).code == 0

    brought = run("import", str(file), "--db", str(db))
    assert (brought.code, "SIMULATED" in brought.err) == (0, True)
    assert "SIMULATED" in run("sql", "--db", str(db), "SELECT 1").err

    assert run("import", str(csv), "--db", str(live)).code == 0
    refused = run("import", str(file), "--db", str(live))
    assert refused.code == 2
    assert "holds live prices, simulated ones must not mix with them" in refused.err
    assert query(run, live, "SELECT count(*) AS n FROM trades") == [{"n": 2}]


def test_live_prices_are_not_marked(run: Run, csv: Path, db: Path, tmp_path: Path) -> None:
    assert run("import", str(csv), "--db", str(db)).code == 0
    assert run("export", "--db", str(db), "trades", str(tmp_path / "t.parquet")).code == 0
    again = run("import", str(tmp_path / "t.parquet"), "--db", str(tmp_path / "again.duckdb"))
    assert (again.code, "SIMULATED" in again.err) == (0, False)


def _brought(path: Path, kind: Schema) -> Iterator[Delivery]:
    source = Bringing(Form(kind, NOW), lambda: open_source(path))
    assert not source.check().errors
    return source.deliveries()


def _exported(db: Path, kind: Schema, path: Path) -> Batch:
    with DuckDbStore.open(db, simulated=None, read_only=True) as store:
        reader = store.reader()
        reader.export(kind.name, path)
        batch = reader.read(Selection(kind))
        reader.close()
        return batch


def _import(db: Path, deliveries: Iterator[Delivery]) -> None:
    with DuckDbStore.open(db, simulated=None) as store:
        asyncio.run(import_into(Config(), store, deliveries, asyncio.Event()))


prices = st.floats(1e-9, 1e12, exclude_min=True)
trades: st.SearchStrategy[dict[str, Any]] = st.builds(
    dict,
    instrument=st.sampled_from(["BTC-USD.COINBASE", "AAPL-USD.NASDAQ"]),
    trade_id=st.integers(0, 2**63 - 1).map(str) | st.uuids(version=4).map(str),
    price=prices,
    size=prices,
    aggressor_side=st.sampled_from(["UNKNOWN", "BUY", "SELL"]),
    event_time=st.integers(1_700_000_000 * SECOND_NS, 1_700_003_600 * SECOND_NS),
)


@pytest.mark.slow
@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(rows=st.lists(trades, min_size=1, max_size=20, unique_by=lambda row: (row["instrument"], row["trade_id"])))
@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".arrow"])
def test_what_is_exported_can_be_imported(
    suffix: str, rows: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("round")
    first, second, file = folder / "a.duckdb", folder / "b.duckdb", folder / f"t{suffix}"

    source = folder / "t.ndjson"
    lines = [json.dumps(row | {"event_time": format_rfc3339(row["event_time"])}) for row in rows]
    source.write_text("\n".join(lines))
    _import(first, _brought(source, TRADES))
    before = _exported(first, TRADES, file)
    _import(second, _brought(file, TRADES))
    after = _exported(second, TRADES, folder / f"again{suffix}")
    tables = [_table(path) for path in (first, second)]
    assert sorted(map(repr, before.rows(tables[0]))) == sorted(map(repr, after.rows(tables[1])))
    assert len(before) == len(rows)


def _table(db: Path) -> InstrumentTable:
    with DuckDbStore.open(db, simulated=None, read_only=True) as store:
        return store.restore().instruments
