"""Every command and option that pages, profiles and deployment name is one of the program or of the Makefile."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest
import typer.main
from tests.docs.pages import BY_HAND, PAGES, ROOT, Page
from typer.core import TyperCommand, TyperGroup

from fulltape.cli.main import app

Command = TyperCommand | TyperGroup
COMMENTED = [
    *sorted((ROOT / "profiles").glob("*.toml")),
    *sorted(path for path in (ROOT / "deploy").rglob("*") if path.suffix in {".toml", ".yaml"}),
    ROOT / "src" / "fulltape" / "engine" / "sample.toml",
]
OPTION = re.compile(r"(?<![\w-])-(?:-[a-z][\w-]*|[a-z]\b)")
TEXT = re.compile(r"\"[^\"]*\"|'[^']*'")


def lines_of(one: Page) -> Iterator[str]:
    """Yield the commands that a page tells: in its blocks a line each, in its prose between backticks."""
    for block in one.blocks():
        joined = block.replace("\\\n", " ")
        yield from (line.removeprefix("$ ").partition("   #")[0] for line in joined.splitlines())
    yield from one.code()


def comments_of(path: Path) -> Iterator[str]:
    """Yield the commands in a file's comments: on indented lines of their own, or between backticks."""
    text = path.read_text(encoding="utf-8")
    yield from re.findall(r"^# {5}(\S.*)$", text, re.MULTILINE)
    yield from re.findall(r"^#.*?`([^`]+)`", text, re.MULTILINE)


def of_fulltape(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        if found := re.fullmatch(r"(?:\.venv/bin/)?fulltape (.+)", line.strip()):
            yield found[1]


TOLD = {
    **{one.name: sorted(set(of_fulltape(lines_of(one)))) for one in BY_HAND},
    **{str(path.relative_to(ROOT)): sorted(set(of_fulltape(comments_of(path)))) for path in COMMENTED},
}
"""What stands behind `fulltape`, by page or file."""


@cache
def program() -> TyperGroup:
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    return group


def commands_in(group: TyperGroup) -> dict[str, Command]:
    return {name: one for name, one in group.commands.items() if isinstance(one, Command)}


def options_of(command: Command) -> set[str]:
    return {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}


def commands_named(words: list[str]) -> list[Command]:
    """Return the commands that the first words mean; ``list|add`` means both. Raises KeyError for one that is none."""
    first = commands_in(program())[words[0]]
    if isinstance(first, TyperGroup) and len(words) > 1:
        return [commands_in(first)[word] for word in words[1].split("|")]
    return [first]


@pytest.mark.parametrize(("place", "command"), [(place, command) for place in TOLD for command in TOLD[place]])
def test_every_command_and_its_options_exist(place: str, command: str) -> None:
    bare = TEXT.sub("", command)
    for found in commands_named(bare.split()):
        assert set(OPTION.findall(bare)) <= options_of(found) | {"--help"}, (place, found.name)


def test_commands_are_found_where_they_stand() -> None:
    assert len(TOLD["README.md"]) >= len(program().commands)
    assert "sim --venues all --config-out sim.toml" in TOLD["docs/simulator.md"]  # a block
    assert "up --config coinbase-grafana.toml" in TOLD["profiles/coinbase-grafana.toml"]
    assert "alerts test phone" in TOLD["src/fulltape/engine/sample.toml"]


def test_every_option_that_is_named_by_itself_exists() -> None:
    single = [one for one in commands_in(program()).values() if not isinstance(one, TyperGroup)]
    grouped = [
        one
        for group in program().commands.values()
        if isinstance(group, TyperGroup)
        for one in commands_in(group).values()
    ]
    known = set().union(*map(options_of, (*single, *grouped)))
    of_others = {"bench/README.md"}
    pages = [one for one in BY_HAND if one.name not in of_others]
    named = {(one.name, span.split()[0]) for one in pages for span in one.code() if span.startswith("--")}
    assert named
    assert [(place, option) for place, option in sorted(named) if option not in known] == []


def test_every_command_of_the_program_is_in_the_readme() -> None:
    told = {command.split()[0] for command in TOLD["README.md"]}
    assert [name for name in program().commands if name not in told] == []


def test_every_target_of_make_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z0-9-]+):", makefile, re.MULTILINE))
    named = {found for one in PAGES for line in lines_of(one) for found in re.findall(r"^make ([a-z0-9-]+)", line)}
    assert named
    assert named <= targets


def test_every_extra_that_is_to_be_installed_exists() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = {name for one in PAGES for name in re.findall(r"\bfulltape\[(\w+)\]", one.text)}
    assert named
    assert named <= set(project["optional-dependencies"])
