"""The embedded store."""

from __future__ import annotations

from tests.conformance.stores import StoreConformance


class TestDuckDbStore(StoreConformance):
    """Every case of the store suite."""
