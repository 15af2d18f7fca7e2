from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def quick_databases(databases_by_copy: None) -> None:
    """Every test here writes a database or two."""
