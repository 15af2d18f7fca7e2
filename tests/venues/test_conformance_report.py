"""The page tells the truth about the cases: every venue is in it, every case, every declared gap, and no failure."""

from __future__ import annotations

from tests.conformance.report import cases, suites, table, written

from fulltape.venues.registry import VENUES


def test_every_venue_passes_the_cases() -> None:
    assert set(suites()) == set(VENUES)


def test_the_page_is_up_to_date() -> None:
    assert written() == table(), "run `make conformance`"


def test_cases_are_numbered_without_a_hole() -> None:
    assert list(cases()) == [f"V-{number:02d}" for number in range(1, len(cases()) + 1)]


def test_only_known_cases_are_declared_not_to_be_offered() -> None:
    for _, suite in suites().values():
        assert suite.not_offered.keys() <= cases().keys()
