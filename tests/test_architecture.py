"""The rules of the house that a tool can hold."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "fulltape"
MODULES = sorted(PACKAGE.rglob("*.py"))

MAX_MODULE_LINES = 500
MAX_FUNCTION_LINES = 60
FORBIDDEN_NAMES = {"utils", "helpers", "common", "manager", "misc"}
WALL_CLOCKS = {"time.time", "time.time_ns", "datetime.now", "datetime.utcnow", "dt.datetime.now", "dt.datetime.utcnow"}
FORBIDDEN_TEXT = {
    "the address of a package registry": re.compile(
        r"https?://[a-z0-9.-]*(pypi|pythonhosted|npmjs|maven|deb\.debian|crates|yarnpkg)[a-z0-9.-]*"
    ),
    "a path of somebody's machine": re.compile(r"(^|[\s\"'=:(])(/(work|farm|root|Users)/|/home/\w|/tmp/env)"),
}


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def tracked_files() -> tuple[Path, ...]:
    if not (ROOT / ".git").exists():
        return ()
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    return tuple(path for name in listed.stdout.decode().split("\0") if name and (path := ROOT / name).is_file())


def test_modules_import_only_from_the_floors_below() -> None:
    # In a process of its own: it configures logging in a way that silences every logger there is.
    program = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_stays_small(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_MODULE_LINES
    long = [
        f"{node.name} has {node.end_lineno - node.lineno + 1} lines"
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno >= MAX_FUNCTION_LINES
    ]
    assert long == []


def test_names_say_what_a_module_is() -> None:
    assert [name_of(path) for path in PACKAGE.rglob("*") if path.stem in FORBIDDEN_NAMES] == []


def test_only_the_supervisor_swallows_everything() -> None:
    broad = [
        f"{name_of(path)}:{node.lineno}"
        for path in MODULES
        if path != PACKAGE / "engine" / "supervisor.py"
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ExceptHandler) and _is_broad(node.type) and not _raises_again(node)
    ]
    assert broad == []


def _is_broad(caught: ast.expr | None) -> bool:
    names = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(name is None or ast.unparse(name) in {"Exception", "BaseException"} for name in names)


def _raises_again(handler: ast.ExceptHandler) -> bool:
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


def test_only_the_clock_reads_the_time_of_day() -> None:
    reads = [
        f"{name_of(path)}:{node.lineno}"
        for path in MODULES
        if path != PACKAGE / "clock.py"
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in WALL_CLOCKS
    ]
    assert reads == []


@pytest.mark.parametrize(("library", "owners"), [("picows", {"session.py", "listener.py"}), ("httpx", {"rest.py"})])
def test_only_one_venue_module_does_each_kind_of_io(library: str, owners: set[str]) -> None:
    users = {path.name for path in (PACKAGE / "venues").glob("*.py") if library in _imported(tree_of(path))}
    assert users <= owners


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]


@pytest.mark.parametrize("what", FORBIDDEN_TEXT)
def test_no_tracked_file_names(what: str) -> None:
    found = []
    for path in tracked_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # pictures and recordings
        found += [
            f"{name_of(path)}:{number}"
            for number, line in enumerate(text.splitlines(), 1)
            if FORBIDDEN_TEXT[what].search(line)
        ]
    assert found == []


def test_no_test_directory_is_a_package() -> None:
    assert [name_of(path) for path in (ROOT / "tests").rglob("__init__.py")] == []


def test_every_decision_is_in_the_index_and_has_its_four_parts() -> None:
    folder = ROOT / "docs" / "adr"
    index = (folder / "README.md").read_text(encoding="utf-8")
    records = sorted(folder.glob("[0-9]*.md"))
    numbers = [int(path.name[:4]) for path in records]  # given when the work begins: one may stay unused
    assert numbers == sorted(set(numbers))
    for path in records:
        text = path.read_text(encoding="utf-8")
        title = text.splitlines()[0].removeprefix("# ")
        assert f"[{title}]({path.name})" in index
        assert re.findall(r"^## (.*)$", text, re.MULTILINE) == ["Context", "Choice", "Alternatives", "Cost"]


def test_changelog_fragments_say_their_kind() -> None:
    fragments = [path.name for path in (ROOT / "changelog.d").glob("*.md") if path.name != "README.md"]
    assert [name for name in fragments if not re.fullmatch(r"[a-z0-9-]+\.(feature|fix|breaking)\.md", name)] == []


def test_changelog_fragments_are_short_and_say_something_once() -> None:
    fragments = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "changelog.d").glob("*.*.md")}
    sentences = {
        name: re.findall(r"[^.!?]+[.!?](?=\s|$)", re.sub(r"`[^`]*`", "X", text)) for name, text in fragments.items()
    }
    assert {name: len(said) for name, said in sentences.items() if not 1 <= len(said) <= 3} == {}
    assert len(set(fragments.values())) == len(fragments)
