"""The coverage ledger: who listened when, and what is missing."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from tests.conformance.operators import Item, OperatorConformance, Tape
from tests.conformance.samples import CODES, NOON

from fulltape.operators.base import Operator, Step
from fulltape.operators.coverage import Ledger
from fulltape.operators.outages import Outages, Stretch, joined
from fulltape.records import Coverage, CoverageState, EmptyReason
from fulltape.records.events import Event, Hole, Refilled, Subscribed, Unbroken
from fulltape.records.frames import Connection, EventKind, SessionEvent

COMPLETE, DOWN, GAP, REFILLED = CoverageState.COMPLETE, CoverageState.DOWN, CoverageState.GAP, CoverageState.REFILLED


def up(time: int, *codes: int, name: str = "C-1", channel: str = "trades") -> Subscribed:
    return Subscribed(name, NOON + time, {channel: frozenset(codes or (0,))})


def lost(time: int, name: str = "C-1") -> SessionEvent:
    return SessionEvent(Connection(name, "COINBASE"), EventKind.DISCONNECTED, NOON + time, "reset by peer")


def connected(time: int) -> SessionEvent:
    return SessionEvent(Connection("C-1", "COINBASE"), EventKind.CONNECTED, NOON + time)


def proof(time: int, next_id: int = 8) -> Unbroken:
    return Unbroken(0, NOON + time, 7, next_id)


def hole(time: int, missing: int) -> Hole:
    return Hole(0, NOON + time, 8, 10, missing, NOON + 1, NOON + 4)


class Rows:
    """The ledger's table: the last row of each key."""

    def __init__(self, ledger: Ledger | None = None) -> None:
        self.ledger = ledger or Ledger()
        self.outages = Outages()
        self.table: dict[Any, Coverage] = {}

    def apply(self, *events: Event) -> list[tuple[int, int | None, CoverageState]]:
        """Apply events, one step each, and return (start, end, state) of instrument 0 in order of start."""
        for event in events:
            for batch in self.ledger.apply(Step({}, NOON, [event])):
                self.outages.apply(batch)
                for row in batch.rows(CODES):
                    self.table[row.instrument, row.channel, row.start, row.first_missing] = row
        rows = sorted((r for r in self.table.values() if r.instrument == CODES.id_of(0)), key=lambda r: r.start)
        return [(r.start - NOON, None if r.end is None else r.end - NOON, r.state) for r in rows]


class TestConformance(OperatorConformance):
    def operator(self) -> Operator:
        return Ledger()

    def tape(self, random: Random) -> Tape:
        items, is_up = [], [False, False]
        for time in range(0, 400, 5):
            choice, which = random.random(), random.randint(0, 1)
            event: Event
            if choice < 0.2:
                event = hole(time, random.randint(0, 3))
            elif choice < 0.4:
                event = Unbroken(random.randint(0, 2), NOON + time, 7, 8)
            elif is_up[which]:
                event, is_up[which] = lost(time, f"C-{which}"), False
            else:
                event, is_up[which] = up(time, which, 2 * which, name=f"C-{which}"), True
            items.append(Item(NOON + time, event))
        return items


def test_a_subscription_begins_a_complete_stretch() -> None:
    assert Rows().apply(connected(1), up(2)) == [(2, None, COMPLETE)]


def test_a_repeated_confirmation_changes_nothing() -> None:
    assert Rows().apply(up(2), up(3)) == [(2, None, COMPLETE)]


def test_a_disconnection_ends_it() -> None:
    rows = Rows()
    assert rows.apply(up(2), lost(5)) == [(2, 5, COMPLETE), (5, None, DOWN)]
    assert [row.evidence for row in rows.table.values()] == ["subscription confirmed", "reset by peer"]
    assert rows.apply(lost(6)) == [(2, 5, COMPLETE), (5, None, DOWN)]


def test_a_reconnection_without_proof_leaves_the_outage() -> None:
    assert Rows().apply(up(2), lost(5), up(9)) == [(2, 5, COMPLETE), (5, 9, DOWN), (9, None, COMPLETE)]


@pytest.mark.parametrize("events", [[proof(8), up(9)], [up(9), proof(10)]])
def test_a_proof_before_or_after_the_confirmation_makes_it_complete(events: list[Event]) -> None:
    rows = Rows()
    assert rows.apply(up(2), lost(5), *events) == [(2, 5, COMPLETE), (5, 9, COMPLETE), (9, None, COMPLETE)]
    assert rows.table[CODES.id_of(0), "trades", NOON + 5, ""].evidence == (
        "reset by peer; nothing missed: trade 8 follows 7"
    )
    assert rows.outages.reason(0, NOON, NOON + 100) is EmptyReason.QUIET


