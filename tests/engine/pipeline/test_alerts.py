"""Alerts in the pipeline: in the commit of what they follow from, from frames to rows, and where they come from."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.engine.machine import COINBASE, MINUTES, NOON, SECOND, Machine, chunk, confirmed, down, match, up

from fulltape.cli import wiring
from fulltape.engine.config import Config
from fulltape.engine.pipeline import Pipeline
from fulltape.engine.pipeline.statistics import StatisticConfig
from fulltape.operators.alerts import AlertConfig, AlertRule
from fulltape.records import AlertKind, AlertState, InstrumentTable, Origin
from fulltape.stores.duckdb import DuckDbStore

RULES = (
    AlertRule(name="move", figure="change_1t", kind=AlertKind.MOVE, beyond=5.0),
    AlertRule(name="down", figure="is_down", kind=AlertKind.RISK, above=0.0, for_s=30.0),
    AlertRule(name="hole", figure="missing_trades", kind=AlertKind.RISK, above=0.0),
)


def machine(origin: Origin = Origin.LIVE, table: InstrumentTable | None = None) -> Machine:
    one = Machine(MINUTES, table, StatisticConfig())
    config = AlertConfig(rules=RULES, origin=origin)
    one.pipeline = Pipeline(one.table, lambda name: COINBASE, MINUTES, StatisticConfig(), config)
    one.pipeline.follow("COINBASE-1", COINBASE, ["BTC-USD"])
    return one


def restarted(before: Machine) -> Machine:
    after = machine(table=InstrumentTable(before.table))
    after.batches, after.snapshots = before.batches, before.snapshots
    after.pipeline.restore(before.snapshots, NOON + 40 * SECOND)
    return after


def test_an_alert_is_in_the_commit_of_the_row_that_it_follows_from() -> None:
    one = machine()
    trades = (match(1, NOON, price="100"), match(2, NOON + 2 * SECOND, price="110"))
    outcome = one.step(chunk(confirmed(), *trades), clock=NOON + 4 * SECOND)
    assert {"stats", "alerts"} <= outcome.batches.keys()
    assert outcome.snapshots["alerts"]
    (raised,) = one.rows("alerts")
    assert (raised.rule, raised.state, raised.value) == ("move", AlertState.RAISED, pytest.approx(10.0))
    assert raised.event_time == NOON + 2 * SECOND


def test_what_came_long_after_it_happened_is_counted_only() -> None:
    one = machine()
    old = NOON - 600 * SECOND
    trades = (match(1, old, price="100"), match(2, old + 2 * SECOND, price="110"))
    one.step(chunk(confirmed(), *trades), clock=NOON + 4 * SECOND)
    assert len(one.rows("stats")) == 2
    assert one.rows("alerts") == []
    assert one.pipeline.alerts.not_news == 1


def test_a_lost_connection_is_told_with_its_reason_and_so_is_its_end() -> None:
    one = machine()
    one.step(chunk(confirmed(), match(1)))
    one.step(down(NOON + SECOND), clock=NOON + SECOND)
    one.step(clock=NOON + 40 * SECOND)
    one.step(chunk(confirmed(), at=NOON + 50 * SECOND), clock=NOON + 50 * SECOND)
    raised, cleared = one.rows("alerts")
    assert (raised.rule, raised.detail, raised.ingest_time) == ("down", "reset by peer", NOON + 31 * SECOND)
    assert (cleared.state, cleared.ingest_time) == (AlertState.CLEARED, NOON + 50 * SECOND)


def test_a_venue_that_never_came_up_is_told_after_the_rules_time_and_so_is_its_end() -> None:
    one = machine()
    one.step(clock=NOON)
    one.step(clock=NOON + 31 * SECOND)
    assert one.rows("alerts") == []
    one.step(clock=NOON + 33 * SECOND)
    (raised,) = one.rows("alerts")
    assert (raised.rule, raised.instrument, raised.state) == ("down", "BTC-USD.COINBASE", AlertState.RAISED)
    assert (raised.detail, raised.ingest_time) == ("not received since it was asked for", NOON + 30 * SECOND)
    later = restarted(one)
    later.step(clock=NOON + 60 * SECOND)
    later.step(clock=NOON + 120 * SECOND)
    assert later.rows("alerts") == [raised]
    later.step(up(NOON + 130 * SECOND), chunk(confirmed(), at=NOON + 131 * SECOND), clock=NOON + 132 * SECOND)
    _, cleared = later.rows("alerts")
    assert (cleared.state, cleared.ingest_time) == (AlertState.CLEARED, NOON + 131 * SECOND)


def test_what_comes_up_in_time_or_brings_no_trades_is_not_down() -> None:
    one = machine()
    one.pipeline.follow("COINBASE-2", COINBASE, ["ETH-USD"], has_trades=False)
    one.step(clock=NOON)
    one.step(chunk(confirmed(), at=NOON + 20 * SECOND), clock=NOON + 20 * SECOND)
    one.step(clock=NOON + 120 * SECOND)
    assert one.rows("alerts") == []


def test_what_never_came_and_is_given_up_is_not_down_any_more() -> None:
    one = machine()
    one.step(clock=NOON)
    one.step(clock=NOON + 40 * SECOND)
    one.pipeline.unfollow("COINBASE-1", COINBASE, ["BTC-USD"])
    one.step(clock=NOON + 50 * SECOND)
    assert [(row.state, row.detail) for row in one.rows("alerts")] == [
        (AlertState.RAISED, "not received since it was asked for"), (AlertState.CLEARED, "not followed"),
    ]  # fmt: skip


def test_missing_ids_are_told() -> None:
    one = machine()
    one.step(chunk(confirmed(), match(1), match(5)), clock=NOON + SECOND)
    one.step(clock=NOON + 60 * SECOND)
    hole = next(row for row in one.rows("alerts") if row.rule == "hole")
    assert (hole.value, hole.detail) == (3.0, "trade ids 2 to 4: 3 missing")


def test_what_is_replayed_or_fetched_says_so(tmp_path: Path) -> None:
    assert machine(Origin.REPLAY).pipeline.alerts.config.origin is Origin.REPLAY
    config = Config()
    with DuckDbStore.open(tmp_path / "x.duckdb", simulated=False) as store:
        assert wiring.pipeline(config, store).alerts.config.origin is Origin.LIVE
        for make, origin in ((wiring.replay_runner, Origin.REPLAY), (wiring.history_runner, Origin.REFILL)):
            runner, _ = make(config, store)
            assert runner.pipeline.alerts.config.origin is origin
