"""A recording whose folder goes away and comes back: everybody is told, it goes on, and a replay knows the hole."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install 'fulltape[test]'")
from playwright.sync_api import Browser, expect
from tests.e2e.pages import PATIENCE_S, answer_of, reading, serving, simulating
from tests.e2e.programs import FULLTAPE, waited

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

# A segment for each write, so that the next write needs the folder.
CAPTURE = '\n[capture]\nenabled = true\ndirectory = "captures"\nrotate_minutes = 0.0001\n'
NOT_RECORDED = "Raw frames are not recorded."


def until(url: str, is_so: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Wait until what the status tells of the recording is so, and return it."""
    return waited(lambda: answer_of(url, "status")["recording"], is_so, PATIENCE_S)


def test_it_goes_on_and_a_replay_knows_the_hole(browser: Browser, tmp_path: Path) -> None:
    captures, before = tmp_path / "captures", tmp_path / "before"
    with simulating(tmp_path) as config:
        config.write_text(config.read_text() + CAPTURE)
        with serving(tmp_path, "--config", config.name) as url, reading(browser, url) as reader:
            until(url, lambda told: told["lines"] > 50)
            captures.rename(before)
            captures.touch()
            refused = until(url, lambda told: told["detail"] != "" and told["dropped"] > 50)
            assert "Not a directory" in refused["detail"]
            banner = reader.page.get_by_role("alert").filter(has_text=NOT_RECORDED)
            expect(banner).to_contain_text("it goes on when there is room")
            captures.unlink()
            captures.mkdir()
            again = until(url, lambda told: told["detail"] == "" and told["lines"] > refused["lines"] + 50)
            assert again["dropped"] >= refused["dropped"]
            expect(banner).to_be_hidden()
    replay = [str(FULLTAPE), "replay", "before", "captures", "--db", "replayed.duckdb"]
    subprocess.run(replay, cwd=tmp_path, check=True, capture_output=True)
    with duckdb.connect(str(tmp_path / "replayed.duckdb"), read_only=True) as connection:
        hole = """SELECT instrument, state FROM coverage WHERE channel = 'trades'
                  AND evidence LIKE 'the recording stopped here%' AND "end" > start + INTERVAL 1 SECOND"""
        told = dict(connection.execute(hole).fetchall())
        assert set(told) == {name for (name,) in connection.sql("SELECT DISTINCT instrument FROM trades").fetchall()}
        assert "DOWN" in told.values()  # where ids tell that no trade was missed it is COMPLETE