def test_the_last_trade_sent_again_is_a_proof() -> None:
    rows = Rows()
    rows.apply(up(2), lost(5), proof(8, next_id=7), up(9))
    assert "trade 7 was still the last" in rows.table[CODES.id_of(0), "trades", NOON + 5, ""].evidence


def test_a_proof_serves_one_outage_only() -> None:
    rows = Rows()
    expected = [(2, 5, COMPLETE), (5, 9, COMPLETE), (9, 12, COMPLETE), (12, 15, DOWN), (15, None, COMPLETE)]
    assert rows.apply(up(2), lost(5), up(9), proof(10), lost(12), up(15)) == expected


def test_what_missed_nothing_is_not_refilled() -> None:
    rows = Rows()
    refilled = Refilled(0, NOON, NOON + 20)
    assert rows.apply(up(2), lost(5), up(9), refilled)[1] == (5, 9, REFILLED)
    assert rows.apply(lost(12), up(15), proof(16), refilled)[3] == (12, 15, COMPLETE)


def test_a_proof_without_an_outage_says_nothing() -> None:
    assert Rows().apply(proof(1), up(2), proof(3)) == [(2, None, COMPLETE)]


def test_a_proof_is_of_trades_only() -> None:
    rows = Rows()
    rows.apply(up(2, channel="book"), lost(5), proof(6), up(9, channel="book"))
    assert rows.table[CODES.id_of(0), "book", NOON + 5, ""].state is DOWN


def test_each_connection_has_its_own_stretches() -> None:
    rows = Rows()
    assert rows.apply(up(1, 0), up(2, 1, name="C-2"), lost(5, "C-2")) == [(1, None, COMPLETE)]
    other = sorted((r.start - NOON, r.state) for r in rows.table.values() if r.instrument == CODES.id_of(1))
    assert other == [(2, COMPLETE), (5, DOWN)]


def test_a_hole_lies_over_the_stretch_and_is_rewritten_as_it_fills() -> None:
    rows = Rows()
    assert rows.apply(up(0), hole(5, 3)) == [(0, None, COMPLETE), (1, 4, GAP)]
    row = rows.table[CODES.id_of(0), "trades", NOON + 1, "8"]
    assert (row.missing, row.first_missing, row.last_missing) == (3, "8", "10")
    assert row.evidence == "trade ids 8 to 10: 3 of 3 did not come"
    assert rows.outages.reason(0, NOON + 2, NOON + 3) is EmptyReason.GAP
    assert rows.apply(hole(6, 1), hole(7, 0)) == [(0, None, COMPLETE), (1, 4, REFILLED)]
    assert rows.outages.reason(0, NOON + 2, NOON + 3) is EmptyReason.QUIET


def test_while_fulltape_was_not_running_nobody_listened() -> None:
    before = Rows()
    before.apply(up(2), up(2, 1, name="C-2"))
    after = Rows(Ledger())
    after.table = before.table
    after.ledger.restore(before.ledger.snapshot())
    after.ledger.interrupted(NOON + 7, "fulltape was not running")
    assert after.apply(connected(20), up(21)) == [(2, 7, COMPLETE), (7, 21, DOWN), (21, None, COMPLETE)]
    assert after.table[CODES.id_of(1), "trades", NOON + 7, ""].state is DOWN


def test_outages_tell_the_worst_reason_of_the_time_asked_for() -> None:
    rows = Rows()
    rows.apply(up(0), hole(3, 3), lost(10), up(20))
    asked = {(0, 1): "QUIET", (1, 2): "GAP", (4, 10): "QUIET", (9, 11): "VENUE_DOWN", (19, 30): "VENUE_DOWN"}
    asked |= {(20, 30): "QUIET", (3, 12): "GAP"}
    assert {span: rows.outages.reason(0, NOON + span[0], NOON + span[1]).name for span in asked} == asked
    assert rows.outages.reason(5, NOON, NOON + 99) is EmptyReason.QUIET


def test_outages_keep_a_bounded_number_the_newest() -> None:
    rows = Rows()
    for time in range(0, 3_000, 10):
        rows.apply(up(time), lost(time + 5))
    assert rows.outages.reason(0, NOON + 5, NOON + 6) is EmptyReason.QUIET
    assert rows.outages.reason(0, NOON + 2_985, NOON + 2_986) is EmptyReason.VENUE_DOWN
    assert len(rows.outages.save(0)) == 256


def test_stretches_that_touch_are_joined() -> None:
    apart = [Stretch(1, 0, 5), Stretch(0, 8, 9), Stretch(0, 0, 3), Stretch(0, 2, 5), Stretch(0, 5, 6), Stretch(0, 1, 2)]
    assert joined(apart) == [Stretch(0, 0, 6), Stretch(0, 8, 9), Stretch(1, 0, 5)]
    assert joined([]) == []
