from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

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
