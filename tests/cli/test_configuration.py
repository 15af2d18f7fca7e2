from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from fulltape.engine import profiles

Run = Callable[..., Any]


def test_the_sample_passes_the_check(run: Run, tmp_path: Path) -> None:
    sample = run("config", "sample")
    path = tmp_path / "fulltape.toml"
    path.write_text(sample.out)
    result = run("config", "check", str(path))
    assert (result.code, result.out) == (0, "")
    assert f"{path} is fine" in result.err


def test_a_mistake_is_one_line_with_its_place(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "fulltape.toml"
    path.write_text("[venues.coinbase]\nchanels = ['trades']\n")
    result = run("config", "check", str(path))
    assert result.code == 2
    assert result.err == f"error: {path}: [venues.coinbase] chanels: unknown key (did you mean 'channels'?)\n"


def test_a_profile_is_printed_as_it_is(run: Run, tmp_path: Path) -> None:
    for name in profiles.names():
        printed = run("config", "sample", "--profile", name)
        assert (printed.code, printed.out) == (0, profiles.text(name))
        path = tmp_path / f"{name}.toml"
        path.write_text(printed.out)
        assert run("config", "check", str(path)).code == 0


def test_a_profile_that_there_is_not_is_told_with_the_nearest(run: Run) -> None:
    for name, near in (
        ("coinbase-grafna", "did you mean 'coinbase-grafana'?"),
        ("../sample", "there are: alpaca-dash"),
    ):
        result = run("config", "sample", "--profile", name)
        assert (result.code, result.out) == (2, "")
        assert near in " ".join(result.err.split())
