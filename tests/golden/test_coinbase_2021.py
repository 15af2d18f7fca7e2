"""A real recording against figures that were computed from it independently."""

from __future__ import annotations

import gzip
import json
from collections import Counter, defaultdict
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fulltape.engine.config import EngineConfig

Tables = dict[str, list[dict[str, Any]]]

RECORDING = "captures/coinbase-2021-04-17.jsonl.gz"
TAKER = {"buy": "SELL", "sell": "BUY"}  # the venue's word is the maker's

pytestmark = pytest.mark.golden


@pytest.fixture
def data() -> Path:
    path = Path(__file__).resolve().parents[3] / "shared" / "data"
    if not path.is_dir():
        pytest.skip("shared recordings are not on this machine")
    return path


@pytest.fixture
def expected(data: Path) -> dict[str, Any]:
    figures: dict[str, Any] = json.loads((data / "expected.json").read_text())[RECORDING]
    return figures


def matches(data: Path) -> dict[str, dict[str, Any]]:
    """Read the trades with nothing of ours."""
    with gzip.open(data / RECORDING, "rt") as file:
        frames = [json.loads(line["data"]) for line in map(json.loads, file) if line["dir"] == "recv"]
    return {
        f"{frame['product_id']}/{frame['trade_id']}": frame
        for frame in frames
        if frame["type"] in ("match", "last_match")
    }


def symbol(row: dict[str, Any]) -> str:
    return str(row["instrument"]).removesuffix(".COINBASE")


def test_every_trade_is_there_once_with_the_takers_side(
    data: Path, expected: dict[str, Any], replayed: Callable[..., Tables]
) -> None:
    tables = replayed(data / RECORDING)
    sent = matches(data)
    found = {f"{symbol(row)}/{row['trade_id']}": row for row in tables["trades"]}
    assert len(tables["trades"]) == len(found) == 107
    assert found.keys() == sent.keys()
    for key, row in found.items():
        assert row["aggressor_side"] == TAKER[sent[key]["side"]]
        assert (row["price"], row["size"]) == (float(sent[key]["price"]), float(sent[key]["size"]))
        assert row["event_time"] == sent[key]["time"].removesuffix("Z").ljust(29, "0") + "Z"
    assert Counter(row["origin"] for row in tables["trades"]) == {"REPLAY": expected["match_count"], "SNAPSHOT": 10}


def test_counts_and_sums_are_those_computed_independently(
    data: Path, expected: dict[str, Any], replayed: Callable[..., Tables]
) -> None:
    live = [row for row in replayed(data / RECORDING)["trades"] if row["origin"] == "REPLAY"]
    assert Counter(map(symbol, live)) == expected["match_per_symbol"]
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for row in live:
        sums[symbol(row)] += Decimal(repr(row["size"]))
    assert sums == {name: Decimal(size) for name, size in expected["match_sum_size_per_symbol"].items()}


def test_the_last_quote_is_the_top_of_the_book(
    data: Path, expected: dict[str, Any], replayed: Callable[..., Tables]
) -> None:
    tops = {
        symbol(row): (row["bid"], row["bid_size"], row["ask"], row["ask_size"])
        for row in replayed(data / RECORDING)["quotes"]
        if row["source"] == "BOOK"
    }
    assert tops == {
        name: tuple(float(top[side]) for side in ("bid", "bid_size", "ask", "ask_size"))
        for name, top in expected["final_top_of_book"].items()
    }


def test_cutting_the_frames_otherwise_changes_nothing(data: Path, replayed: Callable[..., Tables]) -> None:
    whole = replayed(data / RECORDING)
    assert replayed(data / RECORDING, engine=EngineConfig(flush_records=17)) == whole


@pytest.mark.slow
def test_at_the_recorded_pace_the_output_is_the_same(data: Path, replayed: Callable[..., Tables]) -> None:
    assert replayed(data / RECORDING, speed=1.0) == replayed(data / RECORDING)
