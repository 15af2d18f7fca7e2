"""Duplicates are counted by instrument and day of receipt, over restarts, and not when a recording is read again."""

from __future__ import annotations

from tests.engine.machine import NOON, SECOND, Machine, chunk, confirmed, match

DAY = 86_400 * SECOND
MIDNIGHT = NOON // DAY * DAY + DAY


def counted(machine: Machine) -> dict[tuple[str, int], int]:
    return {(row.instrument, row.day): row.duplicates for row in machine.rows("duplicates")}


def test_trades_that_come_again_are_counted_by_instrument_and_day() -> None:
    machine = Machine()
    ether = match(1, symbol="ETH-USD")
    machine.step(chunk(confirmed("BTC-USD", "ETH-USD"), match(1), match(2), ether, match(1), match(2), ether))
    assert counted(machine) == {("BTC-USD.COINBASE", MIDNIGHT - DAY): 2, ("ETH-USD.COINBASE", MIDNIGHT - DAY): 1}
    machine.step(chunk(match(2), at=MIDNIGHT - 1), chunk(match(2), match(1), at=MIDNIGHT), clock=MIDNIGHT)
    assert counted(machine) == {
        ("BTC-USD.COINBASE", MIDNIGHT - DAY): 3,
        ("BTC-USD.COINBASE", MIDNIGHT): 2,
        ("ETH-USD.COINBASE", MIDNIGHT - DAY): 1,
    }
    assert machine.pipeline.counters.duplicates == 6


def test_without_duplicates_there_is_no_row() -> None:
    machine = Machine()
    outcome = machine.step(chunk(confirmed(), match(1), match(2)))
    assert "duplicates" not in outcome.batches
    assert not outcome.snapshots["duplicates"]


def test_counts_go_on_over_a_restart() -> None:
    machine = Machine()
    machine.step(chunk(confirmed(), match(1), match(1)))
    after = machine.restarted(NOON + SECOND)
    after.step(chunk(confirmed(), match(1), at=NOON + 2 * SECOND), clock=NOON + 2 * SECOND)
    assert counted(after) == {("BTC-USD.COINBASE", MIDNIGHT - DAY): 2}


def test_a_recording_that_is_read_again_counts_nothing() -> None:
    machine = Machine()
    frames = chunk(confirmed(), match(1), match(2), match(2))
    machine.step(frames)
    before = counted(machine)
    after = machine.restarted(NOON)
    after.step(frames)
    assert counted(after) == before == {("BTC-USD.COINBASE", MIDNIGHT - DAY): 1}
    assert after.pipeline.counters.duplicates == 3
