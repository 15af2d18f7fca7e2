"""Print the part of a lock that a wheel needs to run, and the wheel itself, each with its hashes.

``python deploy/runtime_lock.py requirements.lock dist/fulltape-*.whl > runtime.lock``, where the whole lock is
installed: the installed packages tell which of them needs which. Then ``pip install --require-hashes --no-deps -r``.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import re
import sys
import zipfile
from collections.abc import Iterator
from email.parser import Parser
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

EXTRAS = ("indicators", "kafka")
"""What else the image can do."""


def main() -> None:
    """Read the lock and the wheel that are named, and print."""
    lock, wheel = map(Path, sys.argv[1:])
    print("\n".join(runtime_lock(lock.read_text(encoding="utf-8"), wheel)))


def runtime_lock(lock: str, wheel: Path) -> list[str]:
    """Return what a wheel requires, as the lock has it, then the wheel. Raises LookupError for what is not locked."""
    entries = locked(lock)
    needed = sorted(closure([Requirement(text) for text in required(wheel)], EXTRAS))
    missing = [name for name in needed if name not in entries]
    if missing:
        raise LookupError(f"not in the lock: {', '.join(missing)}; run make lock")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    own = f"fulltape @ {wheel.resolve().as_uri()} --hash=sha256:{digest}"
    return [*(entry for name in needed for entry in entries[name]), own]


def locked(lock: str) -> dict[str, list[str]]:
    """Return the entries of a lock, with their hashes and without comments, by the name of the package."""
    found: dict[str, list[str]] = {}
    for entry in re.split(r"\n(?=[A-Za-z0-9])", "\n".join(line for line in lock.splitlines() if "#" not in line)):
        if name := re.match(r"[\w.-]+", entry.strip(), re.ASCII):
            found.setdefault(canonicalize_name(name[0]), []).append(entry.strip())
    return found


def required(wheel: Path) -> list[str]:
    """Return what a wheel requires, extras included, as its metadata say it."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return Parser().parsestr(archive.read(name).decode("utf-8")).get_all("Requires-Dist", [])


def closure(requirements: list[Requirement], extras: tuple[str, ...]) -> set[str]:
    """Return the names of what is required on this machine, with all that it requires in turn."""
    seen: set[tuple[str, str]] = set()
    waiting = list(wanted(requirements, extras))
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        for extra in ("", *sorted(requirement.extras)):
            if (name, extra) not in seen:
                seen.add((name, extra))
                texts = importlib.metadata.requires(name) or []
                waiting += wanted([Requirement(text) for text in texts], (extra,))
    return {name for name, _ in seen}


def wanted(requirements: list[Requirement], extras: tuple[str, ...]) -> Iterator[Requirement]:
    """Yield those that count on this machine, without an extra or with one of ``extras``."""
    for one in requirements:
        if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            yield one


if __name__ == "__main__":
    main()
