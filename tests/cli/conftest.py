from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from fulltape.cli.main import main
from fulltape.clock import SECOND_NS
from fulltape.records import TRADES, AggressorSide, Commit, Instrument, InstrumentTable, Origin, Trade
from fulltape.stores.duckdb import DuckDbStore

BTC = Instrument("BTC-USD.COINBASE", "COINBASE", "BTC-USD", "BTC", "USD", 0.01, 1e-8)


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str


Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def quick_databases(databases_by_copy: None) -> None:
    """Every test here writes a database or two."""


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the program in this process, as the console script does."""

    def run_program(*arguments: str) -> Result:
        monkeypatch.setattr(sys, "argv", ["fulltape", *arguments])
        with pytest.raises(SystemExit) as stop:
            main()
        code = stop.value.code
        captured = capsys.readouterr()
        return Result(code if isinstance(code, int) else 0 if code is None else 1, captured.out, captured.err)

    return run_program


@pytest.fixture
def database(tmp_path: Path) -> Callable[[bool], Path]:
    """Write a database of two trades."""

    def write(is_simulated: bool = False) -> Path:
        path = tmp_path / "some.duckdb"
        table = InstrumentTable()
        table.add(BTC)
        trades = [
            Trade(BTC.id, str(n), 100.5 + n, 0.25, AggressorSide.BUY, n * SECOND_NS + 7, n * SECOND_NS + 9, Origin.LIVE)
            for n in (1, 2)
        ]
        batch = TRADES.from_rows(trades, table)
        with DuckDbStore.open(path, simulated=is_simulated) as store:
            store.commit(Commit(1, 3 * SECOND_NS, {"trades": batch}, instruments=table.take_changes()))
        return path

    return write
