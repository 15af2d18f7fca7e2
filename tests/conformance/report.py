"""The conformance table of docs/venues/README.md: every case against every venue.

``python -m tests.conformance.report`` runs the cases and writes the table; `make conformance` does that.
"""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterator, Mapping
from itertools import product
from pathlib import Path
from xml.etree import ElementTree

from tests.conformance.venues import VenueConformance

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "venues" / "README.md"
BEGIN, END = "<!-- conformance: written by `make conformance` -->", "<!-- conformance: end -->"
PASS, FAIL = "pass", "FAIL"
_CASE = re.compile(r"test_v(\d\d)_(\w+)")


def suites() -> dict[str, tuple[str, type[VenueConformance]]]:
    """Return by venue, in order of names, the node id of its test class and the class."""
    found = {}
    for path in sorted((ROOT / "tests" / "venues").glob("test_*.py")):
        module = importlib.import_module(f"tests.venues.{path.stem}")
        for name, member in vars(module).items():
            is_suite = isinstance(member, type) and issubclass(member, VenueConformance)
            if is_suite and member is not VenueConformance:
                found[member.venue.spec.name] = (f"tests/venues/{path.name}::{name}", member)
    return dict(sorted(found.items()))


def cases() -> dict[str, str]:
    """Return what each numbered case says, in their order."""
    found = (_CASE.match(name) for name in dir(VenueConformance))
    return {f"V-{one[1]}": one[2].replace("_", " ") for one in sorted(filter(None, found), key=lambda one: one[1])}


def table(failed: frozenset[tuple[str, str]] = frozenset()) -> str:
    """Return the table, and below it why a venue does not offer something."""
    columns = suites()
    notes: list[str] = []
    lines = [f"| case | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}"]
    for case, words in cases().items():
        cells = list(_cells(case, columns, failed, notes))
        lines.append(f"| {case} {words} | {' | '.join(cells)} |")
    explained = [f"{number}. {note}" for number, note in enumerate(notes, start=1)]
    return "\n".join([*lines, "", "Not offered by the venue:", "", *explained])


def _cells(
    case: str,
    columns: Mapping[str, tuple[str, type[VenueConformance]]],
    failed: frozenset[tuple[str, str]],
    notes: list[str],
) -> Iterator[str]:
    for venue, (node, suite) in columns.items():
        reason = suite.not_offered.get(case)
        if (node, case) in failed:
            yield FAIL
        elif reason is None:
            yield PASS
        else:
            note = f"{venue}: {reason}"
            if note not in notes:
                notes.append(note)
            yield f"not offered ({notes.index(note) + 1})"


def written() -> str:
    """Return the table that the page has."""
    return PAGE.read_text().partition(BEGIN)[2].partition(END)[0].strip()


def main() -> int:
    """Run every case and write the table; the exit code is pytest's."""
    nodes = {node for node, _ in suites().values()}
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory) / "report.xml"
        command = [sys.executable, "-m", "pytest", *nodes, "-k", "test_v", f"--junitxml={report}"]
        code = subprocess.run(command, cwd=ROOT, check=False).returncode
        failed = _failed(ElementTree.parse(report), nodes)
    before, _, rest = PAGE.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n\n{table(failed)}\n\n{END}{after}")
    return code


def _failed(report: ElementTree.ElementTree[ElementTree.Element], nodes: Collection[str]) -> frozenset[tuple[str, str]]:
    """Return which cases of which test class failed, were skipped, or did not run."""
    outcomes: dict[tuple[str, str], bool] = dict.fromkeys(product(nodes, cases()), False)
    failed = set()
    for test in report.iter("testcase"):
        module, _, name = test.get("classname", "").rpartition(".")
        found = _CASE.match(test.get("name", ""))
        if found is not None:
            key = (f"{module.replace('.', '/')}.py::{name}", f"V-{found[1]}")
            outcomes[key] = True
            if len(test):
                failed.add(key)
    return frozenset(failed | {key for key, has_run in outcomes.items() if not has_run})


if __name__ == "__main__":
    sys.exit(main())
