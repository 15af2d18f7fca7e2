"""Columns of times."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fulltape.clock import format_rfc3339, parse_rfc3339
from fulltape.records.columns import NULL_INT
from fulltape.venues.times import parse_times

MOMENTS = st.datetimes(dt.datetime(1600, 1, 1), dt.datetime(2400, 1, 1))  # noqa: DTZ001


def reference(text: str) -> int:
    try:
        time_ns = parse_rfc3339(text)
    except ValueError:
        return NULL_INT
    return time_ns if abs(time_ns) < 2**63 else NULL_INT


@settings(deadline=None)  # the first call may compile
@given(st.lists(st.tuples(MOMENTS, st.text("0123456789", max_size=9), st.sampled_from(["Z", "z", "+01:30", "-11:00"]))))
def test_equals_the_careful_parser(moments: list[tuple[dt.datetime, str, str]]) -> None:
    texts = [f"{moment:%Y-%m-%dT%H:%M:%S}{'.' + digits if digits else ''}{zone}" for moment, digits, zone in moments]
    assert parse_times(texts).tolist() == [reference(text) for text in texts]


@settings(deadline=None)  # the first call may compile
@given(st.lists(st.text(max_size=32) | st.text("0123456789-:TZ.+", min_size=18, max_size=31)))
def test_anything_else_is_null_or_what_the_careful_parser_says(texts: list[str]) -> None:
    assert parse_times(texts).tolist() == [reference(text) for text in texts]


@settings(deadline=None)  # the first call may compile
@given(st.integers(0, 2**63 - 1))
def test_round_trips_every_nanosecond(time_ns: int) -> None:
    assert parse_times([format_rfc3339(time_ns)]).tolist() == [time_ns]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2021-04-17T16:43:37.Z",
        "2021-04-17T16:43:37.1234567890Z",
        "2021-02-29T00:00:00Z",
        "2021-13-01T00:00:00Z",
        "2021-00-10T00:00:00Z",
        "2021-01-32T00:00:00Z",
        "2021-01-01T24:00:00Z",
        "2021-01-01T00:60:00Z",
        "2016-12-31T23:59:60Z",
        "2021-04-17 16:43:37.0",
        "٢٠٢١-04-17T16:43:37Z",
        "0001-01-01T00:00:00.000000Z",
        "9999-12-31T23:59:59Z",
        "0001-01-01T00:00:00+14:00",
    ],
)
def test_what_is_no_time_is_null_and_spoils_no_other(text: str) -> None:
    good = "2021-04-17T16:43:37.089723Z"
    assert parse_times([good, text, good]).tolist() == [1_618_677_817_089_723_000, NULL_INT, 1_618_677_817_089_723_000]


def test_leap_days_are_days() -> None:
    assert parse_times(["2000-02-29T00:00:00Z", "2024-02-29T12:00:00.5Z"]).tolist() == [
        951_782_400_000_000_000,
        1_709_208_000_500_000_000,
    ]


def test_no_texts_give_no_times() -> None:
    assert parse_times([]).tolist() == []
