"""The documentation as tests read it: pages, their headings, code and blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
WRITTEN_BY_PROGRAM = DOCS / "cli.md"

_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")


@dataclass(frozen=True)
class Page:
    """One Markdown file. ``name`` is its path in the repository."""

    name: str
    text: str

    @property
    def folder(self) -> Path:
        """Where its links begin."""
        return (ROOT / self.name).parent

    @property
    def prose(self) -> str:
        """Everything but the fenced blocks."""
        return _FENCED.sub("", self.text)

    def blocks(self, *languages: str) -> list[str]:
        """Return the fenced blocks in these languages, or all."""
        return [body for language, body in _FENCED.findall(self.text) if not languages or language in languages]

    def code(self) -> list[str]:
        """Return what stands between backticks in the prose, as it is read: in a table a bar is escaped."""
        return [found.replace("\\|", "|") for found in _CODE.findall(self.prose)]

    def anchors(self) -> set[str]:
        """Return the names that links may end with, as GitHub makes them of headings."""
        found: set[str] = set()
        for title in re.findall(r"^#+ (.+)$", self.prose, re.MULTILINE):
            plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).lower()
            anchor = base = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
            again = 0
            while anchor in found:
                again += 1
                anchor = f"{base}-{again}"
            found.add(anchor)
        return found


@cache
def page(path: Path) -> Page:
    """Return one file."""
    return Page(str(path.relative_to(ROOT)), path.read_text(encoding="utf-8"))


def _files() -> Iterator[Path]:
    yield from sorted(ROOT.glob("*.md"))
    yield from sorted(DOCS.rglob("*.md"))
    yield ROOT / "bench" / "README.md"
    yield from sorted((ROOT / "changelog.d").glob("*.md"))


PAGES = [page(path) for path in _files()]
"""Every page that people write or read."""
BY_HAND = [one for one in PAGES if one.name != str(WRITTEN_BY_PROGRAM.relative_to(ROOT))]
"""All but docs/cli.md, which the program writes."""


def table(text: str) -> list[list[str]]:
    """Return the rows of all tables in ``text`` as cells, heads and lines below them left out."""
    rows = []
    lines = text.splitlines()
    for number, line in enumerate(lines):
        head = number + 1 < len(lines) and re.fullmatch(r"\|(?:-+\|)+", lines[number + 1])
        if line.startswith("| ") and not head:
            rows.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
    return rows


def section(one: Page, title: str) -> str:
    """Return what stands below a heading, up to the next one of its level or above."""
    found = re.search(rf"^(#+) {re.escape(title)}\n(.*)", one.text, re.MULTILINE | re.DOTALL)
    assert found, f"{one.name} has no heading {title!r}"
    return re.split(rf"^#{{1,{len(found[1])}}} ", found[2], maxsplit=1, flags=re.MULTILINE)[0]
