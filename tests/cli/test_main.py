from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fulltape import __version__
from fulltape.errors import FatalError

Run = Callable[..., Any]


def test_version(run: Run) -> None:
    result = run("--version")
    assert (result.code, result.out) == (0, f"fulltape {__version__}\n")


def test_help_lists_the_commands(run: Run) -> None:
    result = run("--help")
    for command in ("up", "sim", "record", "replay", "tail", "sql", "export", "config", "doctor"):
        assert f" {command} " in result.out


def test_an_unknown_command_is_refused(run: Run) -> None:
    assert run("pu").code == 2


def test_a_fatal_error_is_one_line_and_code_1(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> str:
        raise FatalError("the disk is full: make room")

    monkeypatch.setattr("fulltape.engine.config.sample", fail)
    result = run("config", "sample")
    assert (result.code, result.err) == (1, "error: the disk is full: make room\n")


def test_a_reader_that_has_seen_enough_is_no_error(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("typer.echo", _broken)
    monkeypatch.setattr(sys, "stdout", sys.stdout)
    assert run("config", "sample").code == 141


def _broken(*_: object, **__: object) -> None:
    raise BrokenPipeError


@pytest.mark.integration
def test_the_reference_is_what_the_program_says(tmp_path: Path) -> None:
    written = tmp_path / "cli.md"
    arguments = ["fulltape.cli.main", "utils", "docs", "--name", "fulltape", "--output", str(written)]
    subprocess.run([sys.executable, "-m", "typer", *arguments], check=True, capture_output=True, timeout=600)
    reference = Path(__file__).parents[2] / "docs" / "cli.md"
    assert reference.read_text() == written.read_text(), "run `make docs`"


@pytest.mark.integration
def test_asking_for_help_imports_nothing_heavy() -> None:
    code = (
        "import sys, fulltape.cli.main;"
        "heavy = {'numba', 'duckdb', 'pyarrow', 'litestar', 'numpy', 'picows'} & set(sys.modules);"
        "sys.exit(', '.join(heavy) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=600)
    assert (done.returncode, done.stderr) == (0, "")
