"""The embedded store."""

from __future__ import annotations

import pytest
from tests.conformance.stores import StoreConformance


@pytest.mark.usefixtures("databases_by_copy")
class TestDuckDbStore(StoreConformance):
    """Every case of the store suite; how a database is made is the matter of test_duckdb_file."""
