"""Clocks, and times as text."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fulltape.clock import SECOND_NS, ManualClock, SystemClock, format_rfc3339, parse_rfc3339, parse_when


@given(st.integers(-(2**63), 2**63 - 1))
def test_every_time_comes_back(time_ns: int) -> None:
    text = format_rfc3339(time_ns)
    assert len(text) == 30
    assert parse_rfc3339(text) == time_ns


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01t00:00:00z", 0),
        ("1970-01-01 00:00:01.5Z", 1_500_000_000),
        ("2021-04-17T16:43:37.089723Z", 1_618_677_817_089_723_000),
        ("2021-04-17T18:43:37.000000001+02:00", 1_618_677_817_000_000_001),
        ("2021-04-17T11:13:37-05:30", 1_618_677_817_000_000_000),
        ("1969-12-31T23:59:59.999999999Z", -1),
        ("0001-01-01T00:00:00+01:00", -62_135_600_400 * SECOND_NS),
    ],
)
def test_rfc_3339(text: str, expected: int) -> None:
    assert parse_rfc3339(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2021-04-17",
        "2021-04-17T16:43:37",
        "2021-04-17T16:43:37.Z",
        "2021-04-17T16:43:37.0123456789Z",
        "2021-02-29T00:00:00Z",
        "2021-04-17T24:00:00Z",
        "2016-12-31T23:59:60Z",
        "2021-04-17T16:43:37+24:00",
        "2021-04-17T16:43:37+01:60",
        "2021-04-17T16:43:37Z\n",
        "٢٠٢١-04-17T16:43:37Z",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not an RFC 3339 time|must be in|out of range"):
        parse_rfc3339(text)


def test_a_date_is_its_midnight_in_utc() -> None:
    assert parse_when("2021-04-17") == parse_rfc3339("2021-04-17T00:00:00Z")
    assert parse_when("2021-04-17T18:43:37+02:00") == parse_rfc3339("2021-04-17T16:43:37Z")


@pytest.mark.parametrize("text", ["", "2021-02-29", "2021-04", "2021-4-17", "20210417", "2021-04-17\n", "2021-04-17T"])
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not an RFC 3339 time|must be in|out of range"):
        parse_when(text)


def test_a_manual_clock_moves_when_told() -> None:
    clock = ManualClock(5)
    assert clock.now_ns() == 5
    clock.set(9)
    assert clock.now_ns() == 9


def test_the_system_s_clock_is_the_machine_s() -> None:
    before = time.time_ns()
    assert before <= SystemClock().now_ns() <= time.time_ns()
