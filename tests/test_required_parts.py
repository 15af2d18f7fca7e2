"""The hook in conftest.py that CI relies on: with FULLTAPE_REQUIRE_ALL=1 a missing part fails."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = """
import pytest

def test_passes():
    pass

def test_skips():
    pytest.skip({reason!r})

@pytest.mark.xfail(strict=True)
def test_is_known_to_fail():
    assert False
"""


def outcome(folder: Path, body: str, required: str) -> dict[str, int]:
    (folder / "conftest.py").write_text((Path(__file__).parent / "conftest.py").read_text())
    (folder / "test_some.py").write_text(body)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(folder), str(folder)],
        env={**os.environ, "FULLTAPE_REQUIRE_ALL": required, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    return {what: int(count) for count, what in re.findall(r"(\d+) (passed|failed|skipped|error|xfailed)", done.stdout)}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("reason", "required", "expected"),
    [
        ("no browser", "0", {"passed": 1, "skipped": 1, "xfailed": 1}),
        ("no browser", "1", {"passed": 1, "failed": 1, "xfailed": 1}),
        ("shared recordings are not on this machine", "1", {"passed": 1, "skipped": 1, "xfailed": 1}),
    ],
)
def test_a_skip_of_a_required_part_fails(tmp_path: Path, reason: str, required: str, expected: dict[str, int]) -> None:
    assert outcome(tmp_path, TESTS.format(reason=reason), required) == expected


@pytest.mark.slow
def test_a_module_that_skips_itself_fails_too(tmp_path: Path) -> None:
    assert outcome(tmp_path, "import pytest\npytest.importorskip('no_such_module')\n", "1") == {"error": 1}
