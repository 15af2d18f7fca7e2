"""Starting the real programs, with what they write going to files."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

FULLTAPE = Path(sys.executable).with_name("fulltape")
START_S = 180.0
"""How long a program may take to start where its kernels are not compiled yet."""


def start(folder: Path, name: str, *arguments: str) -> tuple[subprocess.Popen[bytes], Path]:
    """Start ``fulltape`` with what it writes going to a file."""
    log = folder / f"{name}.log"
    with log.open("wb") as out:
        process = subprocess.Popen([FULLTAPE, *arguments], cwd=folder, stdout=out, stderr=subprocess.STDOUT)
    return process, log


def started(log: Path, pattern: str, process: subprocess.Popen[bytes]) -> re.Match[str]:
    """Wait until a program has said that it runs."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if match := re.search(pattern, log.read_text(errors="replace"), re.DOTALL):
            return match
        assert process.poll() is None, log.read_text(errors="replace")
        time.sleep(0.02)
    pytest.fail(f"no {pattern!r} in {START_S:g} s:\n{log.read_text(errors='replace')}")
