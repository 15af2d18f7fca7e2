"""Alerts: rules over what the operators before made, and what is news."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from random import Random
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conformance.operators import Item, OperatorConformance, Row, Table, Tape
from tests.conformance.samples import BTC, CODES, ETH, NOON, batches, coverage, depth, quote_stat, stat, trade, window

from fulltape.clock import SECOND_NS
from fulltape.operators.alerts import FADE_S, AlertConfig, AlertRule, Alerts
from fulltape.operators.base import Operator, Step
from fulltape.operators.figures import FIGURES
from fulltape.records import ALERTS, Alert, AlertKind, AlertState, CoverageState, Origin
from fulltape.records.events import Event, Hole

RAISED, CLEARED = AlertState.RAISED, AlertState.CLEARED
MINUTE = 60 * SECOND_NS

MOVE = AlertRule(name="move", figure="change_1m", kind=AlertKind.MOVE, beyond=3.0, clear=2.0)
RULES = (
    MOVE,
    AlertRule(name="wide", figure="spread_bp", above=50.0, for_s=3.0, cooldown_s=10.0),
    AlertRule(name="crossed", figure="crossed_bp", kind=AlertKind.OPPORTUNITY, above=0.0, for_s=1.0),
    AlertRule(name="lopsided", figure="book_imbalance", beyond=0.5, for_s=2.0),
    AlertRule(name="large", figure="trade_value", above=1_000.0, instruments=("BTC-*",)),
    AlertRule(name="wild", figure="realised_volatility", kind=AlertKind.RISK, above=1.0),
    AlertRule(name="down", figure="is_down", kind=AlertKind.RISK, above=0.0, for_s=5.0),
    AlertRule(name="hole", figure="missing_trades", kind=AlertKind.RISK, above=0.0, for_s=5.0),
)


class SortedTable(Table):
    """Alerts are told when they are certain, which is not in the order of their moments: a table has no order."""

    def content(self) -> tuple[dict[tuple[str, Row], Row], list[Row]]:
        latest, appended = super().content()
        return latest, sorted(appended)


class TestConformance(OperatorConformance):
    def operator(self) -> Operator:
        return alerts(*RULES)

    def table(self) -> Table:
        return SortedTable()

    def tape(self, random: Random) -> Tape:
        return sorted(
            [item for make in (_seconds, _windows, _trades, _ledger) for item in make(random)],
            key=lambda item: item.ingest_time,
        )


def _seconds(random: Random) -> Iterable[Item]:
    """Yield rows of each second, as late as their operators may tell them."""
    for second in range(120):
        for code in (BTC.id, ETH.id):
            if random.random() < 0.7:
                came = NOON + second * SECOND_NS + random.randrange(SECOND_NS)
                lag = random.choice([0, SECOND_NS, 90 * SECOND_NS])
                known, next_second = came + SECOND_NS, NOON + (second + 1) * SECOND_NS
                times = {"instrument": code, "ingest_time": came}
                yield item(known, stat(came - lag, change_1m=random.uniform(-5, 5), **times))
                asks = {"ask": 100.0, "best_ask": 100.0, "best_bid": random.uniform(99, 101)}
                spread = random.choice([None, 10.0, 60.0, 70.0])
                yield item(next_second, quote_stat(came, spread_bp=spread, **asks, **times))
                yield item(next_second, depth(came, book_imbalance=random.uniform(-1, 1), **times))


def _windows(random: Random) -> Iterable[Item]:
    for half in range(6):
        start = NOON + half * MINUTE // 2
        volatility = random.choice([None, 0.5, 2.0])
        yield item(start, trade(half, start))
        yield item(start + MINUTE + 7 * SECOND_NS, window(start, realised_volatility=volatility))
        if random.random() < 0.3:
            yield item(start + 100 * SECOND_NS, window(start, realised_volatility=9.0))


def _trades(random: Random) -> Iterable[Item]:
    for i in range(60):
        came = NOON + random.randrange(100 * SECOND_NS)
        yield item(came, trade(100 + i, came - random.choice([0, 5, 80 * SECOND_NS]), size=random.expovariate(0.2),
                               ingest_time=came, instrument=random.choice([BTC.id, ETH.id])))  # fmt: skip


def _ledger(random: Random) -> Iterable[Item]:
    at = NOON
    for i in range(12):
        at += random.randrange(1, 12) * SECOND_NS
        state = CoverageState.DOWN if i % 2 else CoverageState.COMPLETE
        yield item(at, coverage(at, state=state, instrument=random.choice([BTC.id, ETH.id])))
        first = random.randrange(3)
        yield Item(at, Hole(0, at, first, first + 4, random.choice([0, 3]), at - SECOND_NS, at))


def item(known: int, row: msgspec.Struct) -> Item:
    (batch,) = batches([row]).values()
    return Item(known, batch)


def alerts(*rules: AlertRule, **config: Any) -> Alerts:
    return Alerts(AlertConfig(rules=rules, **config), CODES.id_of)


def run(operator: Alerts, *rows: msgspec.Struct, clock: int = NOON + 3_600 * SECOND_NS,
        events: Sequence[Event] = ()) -> list[Alert]:  # fmt: skip
    made = operator.apply(Step(batches(rows), clock, events))
    return [row for batch in made for row in batch.rows(CODES)]


def told(rows: Iterable[Alert]) -> list[tuple[str, str, AlertState, float]]:
    """Return (instrument, rule, state, seconds after noon)."""
    return [(row.instrument[:3], row.rule, row.state, (row.ingest_time - NOON) / SECOND_NS) for row in rows]


def moved(second: float, change: float | None, **changes: Any) -> Any:
    at = NOON + round(second * SECOND_NS)
    return stat(**{"event_time": at, "ingest_time": at, "change_1m": change, **changes})


def test_an_alert_says_everything_that_a_person_needs() -> None:
    raised, cleared = run(alerts(MOVE), moved(1, -3.5, price=64_000.0), moved(2, -1.0))[:2]
    assert raised == Alert(
        BTC.id, "move", 1, AlertKind.MOVE, RAISED, "change_1m", -3.5, 3.0, "price 64000", Origin.LIVE,
        NOON + SECOND_NS, NOON + SECOND_NS,
    )  # fmt: skip
    assert (cleared.state, cleared.number, cleared.value) == (CLEARED, 1, -1.0)


def test_one_row_when_raised_and_one_when_cleared_never_one_per_tick() -> None:
    rows = [moved(i, 3.0 + i / 10) for i in range(1, 50)] + [moved(50, 2.5), moved(51, 1.9), moved(52, 0.0)]
    assert told(run(alerts(MOVE), *rows)) == [("BTC", "move", RAISED, 1), ("BTC", "move", CLEARED, 51)]


def test_a_figure_that_is_not_known_says_nothing() -> None:
    assert told(run(alerts(MOVE), moved(1, None), moved(2, 4.0), moved(3, None), clock=NOON + MINUTE)) == [
        ("BTC", "move", RAISED, 2)
    ]


def test_what_happened_long_before_it_came_is_no_news() -> None:
    operator = alerts(MOVE, news_s=30.0)
    old = NOON - 31 * SECOND_NS
    assert run(operator, moved(1, 9.0, event_time=old), moved(2, 9.0, event_time=old)) == []
    assert operator.not_news == 2
    assert told(run(operator, moved(3, 9.0), moved(4, 0.0, event_time=old), clock=NOON + 9 * SECOND_NS)) == [
        ("BTC", "move", RAISED, 3)
    ]


def test_an_alert_ends_when_nothing_more_is_heard() -> None:
    first, second = run(alerts(MOVE), moved(1, 9.0), clock=NOON + (FADE_S + 3) * SECOND_NS)
    assert told([second]) == [("BTC", "move", CLEARED, FADE_S + 1)]
    assert (first.value, second.value) == (9.0, None)
    assert "nothing was heard" in second.detail


def test_time_alone_raises_what_has_held_for_long_enough() -> None:
    operator = alerts(AlertRule(name="wide", figure="spread_bp", above=50.0, for_s=10.0))
    wide = quote_stat(NOON, spread_bp=60.0, ingest_time=NOON)
    assert run(operator, wide, clock=NOON + 11 * SECOND_NS) == []
    assert told(run(operator, clock=NOON + 12 * SECOND_NS)) == [("BTC", "wide", RAISED, 10)]


def test_a_large_trade_is_an_event_which_a_small_one_does_not_end() -> None:
    rule = AlertRule(name="large", figure="trade_value", above=1_000.0, cooldown_s=60.0, instruments=("BTC-USD.*",))
    rows = [trade(i, NOON + i * SECOND_NS, price=100.0, size=size) for i, size in enumerate([1, 20, 1, 30, 1])]
    other = trade(9, NOON, size=1e9, instrument=ETH.id)
    found = run(alerts(rule), *rows, other)
    assert told(found)[0] == ("BTC", "large", RAISED, 1 + 5e-9)
    assert found[0].detail == "price 100, size 20"
    assert [row.state for row in found] == [RAISED, CLEARED]


def test_an_opportunity_is_told_once_at_the_venue_that_asks_least() -> None:
    rule = AlertRule(name="crossed", figure="crossed_bp", kind=AlertKind.OPPORTUNITY, above=10.0)
    best = {"best_bid": 100.3, "best_ask": 100.0, "venues": 3}
    found = run(
        alerts(rule), quote_stat(NOON, ask=100.0, **best), quote_stat(NOON, ask=100.5, instrument=ETH.id, **best)
    )
    assert found[0].instrument == BTC.id
    assert found[0].value == pytest.approx(30.0)
    assert found[0].detail == "best_bid 100.3, best_ask 100, venues 3"
    assert {row.instrument for row in found} == {BTC.id}


def test_an_outage_is_told_while_it_lasts_and_with_its_reason() -> None:
    operator = alerts(AlertRule(name="down", figure="is_down", kind=AlertKind.RISK, above=0.0, for_s=30.0))
    down = coverage(NOON, state=CoverageState.DOWN, evidence="reset by peer")
    assert run(operator, coverage(NOON - MINUTE), down, clock=NOON + 31 * SECOND_NS) == []
    (raised,) = run(operator, clock=NOON + 3_600 * SECOND_NS)
    assert told([raised]) == [("BTC", "down", RAISED, 30)]
    assert raised.detail == "reset by peer"
    up = coverage(NOON + 4_000 * SECOND_NS)
    assert told(run(operator, up, clock=NOON + 4_001 * SECOND_NS)) == [("BTC", "down", CLEARED, 4_000)]


def test_what_the_ledger_rewrites_and_other_channels_are_no_outage() -> None:
    operator = alerts(AlertRule(name="down", figure="is_down", above=0.0))
    past = coverage(NOON, NOON + MINUTE, state=CoverageState.DOWN)
    book = coverage(NOON, state=CoverageState.DOWN, channel="book")
    assert run(operator, past, book) == []


def test_missing_trades_are_those_of_all_open_holes() -> None:
    operator = alerts(AlertRule(name="hole", figure="missing_trades", above=3.0))
    holes = [Hole(0, NOON + i * SECOND_NS, first, first + 2, missing, NOON, NOON)
             for i, (first, missing) in enumerate([(1, 2), (7, 3), (1, 0), (7, 0)])]  # fmt: skip
    raised, cleared = run(operator, events=holes)
    assert told([raised, cleared]) == [("BTC", "hole", RAISED, 1), ("BTC", "hole", CLEARED, 2)]
    assert (raised.value, cleared.value) == (5.0, 3.0)
    assert raised.detail == "trade ids 7 to 9: 3 missing"


def test_a_window_is_news_by_the_trade_that_opened_it() -> None:
    rule = AlertRule(name="wild", figure="realised_volatility", above=1.0)
    wild = window(NOON, realised_volatility=2.0)
    live = run(alerts(rule), trade(1, NOON), wild, clock=NOON + 2 * MINUTE)
    assert told(live) == [("BTC", "wild", RAISED, 60)]
    assert run(alerts(rule), trade(1, NOON, ingest_time=NOON + 3 * MINUTE), wild) == []
    assert run(alerts(rule), wild) == []


def test_a_window_that_is_made_again_raises_nothing() -> None:
    operator = alerts(AlertRule(name="wild", figure="realised_volatility", above=1.0))
    calm = window(NOON, realised_volatility=0.5)
    assert run(operator, trade(1, NOON), calm, clock=NOON + 2 * MINUTE) == []
    assert run(operator, window(NOON, realised_volatility=9.0), clock=NOON + 3 * MINUTE) == []
    assert operator.not_news == 1


def test_a_restart_goes_on_and_clears_what_nobody_watches_any_more() -> None:
    before = alerts(MOVE)
    assert len(run(before, moved(1, 9.0), clock=NOON + 2 * SECOND_NS)) == 1
    saved = before.snapshot()
    again, other = alerts(MOVE), alerts(RULES[1])
    for operator in (again, other):
        operator.restore(saved)
    assert told(run(again, moved(5, 0.0), clock=NOON + 6 * SECOND_NS)) == [("BTC", "move", CLEARED, 5)]
    (cleared,) = run(other, clock=NOON + 7 * SECOND_NS)
    assert (cleared.rule, cleared.state, cleared.kind, cleared.threshold) == ("move", CLEARED, AlertKind.MOVE, 3.0)
    assert run(other, clock=NOON + 8 * SECOND_NS) == []
    other.snapshot()


def test_replayed_alerts_say_so() -> None:
    (raised, _) = run(alerts(MOVE, origin=Origin.REPLAY), moved(1, 9.0))
    assert raised.origin is Origin.REPLAY


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 20), st.none() | st.floats(-6, 6)), max_size=40),
    st.floats(0, 30), st.floats(0, 60), st.integers(0, 40),
)  # fmt: skip
def test_raised_and_cleared_alternate_for_any_series(
    rows: list[tuple[float, float | None]], for_s: float, cooldown_s: float, restart: int
) -> None:
    rule = msgspec.structs.replace(MOVE, for_s=for_s, cooldown_s=cooldown_s)
    operator, found, second, saved = alerts(rule), [], 0.0, dict[int, bytes]()
    for i, (wait, change) in enumerate(rows):
        second += wait
        found += run(operator, moved(second, change), clock=NOON + round((second + 1) * SECOND_NS))
        saved |= operator.snapshot()
        if i == restart:
            operator = alerts(rule)
            operator.restore(saved)
    found += run(operator, clock=NOON + 10**15)
    assert [row.state for row in found] == [RAISED, CLEARED] * (len(found) // 2)
    assert [row.number for row in found] == [i // 2 + 1 for i in range(len(found))]


def test_every_figure_can_be_read_from_its_rows() -> None:
    made = batches([stat(), window(), quote_stat(), depth(), trade()])
    for name, figure in FIGURES.items():
        if figure.source in made:
            values = figure.of(made[figure.source].columns)
            assert values.dtype == np.float64, name
    assert {"change_1m", "all_time_high_distance", "volatility_1m", "delta", "spread_bp", "premium_bp", "is_outlier",
            "book_imbalance", "crossed_s", "price"} <= FIGURES.keys()  # fmt: skip
    assert (FIGURES["change_5m"].unit, FIGURES["premium_bp"].unit, FIGURES["price"].unit) == ("%", "bp", "")


def test_alerts_have_a_key_of_their_own() -> None:
    rows = run(alerts(MOVE), moved(1, 9.0), moved(2, 0.0), moved(3, 9.0), moved(4, 0.0))
    keys = {tuple(getattr(row, name) for name in ALERTS.key) for row in rows}
    assert len(keys) == len(rows) == 4
