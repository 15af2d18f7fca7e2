"""Of rows that share a key only the last counts."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from tests.conformance.samples import CODES, coverage

from fulltape.records import COVERAGE, Coverage
from fulltape.stores.latest import last_of_each_key

STRETCHES = st.builds(
    coverage,
    start=st.integers(0, 3),
    end=st.none() | st.integers(0, 9),
    channel=st.sampled_from(["trades", "a", "é", ""]),
    first_missing=st.sampled_from(["", "7", "10"]),
)


@given(st.lists(STRETCHES, max_size=30))
def test_it_equals_a_dictionary(rows: list[Coverage]) -> None:
    expected: dict[tuple[Any, ...], Coverage] = {}
    for row in rows:
        key = msgspec.structs.astuple(row)[:3], row.first_missing
        expected.pop(key, None)
        expected[key] = row
    assert last_of_each_key(COVERAGE.from_rows(rows, CODES)).rows(CODES) == list(expected.values())
