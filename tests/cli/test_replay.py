from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fulltape.capture.line import Direction, Line, encode_line
from fulltape.cli import wiring
from fulltape.cli.output import SIMULATED
from fulltape.cli.replay import parse_speed, replay_into
from fulltape.engine.config import Config
from fulltape.errors import ConfigError

Run = Callable[..., Any]

START = 1_618_677_816_000_000_000
PRODUCTS = "https://api.exchange.coinbase.com/products"


def recv(place: int, data: bytes, *, simulated: bool = False) -> Line:
    return Line(Direction.RECV, START + place, data, "COINBASE-1", "COINBASE", simulated=simulated)


def match(trade_id: int, **changes: object) -> bytes:
    message: dict[str, object] = {
        "type": "match", "trade_id": trade_id, "maker_order_id": "a", "taker_order_id": "b", "side": "sell",
        "size": "0.5", "price": "100.25", "product_id": "BTC-USD", "sequence": trade_id,
        "time": f"2021-04-17T16:43:37.{trade_id:06}Z",
    }  # fmt: skip
    return json.dumps(message | changes).encode()


@pytest.fixture
def recording(tmp_path: Path) -> Callable[..., Path]:
    def write(*lines: Line, name: str = "r.jsonl") -> Path:
        path = tmp_path / name
        path.write_bytes(b"".join(map(encode_line, lines)))
        return path

    return write


def test_a_recording_becomes_a_database(run: Run, recording: Callable[..., Path], tmp_path: Path) -> None:
    products = b'[{"id":"BTC-USD","base_currency":"BTC","quote_currency":"USD","quote_increment":"0.01",' \
        b'"base_increment":"0.00000001","status":"online"}]'  # fmt: skip
    path = recording(
        Line(Direction.HTTP, START, products, venue="COINBASE", url=PRODUCTS),
        Line(Direction.HTTP, START, b"{}", venue="COINBASE", url=PRODUCTS + "/BTC-USD/book"),
        *(recv(n, match(n)) for n in (1, 2, 2, 3)),
    )
    db = tmp_path / "x.duckdb"
    result = run("replay", str(path), "--db", str(db))
    assert (result.code, result.out) == (0, "")
    assert "4 frames became" in result.err
    assert "3 trades" in result.err
    assert SIMULATED not in result.err
    rows = run("sql", "--db", str(db), "SELECT price_step, size_step FROM instruments", "--format", "json")
    assert json.loads(rows.out) == [{"price_step": 0.01, "size_step": 1e-8}]


def test_replaying_again_changes_nothing(run: Run, recording: Callable[..., Path], tmp_path: Path) -> None:
    path, db = recording(*(recv(n, match(n)) for n in (1, 2, 3))), tmp_path / "x.duckdb"
    assert run("replay", str(path), "--db", str(db)).code == 0
    before = run("sql", "--db", str(db), "FROM trades", "--format", "csv").out
    assert run("replay", str(path), "--db", str(db)).code == 0
    assert run("sql", "--db", str(db), "FROM trades", "--format", "csv").out == before


def test_what_cannot_be_used_is_told_with_its_place(run: Run, recording: Callable[..., Path], tmp_path: Path) -> None:
    path = recording(recv(1, match(1)), Line(Direction.HTTP, START + 2, b"<html>", venue="COINBASE", url=PRODUCTS))
    path.write_bytes(path.read_bytes() + b"half a li")
    result = run("replay", str(path), "--db", str(tmp_path / "x.duckdb"))
    assert result.code == 0
    assert f"{path}:3: bad line" in result.err
    assert f"{PRODUCTS}: bad answer".replace("//", "/") in result.err
    assert "left out: bad line: 1, bad answer: 1" in result.err or "left out: bad answer: 1, bad line: 1" in result.err


def test_simulated_recordings_make_simulated_databases(
    run: Run, recording: Callable[..., Path], tmp_path: Path
) -> None:
    db = tmp_path / "x.duckdb"
    simulated = recording(recv(1, match(1), simulated=True))
    assert SIMULATED in run("replay", str(simulated), "--db", str(db)).err
    assert SIMULATED in run("sql", "--db", str(db), "FROM trades").err
    real = recording(recv(1, match(1)), name="real.jsonl")
    refused = run("replay", str(real), "--db", str(db))
    assert refused.code == 2
    assert "holds simulated prices" in refused.err
    mixed = run("replay", str(real), str(simulated), "--db", str(tmp_path / "y.duckdb"))
    assert mixed.code == 2
    assert "replay them apart" in mixed.err


def test_a_recording_of_no_known_venue_says_what_to_do(
    run: Run, recording: Callable[..., Path], tmp_path: Path
) -> None:
    path = recording(Line(Direction.RECV, START, match(1)))
    result = run("replay", str(path), "--db", str(tmp_path / "x.duckdb"))
    assert result.code == 2
    assert "name it with --venue" in result.err
    assert run("replay", str(path), "--db", str(tmp_path / "x.duckdb"), "--venue", "coinbase").code == 0
    unknown = run("replay", str(path), "--db", str(tmp_path / "x.duckdb"), "--venue", "coinbse")
    assert "did you mean 'COINBASE'" in unknown.err


def test_a_missing_file_is_named(run: Run, tmp_path: Path) -> None:
    result = run("replay", str(tmp_path / "gone.jsonl"), "--db", str(tmp_path / "x.duckdb"))
    assert result.code == 2
    assert "no recording at" in result.err
    assert not (tmp_path / "x.duckdb").exists()


@pytest.mark.parametrize(("text", "speed"), [("max", None), ("1", 1.0), ("0.5", 0.5), ("10", 10.0)])
def test_speeds(text: str, speed: float | None) -> None:
    assert parse_speed(text) == speed


@pytest.mark.parametrize("text", ["fast", "0", "-1", "inf", "nan", ""])
def test_a_speed_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="use max, or a number above 0"):
        parse_speed(text)


async def test_stopping_commits_what_was_fed(recording: Callable[..., Path], tmp_path: Path) -> None:
    hour = 3_600_000_000_000
    path = recording(recv(1, match(1)), recv(2, match(2)), recv(hour, match(3)))
    source = wiring.replay_source([path], venue_name=None, speed=1.0)
    with wiring.open_store(tmp_path / "x.duckdb", simulated=False) as store:
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(0.2, stop.set)
        report, status = await replay_into(Config(), source, store, stop)
    assert report.frames == 2
    assert status.records["trades"] == 2


def test_a_recording_of_a_venue_that_is_not_known_is_refused_once(
    run: Run, recording: Callable[..., Path], tmp_path: Path
) -> None:
    path = recording(*(Line(Direction.RECV, START + n, b"{}", url="wss://phemex.com/ws") for n in range(30)))
    result = run("replay", str(path), "--db", str(tmp_path / "x.duckdb"))
    assert result.code == 2
    assert result.err.count("wss://phemex.com/ws") == 1
    assert "unknown venue: 30" in result.err
    assert "if it is one of ALPACA, BINANCE, " in result.err


def test_a_recording_without_received_frames_says_so(run: Run, recording: Callable[..., Path], tmp_path: Path) -> None:
    path = recording(Line(Direction.HTTP, START, b"[]", venue="COINBASE", url=PRODUCTS))
    result = run("replay", str(path), "--db", str(tmp_path / "x.duckdb"))
    assert (result.code, "no frame that was received" in result.err) == (2, True)
