"""UUIDs by the column."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fulltape.records.batch import split_id
from fulltape.venues.uuids import split_uuids

GOOD = "39744121-c20e-44ba-8cc8-a6b8cdf72885"


@given(st.lists(st.uuids(), max_size=20))
def test_splits_as_one_at_a_time(ids: list[object]) -> None:
    texts = [str(one) for one in ids]
    halves = split_uuids(texts)
    assert halves is not None
    assert list(zip(*(half.tolist() for half in halves), strict=True)) == [split_id(text) for text in texts]


def test_capital_digits_are_digits() -> None:
    halves = split_uuids([GOOD.upper()])
    assert halves is not None
    assert tuple(half[0] for half in halves) == split_id(GOOD)


@pytest.mark.parametrize(
    "text",
    ["", "7", GOOD[:-1], GOOD.replace("-", "0"), "g" + GOOD[1:], "é" + GOOD[1:], "  " + GOOD[2:], GOOD[:-2] + " 5"],
)
def test_one_that_is_none_spoils_the_column(text: str) -> None:
    assert split_uuids([GOOD, text]) is None
