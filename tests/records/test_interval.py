"""Intervals and the windows they cut time into."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fulltape.records.interval import DEFAULT_INTERVALS, format_interval, parse_interval, window_start

SECOND = 10**9
times = st.integers(-(2**61), 2**61)
lengths = st.integers(1, 366 * 86_400)


@pytest.mark.parametrize(
    ("text", "seconds", "shortest"),
    [
        ("1s", 1, "1s"),
        ("60s", 60, "1m"),
        ("90s", 90, "90s"),
        ("90m", 5_400, "90m"),
        ("24h", 86_400, "1d"),
        ("7d", 604_800, "1w"),
        ("52w", 31_449_600, "52w"),
        ("366d", 31_622_400, "366d"),
    ],
)
def test_parse_and_shortest_name(text: str, seconds: int, shortest: str) -> None:
    assert parse_interval(text) == seconds
    assert format_interval(seconds) == shortest


@given(st.integers(1, 366), st.sampled_from("smhd"))
def test_the_shortest_name_means_the_same(count: int, unit: str) -> None:
    seconds = parse_interval(f"{count}{unit}")
    assert parse_interval(format_interval(seconds)) == seconds


@pytest.mark.parametrize(
    "text", ["", "m", "0s", "-1m", "1.5m", "1M", "1y", "01m", "1 m", "367d", "1m\n", "٣m", "9999999s"]
)
def test_what_is_no_interval_is_refused_with_what_is(text: str) -> None:
    with pytest.raises(ValueError, match="use a whole number of s, m, h, d or w"):
        parse_interval(text)


def test_the_defaults_are_their_own_shortest_names() -> None:
    assert [format_interval(parse_interval(text)) for text in DEFAULT_INTERVALS] == list(DEFAULT_INTERVALS)


@given(times, lengths)
def test_a_window_holds_its_time_and_windows_tile(time: int, seconds: int) -> None:
    start = window_start(time, seconds)
    assert start <= time < start + seconds * SECOND
    assert window_start(start, seconds) == start
    assert window_start(start - 1, seconds) == start - seconds * SECOND


@given(times, st.integers(1, 52))
def test_weeks_start_on_monday(time: int, weeks: int) -> None:
    start = window_start(time, weeks * 604_800) // SECOND
    assert (dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=start)).strftime("%a %T") == "Mon 00:00:00"
