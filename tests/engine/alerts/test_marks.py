"""The marks of targets: each change is on the disk or told to be not, whoever makes it and however full the disk is."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.disk import full_disk

from fulltape.engine.alerts.marks import MarkFile
from fulltape.errors import ConfigError


def test_targets_that_are_told_at_once_do_not_write_into_each_others_file(tmp_path: Path) -> None:
    marks = MarkFile(tmp_path / "marks.json")

    def tell(target: int) -> None:
        for commit in range(1, 51):
            marks.put(f"t{target}", commit)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(tell, range(8)))
    again = MarkFile(tmp_path / "marks.json")
    assert [again.get(f"t{target}") for target in range(8)] == [50] * 8
    assert [path.name for path in tmp_path.iterdir()] == ["marks.json"]


def test_on_a_full_disk_the_file_stays_and_the_next_mark_brings_both(tmp_path: Path) -> None:
    path = tmp_path / "marks.json"
    marks = MarkFile(path)
    marks.put("phone", 1)
    with full_disk(), pytest.raises(ConfigError, match="cannot be written: File too large"):
        marks.put("phone", 2)
    assert (marks.get("phone"), MarkFile(path).get("phone")) == (2, 1)
    assert [each.name for each in tmp_path.iterdir()] == ["marks.json"]
    marks.put("mail", 3)
    assert (MarkFile(path).get("phone"), MarkFile(path).get("mail")) == (2, 3)
