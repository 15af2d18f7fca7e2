"""What the tests of pages share: one browser a module, and a program over the simulated venue."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from tests.e2e.pages import chromium  # which skips whoever has no Playwright

    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a dashboard over the simulated venue."""
    from tests.e2e.pages import serving

    with serving(tmp_path_factory.mktemp("simulated"), "--sim") as url:
        yield url
