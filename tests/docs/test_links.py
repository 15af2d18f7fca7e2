"""Links between pages lead to a file, and to a heading in it; the paths that pages name exist."""

from __future__ import annotations

import re

import pytest
from tests.docs.pages import BY_HAND, DOCS, PAGES, ROOT, Page, page

PLACES = (ROOT, ROOT / "src", ROOT / "src" / "fulltape", ROOT / "tests", ROOT / "web")
SOURCES = [ROOT / folder for folder in ("src", "tests", "bench", "web/src")]
NAMES = {path.name for folder in SOURCES for path in folder.rglob("*.*")}
FOLDERS = r"(?:src|tests|web|deploy|profiles|bench|docs|changelog\.d|\.github)"
PATH = re.compile(rf"(?:{FOLDERS}/[\w./-]*|(?:[\w-]+/)+[\w.-]+\.(?:py|ts|svelte)|[\w-]+\.(?:py|ts|svelte))")


@pytest.mark.parametrize("one", PAGES, ids=lambda one: one.name)
def test_links_lead_somewhere(one: Page) -> None:
    links = [link for link in re.findall(r"\]\(([^)\s]+)[^)]*\)", one.text) if not re.match(r"[a-z]+:", link)]
    broken = []
    for link in links:
        file, _, anchor = link.partition("#")
        there = (one.folder / file).resolve() if file else ROOT / one.name
        if not there.exists() or (anchor and anchor not in page(there).anchors()):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("one", BY_HAND, ids=lambda one: one.name)
def test_paths_exist(one: Page) -> None:
    """A name without a folder stands beside one that has it."""
    named = [span for span in one.code() if PATH.fullmatch(span)]
    there = [path for path in named if path in NAMES or any((place / path).exists() for place in (*PLACES, one.folder))]
    assert named == there


def test_every_page_is_linked_from_another() -> None:
    linked = {
        (one.folder / link.partition("#")[0]).resolve()
        for one in PAGES
        for link in re.findall(r"\]\(([^)\s]+)\)", one.text)
        if not re.match(r"[a-z]+:|#", link)
    }
    assert [str(path.relative_to(ROOT)) for path in sorted(DOCS.rglob("*.md")) if path not in linked] == []


def test_every_folder_and_page_of_the_dashboard_is_told() -> None:
    dashboard = page(DOCS / "dashboard.md").text
    folders = [path.name for path in sorted((ROOT / "web" / "src").iterdir()) if path.is_dir()]
    assert [name for name in folders if f"`src/{name}/`" not in dashboard] == []
    pages = re.findall(r'path: "([^"]+)"', (ROOT / "web" / "src" / "pages.ts").read_text(encoding="utf-8"))
    assert len(pages) > 5
    assert [path for path in pages if f"`/{path}`" not in dashboard] == []


def test_pages_that_the_program_names_exist() -> None:
    """Messages, comments and configurations send readers to them."""
    files = [
        path
        for folder in ("src/fulltape", "web/src", "deploy", "tests", "bench")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in {".py", ".toml", ".yaml", ".ts", ".svelte"}
    ]
    named = {
        (str(path.relative_to(ROOT)), found)
        for path in files
        for found in re.findall(r"\bdocs/[\w/-]+\.md\b", path.read_text(encoding="utf-8"))
    }
    assert len(named) > 10
    assert [(place, found) for place, found in sorted(named) if not (ROOT / found).exists()] == []
