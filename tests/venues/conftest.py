"""Fixtures for tests of venues."""

from __future__ import annotations

import pytest
from tests.venues.server import ListSink


@pytest.fixture
def sink() -> ListSink:
    """Return a sink that keeps everything."""
    return ListSink()
