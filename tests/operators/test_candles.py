"""Candles: by definition, whatever the order, the split, the clock."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conformance.operators import Item, OperatorConformance, Table, Tape
from tests.operators.market import INTERVALS, exact_candles, split, tapes
from tests.operators.tape import MINUTE, NOON, SECOND, CandleRow, CandleTable, T, apply, coverage, run, trades

from fulltape.errors import ConfigError
from fulltape.operators import candles as module
from fulltape.operators.base import Operator, Step
from fulltape.operators.candle_plan import CandleConfig
from fulltape.operators.candles import Candles
from fulltape.records import Batch, CoverageState, EmptyReason, Origin
from fulltape.records.interval import parse_interval

HOUR = 3_600 * SECOND
CONFIG = CandleConfig(INTERVALS, quiet_from="5m")
MINUTES = CandleConfig(("1m",), quiet_from="1m")


def one_step(rows: list[T], config: CandleConfig = MINUTES, *, clock: int = NOON) -> CandleTable:
    return run(Candles(config), [Step({"trades": trades(rows)}, clock)])


class TestConformance(OperatorConformance):
    def operator(self) -> Operator:
        return Candles(CONFIG)

    def tape(self, random: Random) -> Tape:
        now, items = NOON, []
        for trade_id in range(1, 120):
            now += random.choice([0, SECOND, 20 * SECOND, 10 * MINUTE])
            late = random.choice([0, 0, SECOND, 5 * SECOND, HOUR])
            trade = T(now - late, trade_id, random.randint(1, 99), random.random(), random.randint(0, 2), ingest=now)
            items.append(Item(now, trades([trade])))
            if random.random() < 0.2:
                state = random.choice([CoverageState.DOWN, CoverageState.GAP, CoverageState.COMPLETE])
                start = NOON + random.randint(0, 20) * MINUTE
                items.append(Item(now, coverage(start, now, state, code=random.randint(0, 2), first="7")))
        return items

    def table(self) -> Table:
        return CandleTable()

    def apply(self, operator: Operator, step: Step, table: Table) -> None:
        assert isinstance(operator, Candles)
        assert isinstance(table, CandleTable)
        apply(operator, step, table)


@given(tapes())
@settings(deadline=None, max_examples=40)
def test_every_figure_is_that_of_the_definition(rows: list[T]) -> None:
    lengths = [parse_interval(text) for text in INTERVALS]
    table = one_step(rows, CONFIG, clock=rows[-1].ingest or 0)
    found = {key: row[:9] for key, row in table.rows.items() if row.trades}
    assert found == exact_candles(rows, lengths)


@given(tapes(), st.data())
@settings(deadline=None, max_examples=40)
def test_any_split_gives_the_same_table(rows: list[T], data: st.DataObject) -> None:
    end = (rows[-1].ingest or 0) + data.draw(st.sampled_from([0, 10, 20_000])) * SECOND
    places = data.draw(st.sets(st.integers(0, len(rows))))
    whole = run(Candles(CONFIG), split(rows, [], end))
    assert run(Candles(CONFIG), split(rows, places, end)).content() == whole.content()


@given(tapes(most=15), st.sampled_from([("1m", "5m"), ("1m", "5m", "4h"), ("10s", "90s", "1w", "2w")]))
@settings(deadline=None, max_examples=30)
def test_a_rolled_up_candle_is_the_one_from_the_trades(rows: list[T], intervals: tuple[str, ...]) -> None:
    together = one_step(rows, CandleConfig(intervals), clock=rows[-1].ingest or 0).rows
    alone = one_step(rows, CandleConfig(intervals[-1:]), clock=rows[-1].ingest or 0).rows
    assert alone
    assert all(repr(together[key]) == repr(row) for key, row in alone.items())


@given(tapes(most=15))
@settings(deadline=None, max_examples=15)
def test_little_room_for_rows_changes_nothing(rows: list[T]) -> None:
    end = (rows[-1].ingest or 0) + HOUR
    whole = run(Candles(CONFIG), split(rows, [5], end))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_ROOM", 1)
        assert run(Candles(CONFIG), split(rows, [5], end)).content() == whole.content()


def test_a_lateness_of_minutes_has_room_enough() -> None:
    config = CandleConfig(INTERVALS, lateness_s=2_000)
    rows = [T(NOON + i * SECOND, i, 100.0, 1.0) for i in (0, 1_999, 3, 2_000, 1)]
    table = one_step(rows, config)
    assert [table.rows[0, 1, NOON + s * SECOND].trades for s in (0, 1, 3, 1_999, 2_000)] == [1] * 5
    assert not any(row.is_final for row in table.rows.values())


def test_open_and_close_go_by_time_then_id() -> None:
    rows = [T(NOON + 2, 5, 5.0), T(NOON + 1, 9, 9.0), T(NOON + 2, 7, 7.0), T(NOON + 1, 3, 3.0), T(NOON + 2, 6, 6.0)]
    row = one_step(rows).rows[0, 60, NOON]
    assert (row.open, row.high, row.low, row.close) == (3.0, 9.0, 3.0, 7.0)


def test_ids_that_are_uuids_leave_the_order_to_arrival() -> None:
    rows = [T(NOON, 50, 1.0, high=7, ingest=NOON), T(NOON, -9, 2.0, high=3, ingest=NOON + 1)]
    live = one_step(rows).rows[0, 60, NOON]
    late = T(NOON + 1, 2, 1.5, high=9, ingest=NOON + 10 * MINUTE)
    after = [T(NOON + 10 * MINUTE, 8, 1.0, high=1), late]
    revised = run(Candles(MINUTES), split([*rows, *after], [2], NOON + 10 * MINUTE)).rows[0, 60, NOON]
    assert (live.open, live.close) == (1.0, 2.0)
    assert (revised.open, revised.close, revised.revision) == (1.0, 1.5, 1)


def test_volume_is_summed_without_rounding_on_the_way() -> None:
    row = one_step([T(NOON, i, 1.0, size) for i, size in enumerate([1e15, 0.1, 0.1, 0.1, 0.1, 0.1])]).rows[0, 60, NOON]
    assert row.volume == 1e15 + 0.5
    assert row.taker_buy_volume == row.volume
    assert row.vwap == 1.0


def test_only_what_the_taker_bought_counts_as_bought() -> None:
    row = one_step([T(NOON, 1, 2.0, 3.0, side=1), T(NOON, 2, 2.0, 4.0, side=2), T(NOON, 3, 2.0, 5.0, side=0)])
    assert row.rows[0, 60, NOON].taker_buy_volume == 3.0


def test_a_quiet_window_has_a_row_that_says_so() -> None:
    rows = one_step([T(NOON, 1), T(NOON + 3 * MINUTE + 2 * SECOND, 2)]).rows
    quiet = rows[0, 60, NOON + MINUTE]
    assert (quiet.trades, quiet.volume, quiet.is_final, quiet.reason) == (0, 0.0, True, EmptyReason.QUIET)
    assert all(math.isnan(value) for value in (quiet.open, quiet.high, quiet.low, quiet.close, quiet.vwap))
    assert rows[0, 60, NOON].reason == EmptyReason.NONE
    assert len(rows) == 4


@pytest.mark.parametrize("days", [30, 400])
def test_empty_windows_are_rows_for_a_month_after_a_trade(days: int) -> None:
    """However the steps are cut: trades of long ago before one of today make no million of rows."""
    config = CandleConfig(("5m", "15m", "1d"), quiet_from="5m")
    day = 86_400 * SECOND
    now = NOON + days * day
    first, last = (T(NOON, 1), T(NOON + 5 * MINUTE, 2)), (T(now, 3), T(now + 5 * MINUTE, 4))
    whole = run(Candles(config), [Step({"trades": trades([*first, *last])}, now + 20 * MINUTE)])
    steps = [
        Step({"trades": trades(first)}, NOON + 5 * MINUTE),
        *(Step({}, NOON + n * day // 3) for n in range(1, 3 * days)),
    ]
    parts = run(Candles(config), [*steps, Step({"trades": trades(last)}, now + 20 * MINUTE)])
    told, cut = (
        {key: (row.trades, row.is_final, row.reason) for key, row in table.rows.items()} for table in (whole, parts)
    )
    assert told == cut
    empty = [
        start for (_, interval, start), (count, *_) in told.items() if interval == 300 and not count and start < now
    ]
    # 31 days from the last trade on, and the window that was still open when the next one came.
    assert len(empty) == min(days * 288 - 2, 31 * 288 - 1 + 1)
    assert whole.rows[0, 300, now].trades == whole.rows[0, 900, now].trades - 1 == 1
    assert (0, 300, now + 10 * MINUTE) in whole.rows


def test_below_quiet_from_an_empty_window_has_no_row() -> None:
    rows = one_step(
        [T(NOON, 1), T(NOON + 3 * MINUTE + 2 * SECOND, 2)], CandleConfig(("1s", "1m", "2m"), quiet_from="2m")
    ).rows
    assert {(s, (start - NOON) // SECOND) for _, s, start in rows} == {
        (1, 0), (1, 182), (60, 0), (60, 180), (120, 0), (120, 120),
    }  # fmt: skip


@pytest.mark.parametrize("ahead", [0, 1_270_000_000, -60 * SECOND])
def test_the_ingest_clock_closes_quiet_windows_by_the_venue_s_clock(ahead: int) -> None:
    candles, table = Candles(MINUTES), CandleTable()
    apply(candles, Step({"trades": trades([T(NOON, 1, ingest=NOON - ahead)])}, NOON - ahead), table)
    due = NOON - ahead + MINUTE + 7 * SECOND
    for clock, is_final in [(due - 1, False), (due, True)]:
        apply(candles, Step({}, clock), table)
        assert table.rows[0, 60, NOON].is_final is is_final


@pytest.mark.parametrize("ahead", [1_270_000_000, -60 * SECOND])
def test_a_venue_s_wrong_clock_makes_no_trade_late(ahead: int) -> None:
    rows = [T(NOON + i * SECOND, i, ingest=NOON + i * SECOND - ahead + i % 7 * 10**8) for i in range(300)]
    table = run(Candles(MINUTES), split(rows, range(0, 300, 3), NOON + 300 * SECOND - ahead))
    assert {row.revision for row in table.rows.values()} == {0}
    assert sum(row.trades for row in table.rows.values()) == 300


def test_a_time_far_ahead_makes_the_clock_close_no_window_early() -> None:
    """For a thousand trades after it the clock closed windows minutes before they had begun."""
    candles, table = Candles(MINUTES), CandleTable()
    rows = [T(NOON, 1), T(NOON + 10 * MINUTE, 2, ingest=NOON + SECOND), T(NOON + 2 * SECOND, 3)]
    apply(candles, Step({"trades": trades(rows)}, NOON + 2 * SECOND), table)
    apply(candles, Step({}, NOON + 20 * MINUTE), table)
    closed = {(start - NOON) // MINUTE for (_, _, start), row in table.rows.items() if row.is_final}
    assert closed == set(range(19))
    apply(candles, Step({}, NOON + 20 * MINUTE + 8 * SECOND), table)
    assert table.rows[0, 60, NOON + 19 * MINUTE].is_final


def test_a_venue_clock_that_is_set_ahead_is_followed() -> None:
    candles, table = Candles(MINUTES), CandleTable()
    ahead = 2 * MINUTE
    rows = [T(NOON, 1), *(T(NOON + ahead + i * SECOND, i, ingest=NOON + i * SECOND) for i in range(2, 80))]
    apply(candles, Step({"trades": trades(rows)}, NOON + 79 * SECOND), table)
    due = NOON + 79 * SECOND + MINUTE
    apply(candles, Step({}, due), table)
    assert table.rows[0, 60, NOON + ahead + MINUTE].is_final


def test_what_was_asked_from_history_says_nothing_of_the_clock() -> None:
    candles, table = Candles(MINUTES), CandleTable()
    rows = [T(NOON, 1), *(T(NOON - HOUR, i, origin=Origin.REFILL, ingest=NOON) for i in range(2, 40))]
    apply(candles, Step({"trades": trades(rows)}, NOON), table)
    apply(candles, Step({}, NOON + MINUTE + 7 * SECOND), table)
    assert table.rows[0, 60, NOON].is_final


def test_each_late_trade_is_a_revision() -> None:
    rows = [T(NOON, 1, 5.0), T(NOON + 5 * MINUTE, 9), T(NOON + 1, 2, 7.0), T(NOON + 2, 3, 6.0)]
    for places in ([], [3], [1, 2, 3]):
        row = run(Candles(MINUTES), split(rows, places, NOON + 5 * MINUTE)).rows[0, 60, NOON]
        assert row == CandleRow(5.0, 7.0, 5.0, 6.0, 3.0, 18.0, 6.0, 3, 3.0, 2, True, EmptyReason.NONE)


def test_a_late_trade_reaches_open_windows_without_a_revision() -> None:
    config = CandleConfig(("1m", "5m", "1h"))
    rows = one_step([T(NOON, 1, 5.0), T(NOON + 6 * MINUTE, 9, 1.0), T(NOON + 1, 2, 7.0)], config).rows
    assert (rows[0, 60, NOON].revision, rows[0, 300, NOON].revision, rows[0, 3600, NOON].revision) == (1, 1, 0)
    assert (rows[0, 3600, NOON].trades, rows[0, 3600, NOON].high, rows[0, 3600, NOON].is_final) == (3, 7.0, False)


def test_weeks_start_on_monday() -> None:
    rows = one_step([T(NOON, 1)], CandleConfig(("1w", "2w"))).rows
    monday = NOON - 5 * 24 * HOUR - 12 * HOUR
    assert [(s, start) for _, s, start in rows] == [(604_800, monday), (1_209_600, monday - 7 * 24 * HOUR)]


def test_an_outage_is_told_as_the_reason_even_afterwards() -> None:
    candles, table = Candles(MINUTES), CandleTable()
    late = T(NOON + 4 * MINUTE + 2 * SECOND, 5)
    apply(candles, Step({"trades": trades([T(NOON, 1), late])}, late.time), table)
    middle = (0, 60, NOON + 2 * MINUTE)
    for state, reason in [
        (CoverageState.GAP, EmptyReason.GAP),
        (CoverageState.REFILLED, EmptyReason.QUIET),
        (CoverageState.DOWN, EmptyReason.VENUE_DOWN),
    ]:
        apply(candles, Step({"coverage": coverage(NOON, late.time, state, first="2")}, late.time), table)
        assert table.rows[middle].reason == reason
        assert table.rows[0, 60, NOON].reason == EmptyReason.NONE


def test_a_hole_that_is_filled_trade_by_trade_is_judged_again_once() -> None:
    candles = Candles(MINUTES)
    late = T(NOON + 4 * MINUTE + 2 * SECOND, 5)
    candles.apply(Step({"trades": trades([T(NOON, 1), late])}, late.time))
    rows = [coverage(NOON, late.time, CoverageState.GAP, first=str(first)) for first in range(2, 500)]
    candles.apply(Step({"coverage": Batch.concat(rows)}, late.time))
    assert len(candles.take_doubtful()) == 1
    assert candles.take_doubtful() == []


def test_a_trade_late_for_everything_leaves_nothing_open() -> None:
    candles, table = Candles(MINUTES), CandleTable()
    apply(candles, Step({"trades": trades([T(NOON, 1)])}, NOON + HOUR), table)
    late = Step({"trades": trades([T(NOON + 1, 2, ingest=NOON + HOUR)])}, NOON + HOUR)
    apply(candles, late, table)
    assert (table.rows[0, 60, NOON].trades, table.rows[0, 60, NOON].revision) == (2, 1)


def test_derive_ignores_other_windows_and_windows_without_trades() -> None:
    candles = Candles(MINUTES)
    window = module.StaleWindow(3, 60, NOON, 2)
    assert len(candles.derive([window], trades([T(NOON + MINUTE, 1)]), {window: 0})) == 0
    row = candles.derive([window], trades([T(NOON + MINUTE, 1), T(NOON, 2, 4.0)]), {window: 5})
    assert row["instrument"].tolist() == [3]
    assert row["revision"].tolist() == [7]
    assert row["close"].tolist() == [4.0]


@pytest.mark.parametrize(
    "config",
    [
        CandleConfig(()),
        CandleConfig(("1x",)),
        CandleConfig(quiet_from="soon"),
        CandleConfig(lateness_s=-1),
        CandleConfig(quiet_s=-1),
    ],
)
def test_a_configuration_that_makes_no_candles_is_refused(config: CandleConfig) -> None:
    with pytest.raises(ConfigError):
        Candles(config)


@pytest.mark.parametrize("other", [CandleConfig(("1m", "5m")), CandleConfig(("1m",), lateness_s=9)])
def test_state_of_other_intervals_is_refused_with_what_to_do(other: CandleConfig) -> None:
    candles = Candles(MINUTES)
    candles.apply(Step({"trades": trades([T(NOON, 1)])}, NOON))
    with pytest.raises(ConfigError, match=r"1s, 1m.*put \[candles\].*--db"):
        Candles(other).restore(candles.snapshot())


def test_intervals_are_told_finest_first() -> None:
    candles = Candles(CandleConfig(("1h", "60s", "1s", "1m"), quiet_from="1m"))
    assert candles.intervals_s == (1, 60, 3_600)
    assert candles.quiet_intervals_s == (60, 3_600)


def test_an_empty_derivation_has_the_columns_of_candles() -> None:
    empty = Candles(MINUTES).derive([], trades([]), {})
    assert isinstance(empty, Batch)
    assert len(empty) == 0


def test_an_instrument_that_nobody_follows_is_made_final_and_then_rests() -> None:
    since = NOON + 30 * SECOND
    steps = [NOON + n * 20 * SECOND for n in range(1, 12)]
    tables = []
    for clocks in (steps, steps[-1:]):
        candles, table = Candles(CandleConfig(("1m", "2m"), quiet_s=5)), CandleTable()
        both = trades([T(NOON + SECOND, 1), T(NOON + SECOND, 1, code=1)])
        apply(candles, Step({"trades": both}, NOON + SECOND), table)
        for clock in clocks:
            told = {"coverage": coverage(since, None, CoverageState.NOT_FOLLOWED)}
            apply(candles, Step(told if clock == clocks[0] else {}, clock), table)
        tables.append(table.rows)
    assert repr(sorted(tables[0].items())) == repr(sorted(tables[1].items()))  # a price that is none equals no other
    rows = tables[0]
    assert [(s, start - NOON, row.is_final) for (code, s, start), row in sorted(rows.items()) if code == 0] == [
        (60, 0, True),
        (60, MINUTE, True),
        (120, 0, True),
    ]
    assert rows[0, 60, NOON + MINUTE].reason == EmptyReason.NOT_FOLLOWED
    assert (1, 60, NOON + 2 * MINUTE) in rows


def test_an_instrument_at_rest_goes_on_with_its_next_trade_and_after_a_restart() -> None:
    candles, table = Candles(MINUTES), CandleTable()
    apply(candles, Step({"trades": trades([T(NOON, 1)])}, NOON), table)
    rest = {"coverage": coverage(NOON + SECOND, None, CoverageState.NOT_FOLLOWED)}
    apply(candles, Step(rest, NOON + SECOND), table)
    other = Candles(MINUTES)
    other.restore(candles.snapshot())
    apply(other, Step({}, NOON + HOUR), table)
    assert (0, 60, NOON + 2 * MINUTE) not in table.rows
    back = NOON + HOUR
    followed = {"coverage": coverage(NOON + SECOND, back, CoverageState.NOT_FOLLOWED)}
    apply(other, Step({**followed, "trades": trades([T(back, 2)])}, back + MINUTE + 10 * SECOND), table)
    assert table.rows[0, 60, NOON + 2 * MINUTE].reason == EmptyReason.NOT_FOLLOWED
    assert table.rows[0, 60, back].is_final
