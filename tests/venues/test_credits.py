"""The day's credits: never overspent, by restarts, by other processes or by a clock that jumps."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.disk import full_disk

from fulltape.clock import SECOND_NS, ManualClock
from fulltape.errors import ConfigError, CreditsSpent, TransientError
from fulltape.venues.credits import DAY_S, CreditFile

DAY = DAY_S * SECOND_NS
MIDNIGHT = 20_000 * DAY
NOON = MIDNIGHT + DAY // 2


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "credits.json"


def test_what_is_spent_stays_spent_after_a_restart(path: Path) -> None:
    CreditFile(path, 10, ManualClock(NOON)).spend(3)
    again = CreditFile(path, 10, ManualClock(NOON))
    assert again.left() == 7
    again.spend(7)
    with pytest.raises(CreditsSpent, match=r"the 10 credits of the day are spent: more in 12\.0 h") as caught:
        again.spend(1)
    assert caught.value.retry_after_s == DAY_S / 2
    assert again.left() == 0


def test_two_at_once_share_them(path: Path) -> None:
    one, other = CreditFile(path, 10, ManualClock(NOON)), CreditFile(path, 10, ManualClock(NOON))
    for _ in range(5):
        one.spend(1)
        other.spend(1)
    assert one.left() == other.left() == 0


def test_they_begin_anew_at_midnight_utc(path: Path) -> None:
    clock = ManualClock(MIDNIGHT + DAY - 1)
    credits = CreditFile(path, 10, clock)
    credits.spend(10)
    clock.set(MIDNIGHT + DAY)
    assert credits.left() == 10


def test_a_clock_set_back_gives_none_and_one_that_was_years_ahead_takes_none(path: Path) -> None:
    clock = ManualClock(MIDNIGHT + 1)
    credits = CreditFile(path, 10, clock)
    credits.spend(4)
    clock.set(MIDNIGHT - 1)
    assert credits.left() == 6
    clock.set(MIDNIGHT + 3_650 * DAY)
    credits.spend(10)
    clock.set(MIDNIGHT + 1)
    assert credits.left() == 10


def test_the_venue_knows_of_more_spending_but_gives_nothing_back(path: Path) -> None:
    credits = CreditFile(path, 10, ManualClock(NOON))
    credits.spend(2)
    credits.told(9)
    assert credits.left() == 8
    credits.told(3)
    assert credits.left() == 3
    credits.told(-5)
    assert credits.left() == 0


def test_a_file_that_says_nothing_is_refused(path: Path) -> None:
    path.write_text("{")
    with pytest.raises(ConfigError, match="delete it to begin a new count"):
        CreditFile(path, 10, ManualClock(NOON))


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="make it writable"):
        CreditFile(tmp_path / "missing" / "credits.json", 10, ManualClock(NOON))


@pytest.mark.parametrize("room", [0, 20])
def test_on_a_full_disk_nothing_is_spent_and_it_goes_on_when_there_is_room(room: int, path: Path) -> None:
    credits = CreditFile(path, 10, ManualClock(NOON))
    with full_disk(room):
        for _ in range(3):
            with pytest.raises(TransientError, match="credits are counted there before they are used, make room"):
                credits.spend(1)
            assert credits.left() == 10
        with pytest.raises(TransientError):
            credits.told(3)
    credits.spend(4)
    assert CreditFile(path, 10, ManualClock(NOON)).left() == 6
