"""Keys and environment variables that pages name are those that the program reads."""

from __future__ import annotations

import re
import typing
from collections.abc import Mapping

import msgspec
import pytest
from tests.docs.pages import BY_HAND, DOCS, ROOT, Page, page

from fulltape.engine.config import Config
from fulltape.venues.registry import VENUES

SETTING = re.compile(r"\[([a-z_.]+(?:\.[A-Z]+)?)\](?: ([a-z_]+))?(?: = .*)?")
VARIABLE = re.compile(r"\bFULLTAPE_[A-Z_]+\b")
OF_THE_READER = {"FULLTAPE_PHONE_URL"}
"""Variables that a reader names: those of targets."""

BLOCKS = [(one, block) for one in BY_HAND for block in one.blocks("toml")]
SETTINGS = sorted(
    {
        (one.name, *found.groups(default=""))
        for one in BY_HAND
        for span in one.code()
        if (found := SETTING.fullmatch(span))
    }
)


@pytest.mark.parametrize(("one", "block"), BLOCKS, ids=[one.name for one, _ in BLOCKS])
def test_every_configuration_that_is_shown_can_be_used(one: Page, block: str) -> None:
    Config.parse(block)


@pytest.mark.parametrize(("place", "name", "key"), SETTINGS)
def test_every_setting_exists(place: str, name: str, key: str) -> None:
    kind: object = Config
    for part in (*name.split("."), *([key] if key else [])):
        kind = within(kind, part)
        assert kind is not None, f"{place}: [{name}] has no {part!r}"


def within(kind: object, key: str) -> object:
    """Return the type of what stands under a key, or None."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return typing.get_type_hints(kind, include_extras=True).get(key)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    return arguments[1] if origin is not None and issubclass(origin, Mapping) else None


def test_settings_are_found_where_they_stand() -> None:
    assert len(BLOCKS) >= 4
    assert ("docs/operations.md", "capture", "directory") in SETTINGS
    assert within(Config, "capture") is not None
    assert within(within(Config, "capture"), "folder") is None


def test_every_variable_exists() -> None:
    read = {
        name
        for path in (*(ROOT / "src").rglob("*.py"), ROOT / "hatch_build.py", *(ROOT / "tests").rglob("*.py"))
        for name in VARIABLE.findall(path.read_text(encoding="utf-8"))
        if path.parent.name != "docs"
    }
    told = {(one.name, name) for one in BY_HAND for name in VARIABLE.findall(one.text)}
    assert [(place, name) for place, name in sorted(told) if name not in read | OF_THE_READER] == []


def test_every_secret_has_its_place() -> None:
    operations = page(DOCS / "operations.md").text
    names = [name for venue in VENUES.values() for name in venue.spec.credential_variables]
    assert len(names) > 5
    assert [name for name in names if f"`{name}`" not in operations] == []
