"""Columns with checks."""

from __future__ import annotations

import math

import numpy as np

from fulltape.clock import SECOND_NS
from fulltape.records import BARS, HEARTBEATS, TICKERS
from fulltape.records.batch import join_id
from fulltape.venues.base import Parsed
from fulltape.venues.rows import UNKNOWN_CODE, Codes, Rows, excerpt, is_plausible

NOW = 1_700_000_000 * SECOND_NS


class Counting:
    """Symbols that count how often they are asked."""

    def __init__(self) -> None:
        self.known = {"BTC-USD": 4}
        self.asked = 0

    def code_of(self, venue_symbol: str) -> int | None:
        self.asked += 1
        return self.known.get(venue_symbol)


def test_codes_are_asked_for_once_and_unknown_ones_again() -> None:
    symbols = Counting()
    codes = Codes(symbols)
    assert codes.column(["BTC-USD", "BTC-USD", "X", "X"]).tolist() == [4, 4, UNKNOWN_CODE, UNKNOWN_CODE]
    assert symbols.asked == 3
    symbols.known["X"] = 5
    assert codes.column(["X", "X"]).tolist() == [5, 5]
    assert symbols.asked == 4


def test_a_row_is_rejected_once_with_its_first_reason() -> None:
    rows = Rows(HEARTBEATS, np.array([3, 7, 9]), np.full(3, NOW))
    rows.instruments(Codes(Counting()), ["X", "BTC-USD", "BTC-USD"])
    rows.put("sequence", [1, 2, 3])
    rows.put("last_trade_id", [1, 2, 3])
    rows.times(["never", "never", "2023-11-14T22:13:20Z"])
    parsed = Parsed()
    rows.finish(parsed)
    assert [(reject.frame, reject.reason) for reject in parsed.rejects] == [(3, "unknown_instrument"), (7, "bad_time")]
    assert parsed.frames["heartbeats"].tolist() == [9]
    assert parsed.batches["heartbeats"]["event_time"].tolist() == [NOW]
    assert {name: column.dtype for name, column in parsed.batches["heartbeats"].columns.items()} == {
        name: column.dtype for column in HEARTBEATS.columns for name in column.names
    }


def test_figures_may_be_null_but_not_impossible() -> None:
    rows = Rows(TICKERS, np.arange(5), np.full(5, NOW))
    rows.figures("bid", [None, 0.0, 1.5, -1.0, math.inf], zero_is_null=True)
    rows.figures("bid_size", [math.nan, 0.0, 2.0, 1.0, 1.0])
    parsed = Parsed()
    rows.instruments(Codes(Counting()), ["BTC-USD"] * 5)
    rows.finish(parsed)
    assert [(reject.frame, reject.reason, reject.detail) for reject in parsed.rejects] == [
        (3, "bad_bid", "-1.0"),
        (4, "bad_bid", "inf"),
    ]
    batch = parsed.batches["tickers"]
    assert np.array_equal(batch["bid"], [math.nan, math.nan, 1.5], equal_nan=True)
    assert np.array_equal(batch["bid_size"], [math.nan, 0.0, 2.0], equal_nan=True)


def test_nothing_good_makes_no_batch() -> None:
    rows = Rows(HEARTBEATS, np.arange(1), np.full(1, NOW))
    rows.instruments(Codes(Counting()), ["X"])
    parsed = Parsed()
    rows.finish(parsed)
    assert parsed.batches == parsed.frames == {}


def test_times_are_plausible_up_to_an_hour_ahead() -> None:
    hour = 3_600 * SECOND_NS
    times = np.array([NOW, NOW + hour, NOW + hour + 1, 0, np.iinfo(np.int64).min])
    assert is_plausible(times, np.full(5, NOW)).tolist() == [True, True, False, False, False]


def test_an_excerpt_is_short() -> None:
    assert excerpt("a") == "'a'"
    assert len(excerpt("a" * 1_000_000)) == 103


def finished(rows: Rows) -> tuple[Parsed, list[tuple[int, str]]]:
    parsed = Parsed()
    rows.finish(parsed)
    return parsed, [(reject.frame, reject.reason) for reject in parsed.rejects]


def test_text_ids_are_digits_or_uuids() -> None:
    ids = ["7", "39744121-c20e-44ba-8cc8-a6b8cdf72885", "x", "-1", str(2**63)]
    rows = Rows(TICKERS, np.arange(5), np.full(5, NOW))
    rows.text_ids("trade_id", ids)
    rows.put("instrument", [0] * 5)
    parsed, rejects = finished(rows)
    assert rejects == [(2, "bad_trade_id"), (3, "bad_trade_id"), (4, "bad_trade_id")]
    batch = parsed.batches["tickers"]
    halves = zip(batch["trade_id"].tolist(), batch["trade_id_high"].tolist(), strict=True)
    assert [join_id(*pair) for pair in halves] == ids[:2]


def test_times_that_are_counts_are_taken_in_their_unit() -> None:
    rows = Rows(BARS, np.arange(4), np.full(4, NOW))
    rows.put("instrument", [0] * 4)
    rows.counted_times([NOW // 1_000_000, 2**62, -1, 0], 1_000_000, "start")
    parsed, rejects = finished(rows)
    assert rejects == [(1, "bad_time"), (2, "bad_time"), (3, "bad_time")]
    assert parsed.batches["bars"]["start"].tolist() == [NOW]
    assert parsed.batches["bars"]["ingest_time"].tolist() == [NOW]


def test_volumes_may_be_zero_but_not_missing() -> None:
    rows = Rows(BARS, np.arange(4), np.full(4, NOW))
    rows.put("instrument", [0] * 4)
    rows.volumes("volume", [0.0, math.nan, -1.0, math.inf])
    assert finished(rows)[1] == [(1, "bad_volume"), (2, "bad_volume"), (3, "bad_volume")]
