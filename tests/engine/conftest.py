"""Recordings of real venues, which are not part of the repository."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def recordings() -> Path:
    """Where the recordings lie; without them the test is skipped."""
    path = Path(__file__).resolve().parents[3] / "shared" / "data"
    if not path.is_dir():
        pytest.skip("shared recordings are not on this machine")
    return path
