from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def captures() -> Path:
    """The shared recordings of real venues, which lie beside the repository."""
    path = Path(__file__).resolve().parents[3] / "shared" / "data" / "captures"
    if not path.is_dir():
        pytest.skip("shared recordings are not on this machine")
    return path
