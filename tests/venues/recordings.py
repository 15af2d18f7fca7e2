"""Recordings of venues outside this repository: found beside it, or the test is skipped."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from fulltape.records import Batch
from fulltape.records.book import CLEAR, SNAPSHOT
from fulltape.records.enums import BookSide

SHARED = Path(__file__).parents[3] / "shared" / "data"


class Recording(NamedTuple):
    """What was received, when (ns), and what others counted in it."""

    payloads: list[bytes]
    ingest_times: list[int]
    expected: dict[str, Any]

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [json.loads(payload) for payload in self.payloads]


def load(name: str, direction: str = "recv") -> Recording:
    path = SHARED / "captures" / name
    if not path.exists():
        pytest.skip(f"shared data is not here: {path}")
    with gzip.open(path) as file:
        lines = [msgspec.json.decode(line) for line in file]
    received = [line for line in lines if line["dir"] == direction]
    expected = json.loads((SHARED / "expected.json").read_text()).get(f"captures/{name}", {})
    return Recording(
        [line["data"].encode() for line in received], [int(line["ts"] * 1e9) for line in received], expected
    )


def final_books(deltas: Batch) -> dict[int, tuple[dict[float, float], dict[float, float]]]:
    """Return bids and asks by instrument code after all deltas, kept in plain dicts."""
    books: dict[int, tuple[dict[float, float], dict[float, float]]] = {}
    names = ("instrument", "side", "price", "size", "flags")
    for code, side, price, size, flags in zip(*(deltas[name].tolist() for name in names), strict=True):
        if flags & SNAPSHOT:
            books[code] = ({}, {})
        if flags & CLEAR or code not in books:
            continue
        levels = books[code][0 if side == BookSide.BID else 1]
        if size:
            levels[price] = size
        else:
            levels.pop(price, None)
    return books


def answer(name: str) -> bytes:
    """Return a REST answer that was recorded."""
    path = SHARED / "rest" / name
    if not path.exists():
        pytest.skip(f"shared data is not here: {path}")
    return path.read_bytes()
