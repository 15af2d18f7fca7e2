"""Recordings through the whole engine: every value of every table, however the frames are cut into flushes."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fulltape.engine.config import EngineConfig

Tables = dict[str, list[dict[str, Any]]]

CASES = sorted(path.parent for path in Path(__file__).parent.glob("*/origin.toml"))
CUTS = {
    "frame by frame": (EngineConfig(flush_ms=0.01, flush_records=1), None),
    "in sevens": (EngineConfig(flush_records=7), None),
    "as recorded, 20 times faster": (EngineConfig(), 20.0),
}

pytestmark = pytest.mark.golden


def case_name(path: Path) -> str:
    return path.name


@pytest.mark.parametrize("case", CASES, ids=case_name)
def test_a_recording_gives_what_is_expected(case: Path, replayed: Callable[..., Tables], rewrite_golden: bool) -> None:
    tables = replayed(case / "frames.jsonl")
    lines = [json.dumps({"kind": kind, **row}) for kind, rows in tables.items() for row in rows]
    if rewrite_golden:
        (case / "expected.jsonl").write_text("\n".join(lines) + "\n")
    assert lines == (case / "expected.jsonl").read_text().splitlines()


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("case", CASES, ids=case_name)
def test_cutting_the_frames_otherwise_changes_nothing(case: Path, cut: str, replayed: Callable[..., Tables]) -> None:
    engine, speed = CUTS[cut]
    assert replayed(case / "frames.jsonl", engine=engine, speed=speed) == replayed(case / "frames.jsonl")


@pytest.mark.parametrize("case", CASES, ids=case_name)
def test_a_case_says_where_it_comes_from(case: Path) -> None:
    origin = tomllib.loads((case / "origin.toml").read_text())
    assert origin["sha256"] == hashlib.sha256((case / "frames.jsonl").read_bytes()).hexdigest()
    assert {"kind", "what", "how", "date", "licence"} <= set(origin)
