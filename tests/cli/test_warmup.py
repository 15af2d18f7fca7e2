from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fulltape.cli.warmup import warm_up
from fulltape.engine.config import Config

RUN = "from fulltape.cli.warmup import warm_up; from fulltape.engine.config import Config; warm_up(Config())"


def test_it_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    warm_up(Config())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_replay_after_it_finds_every_kernel_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "kernels"))
    monkeypatch.delenv("NUMBA_DISABLE_JIT", raising=False)
    recording = Path(__file__).parents[1] / "golden" / "coinbase-faults" / "frames.jsonl"
    arguments = ["replay", str(recording), "--db", "x.duckdb"]
    replay = f"import sys; from fulltape.cli.main import main; sys.argv[1:] = {arguments}; main()"
    subprocess.run([sys.executable, "-c", RUN], cwd=tmp_path, check=True, timeout=1_200)
    compiled = set((tmp_path / "kernels").rglob("*.nbc"))
    assert compiled
    subprocess.run([sys.executable, "-c", replay], cwd=tmp_path, check=True, timeout=1_200, capture_output=True)
    assert set((tmp_path / "kernels").rglob("*.nbc")) == compiled
