"""Reading a Dockerfile: its stages and instructions, and what a build's context leaves out."""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

KNOWN = frozenset(
    {"FROM", "WORKDIR", "COPY", "RUN", "ENV", "USER", "VOLUME", "EXPOSE"}
    | {"STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT", "CMD"}
)


@dataclass
class Stage:
    """One ``FROM`` with what follows it."""

    base: str
    name: str
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def all(self, keyword: str) -> list[str]:
        """Return the arguments of every such instruction."""
        return [arguments for one, arguments in self.instructions if one == keyword]

    def last(self, keyword: str) -> str:
        """Return the arguments of the one that counts."""
        return self.all(keyword)[-1]

    def words(self, keyword: str) -> list[str]:
        """Return the words of an instruction in exec form, of a health check those of its command."""
        found: list[str] = json.loads(re.sub(r"^.*?CMD ", "", self.last(keyword)))
        return found

    def environment(self) -> dict[str, str]:
        return dict(word.split("=", 1) for arguments in self.all("ENV") for word in arguments.split())

    def copied(self) -> Iterator[tuple[list[str], str]]:
        """Yield what is copied from the context, and where to."""
        for arguments in self.all("COPY"):
            *sources, target = arguments.split()
            if not sources[0].startswith("--"):
                yield sources, target


def stages(text: str) -> list[Stage]:
    """Read a Dockerfile. Raises ValueError for an instruction that ours need not have."""
    found: list[Stage] = []
    for line in re.sub(r"\\\n", " ", text).splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        keyword, _, arguments = line.partition(" ")
        if keyword not in KNOWN:
            raise ValueError(f"not known here: {line}")
        if keyword == "FROM":
            base, _, name = arguments.partition(" AS ")
            found.append(Stage(base, name))
        else:
            found[-1].instructions.append((keyword, arguments))
    return found


def is_left_out(path: str, patterns: list[str]) -> bool:
    """Return whether a ``.dockerignore`` leaves a path out: the last pattern that fits it or a folder above decides."""
    parts = path.split("/")
    above = ["/".join(parts[: n + 1]) for n in range(len(parts))]
    left_out = False
    for pattern in patterns:
        bare = pattern.removeprefix("!")
        if any(fnmatch.fnmatchcase(one, bare) or _anywhere(one, bare) for one in above):
            left_out = not pattern.startswith("!")
    return left_out


def patterns(path: Path) -> list[str]:
    """Return the patterns of a ``.dockerignore``."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def _anywhere(path: str, pattern: str) -> bool:
    return pattern.startswith("**/") and fnmatch.fnmatchcase(path.rpartition("/")[2], pattern.removeprefix("**/"))
