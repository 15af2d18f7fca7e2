"""The page of each venue has its channels, its defaults and the reasons of its rejects."""

from __future__ import annotations

import re

import pytest
from tests.docs.pages import DOCS, ROOT, Page, page, table

from fulltape.records import STORED
from fulltape.venues.registry import VENUES

PAGES = {path.stem: page(path) for path in sorted((DOCS / "venues").glob("*.md")) if path.stem != "README"}
NAMES = {
    stem: re.findall(r"`([A-Z]+)`", one.text.partition("\n\n")[2].partition(".")[0]) for stem, one in PAGES.items()
}
VENUE_PAGES = [(name, PAGES[stem]) for stem, names in NAMES.items() for name in names]
INDEX = page(DOCS / "venues" / "README.md")


def test_every_venue_has_its_page_and_its_row() -> None:
    assert sorted(name for name, _ in VENUE_PAGES) == sorted(VENUES)
    rows = " ".join(row[1] for row in table(INDEX.text) if len(row) == 3)
    assert [name for name in VENUES if f"`{name.lower()}`" not in rows] == []


@pytest.mark.parametrize(("name", "one"), VENUE_PAGES, ids=[name for name, _ in VENUE_PAGES])
def test_channels_are_those_of_the_venue(name: str, one: Page) -> None:
    told = [found[1] for row in table(one.text) if len(row) > 2 and (found := re.fullmatch(r"`(\w+)`", row[0]))]
    assert sorted(told) == sorted(VENUES[name].spec.channels)


@pytest.mark.parametrize(("name", "one"), VENUE_PAGES, ids=[name for name, _ in VENUE_PAGES])
def test_defaults_are_those_of_the_venue(name: str, one: Page) -> None:
    venue = VENUES[name]
    (told,) = re.findall(r"^Default: (.*?)\.\s", one.text, re.MULTILINE | re.DOTALL)
    channels = re.findall(r"`(\w+)`", told) or sorted(venue.spec.channels)
    assert sorted(channels) == sorted(venue.spec.default_channels)
    instruments = [venue.instrument(symbol) for symbol in venue.spec.default_symbols]
    if name == "BITMEX":  # its symbols say what is followed: a perpetual or a pair
        expected = set(venue.spec.default_symbols)
    else:
        expected = {word for one in instruments for word in (one.base, one.quote)}
    assert set(re.findall(r"\b[A-Z]{3,}\b", told)) == expected


@pytest.mark.parametrize(("name", "one"), VENUE_PAGES, ids=[name for name, _ in VENUE_PAGES])
def test_reasons_are_in_the_source(name: str, one: Page) -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "src" / "fulltape" / "venues").glob("*.py"))
    told = re.findall(r"`((?:bad|malformed|unknown|no|venue)_\w+)`", one.text.partition("## Rejected frames")[2])
    assert told
    by_column = {f"bad_{column.name}" for schema in STORED for column in schema.columns}
    by_form = {"malformed_json", "malformed_msgpack"}
    assert [reason for reason in told if f'"{reason}"' not in source and reason not in by_column | by_form] == []


@pytest.mark.parametrize(("name", "one"), VENUE_PAGES, ids=[name for name, _ in VENUE_PAGES])
def test_secrets_are_named(name: str, one: Page) -> None:
    assert [variable for variable in VENUES[name].spec.credential_variables if variable not in one.text] == []
