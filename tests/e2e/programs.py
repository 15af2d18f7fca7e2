"""Starting the real programs, with what they write going to files."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, TypeVar

import pytest

T = TypeVar("T")

FULLTAPE = Path(sys.executable).with_name("fulltape")
START_S = 600.0
"""How long a program may take to start where its kernels are not compiled yet."""


def start(
    folder: Path, name: str, *arguments: str, environment: Mapping[str, str] | None = None
) -> tuple[subprocess.Popen[bytes], Path]:
    """Start ``fulltape`` with what it writes going to a file."""
    log, command = folder / f"{name}.log", [str(FULLTAPE), *arguments]
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=out, stderr=subprocess.STDOUT)
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


def waited(ask: Callable[[], T], is_enough: Callable[[T], object], within_s: float) -> T:
    """Ask until the answer is enough, and return it."""
    deadline = time.monotonic() + within_s
    while not is_enough(answer := ask()):
        assert time.monotonic() < deadline, f"not enough in {within_s:g} s: {answer}"
        time.sleep(0.05)
    return answer


def end(process: subprocess.Popen[bytes]) -> None:
    """End a program as Ctrl-C does, and in the end whatever it does."""
    process.terminate()
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Venue(NamedTuple):
    """A simulated venue that runs: its process, and the addresses of its stream and of its REST interface."""

    process: subprocess.Popen[bytes]
    ws: str
    rest: str


@contextlib.contextmanager
def simulated_venue(folder: Path, *arguments: str) -> Iterator[Venue]:
    """Run ``fulltape sim`` with arguments on a port of its own."""
    process, log = start(folder, "sim", "sim", "--port", "0", *arguments)
    try:
        match = started(log, r"WebSocket (ws://\S+).*REST\s+(http://\S+)", process)
        yield Venue(process, match[1], match[2])
    finally:
        end(process)
