"""Who is told of alerts, when, and what survives: a real store, bus and HTTP server, the real Apprise."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.conformance.samples import BTC, ETH, MINUTE, NOON, alert, commit, trade
from tests.engine.alerts.hook import HANG, Hook, hooked

from fulltape.bus.base import Bus
from fulltape.bus.memory import MemoryBus
from fulltape.clock import SECOND_NS, ManualClock
from fulltape.engine.alerts.config import RuleKind, TargetConfig
from fulltape.engine.alerts.marks import MarkFile
from fulltape.engine.alerts.messenger import AppriseMessenger
from fulltape.engine.alerts.notifier import Notifier, Target
from fulltape.engine.alerts.text import line_of
from fulltape.errors import ConfigError
from fulltape.records import Alert, AlertKind, AlertState, Instrument, Origin
from fulltape.records.status import TargetStatus
from fulltape.stores.base import Reader
from fulltape.stores.duckdb import DuckDbStore

pytestmark = pytest.mark.integration


class Desk:
    """A store, a bus and a clock; commits go into both as the engine's do."""

    def __init__(self, store: DuckDbStore, folder: Path) -> None:
        self.bus: Bus = MemoryBus()
        self.clock = ManualClock(NOON + 10 * SECOND_NS)
        self.store = store
        self.path = folder / "told.json"
        self.number = 0

    def reader(self) -> Reader:
        return self.store.reader()

    def instruments(self) -> tuple[Instrument, ...]:
        return BTC, ETH

    def now_ns(self) -> int:
        return self.clock.now_ns()

    async def commit(self, *rows: Alert) -> None:
        self.number += 1
        made = commit(self.number, *(rows or [trade(self.number)]))
        self.store.commit(made)
        await self.bus.publish(made)

    def restarted(self) -> Desk:
        """Return what a new process has: the store and the file, nothing else."""
        other = Desk(self.store, self.path.parent)
        other.number = self.number
        return other


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with DuckDbStore.open(tmp_path / "x.duckdb", simulated=False) as store:
        yield Desk(store, tmp_path)


@asynccontextmanager
async def notifying(desk: Desk, *hooks: Hook, simulated: bool = False, **config: Any) -> AsyncIterator[Notifier]:
    """Run a notifier with a target a hook, as far as that every target knows where to begin."""
    wanted = TargetConfig(url_variable="X", **config)
    targets = [Target(f"hook{i}", wanted, AppriseMessenger(hook.url), retry_s=0.01) for i, hook in enumerate(hooks)]
    notifier = Notifier(targets, MarkFile(desk.path), desk, simulated=simulated)
    task = asyncio.create_task(notifier.keep())
    await until(lambda: all(MarkFile(desk.path).get(target.name) is not None for target in targets))
    try:
        yield notifier
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(is_so: Callable[[], bool]) -> None:
    """Wait for a state that tells nobody when it changes."""
    async with asyncio.timeout(120):
        while not is_so():  # noqa: ASYNC110 - a state, not an event
            await asyncio.sleep(0.005)


async def told(notifier: Notifier, messages: int) -> TargetStatus:
    """Wait until so many messages were taken and that is on the disk; return the first target's status."""
    await until(lambda: notifier.status()[0].messages == messages)
    return notifier.status()[0]


async def test_an_alert_is_told_in_words_once(desk: Desk) -> None:
    await desk.commit()
    async with hooked() as hook, notifying(desk, hook) as notifier:
        await desk.commit(alert(NOON))
        await desk.commit()
        await told(notifier, 1)
        await desk.commit(alert(NOON + 1, state=AlertState.CLEARED, value=1.25))
        status = await told(notifier, 2)
    raised, cleared = hook.taken
    assert raised.title == "MOVE fast_move raised: BTC-USD.COINBASE"
    assert raised.body == (
        "BTC-USD.COINBASE fast_move #1: change_5m 3.5 % (threshold 3); price 64000; 2021-04-17T12:00:00Z"
    )
    assert cleared.title == "MOVE fast_move cleared: BTC-USD.COINBASE"
    assert "has ended: change_5m 1.25 %" in cleared.body
    assert (status.messages, status.alerts, status.failures, status.waiting, status.detail) == (2, 2, 0, 0, "")


def test_a_share_is_told_in_percent() -> None:
    wild = msgspec.structs.replace(alert(NOON), figure="realised_volatility", value=5.4853, threshold=5.0)
    assert "realised_volatility 548.53 % (threshold 500)" in line_of(wild)


async def test_many_alerts_are_one_message(desk: Desk) -> None:
    await desk.commit()
    async with hooked() as hook, notifying(desk, hook) as notifier:
        await desk.commit(*(alert(NOON + i, number=i) for i in range(50)))
        await told(notifier, 1)
    (message,) = hook.taken
    assert message.title == "50 alerts: fast_move"
    assert len(message.lines) == 21
    assert message.lines[-1].startswith("and 30 more")


async def test_made_up_prices_are_never_told_as_if_they_were_real(desk: Desk) -> None:
    await desk.commit()
    async with hooked() as hook, notifying(desk, hook, simulated=True):
        await desk.commit(alert(NOON))
        await hook.until(lambda: len(hook.taken) == 1)
    assert hook.taken[0].title.startswith("SIMULATED MOVE")
    assert hook.taken[0].lines[0].startswith("SIMULATED prices")


async def test_after_a_failure_it_is_tried_until_it_is_taken(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    await desk.commit()
    async with hooked(500, 503, 200) as hook, notifying(desk, hook) as notifier:
        await desk.commit(alert(NOON))
        status = await told(notifier, 1)
    assert len(hook.asked) == 3
    assert (status.messages, status.alerts, status.failures, status.detail) == (1, 1, 2, "")
    assert "hook0 is not told of 1 alerts: the answer was status 500" in caplog.text
    assert "t0ken" not in caplog.text
    assert "s3cret" not in caplog.text


async def test_a_target_that_hangs_keeps_nobody_else_waiting(desk: Desk) -> None:
    await desk.commit()
    async with hooked(HANG) as stuck, hooked() as other, notifying(desk, stuck, other, timeout_s=0.05) as notifier:
        await desk.commit(alert(NOON))
        await stuck.until(lambda: len(stuck.asked) == 1)
        await other.until(lambda: len(other.taken) == 1)
        for _ in range(1_500):  # more than may wait for the notifier: the engine never does
            await desk.bus.publish(commit(desk.number + 1))
            desk.number += 1
        await until(lambda: notifier.status()[0].failures > 0)
        assert len(stuck.asked) == 1
        stuck.release()
        await stuck.until(lambda: len(stuck.taken) >= 2)
    # The message that hung was taken after all, and nobody could know: it is told twice.
    assert stuck.taken[0] == stuck.taken[1]


async def test_nothing_is_lost_while_nobody_is_there_or_fulltape_is_down(desk: Desk) -> None:
    await desk.commit()
    async with hooked() as hook, notifying(desk, hook):
        pass
    async with notifying(desk, hook) as notifier:
        await desk.commit(alert(NOON, number=1))
        await until(lambda: notifier.status()[0].failures > 0)
        assert notifier.status()[0].waiting == 1
    await desk.commit(alert(NOON + 1, number=2))
    async with hooked(port=hook.port) as again, notifying(desk.restarted(), again):
        await again.until(lambda: len(again.taken) == 1)
    assert again.taken[0].title == "2 alerts: fast_move"


async def test_a_crash_after_sending_tells_it_again_and_nothing_else(desk: Desk) -> None:
    await desk.commit()
    async with hooked() as hook, notifying(desk, hook) as notifier:
        await desk.commit(alert(NOON, number=1))
        await told(notifier, 1)
        before = desk.path.read_bytes()
        await desk.commit(alert(NOON, number=2))
        await told(notifier, 2)
    desk.path.write_bytes(before)  # as if the machine had stopped before the mark was on the disk
    async with hooked() as hook, notifying(desk.restarted(), hook) as notifier:
        await told(notifier, 1)
    assert len(hook.taken) == 1
    assert "alerts" not in hook.taken[0].title


async def test_what_has_become_too_old_is_counted_and_not_sent(desk: Desk) -> None:
    await desk.commit()
    async with hooked() as hook, notifying(desk, hook, max_age_s=60.0) as notifier:
        desk.clock.set(NOON + 2 * MINUTE)
        await desk.commit(alert(NOON, number=1))
        await until(lambda: notifier.status()[0].too_old == 1)
        await desk.commit(alert(NOON, number=2), alert(NOON + MINUTE, number=3))
        status = await told(notifier, 1)
    assert (status.messages, status.alerts, status.too_old) == (1, 1, 2)


async def test_a_new_target_is_told_only_of_what_comes_from_now_on(desk: Desk) -> None:
    await desk.commit(alert(NOON, number=1))
    async with hooked() as hook, notifying(desk, hook):
        await desk.commit(alert(NOON + 1, number=2))
        await hook.until(lambda: len(hook.taken) == 1)
    assert "alerts" not in hook.taken[0].title


async def test_a_database_that_was_begun_anew_begins_anew_for_targets_too(desk: Desk) -> None:
    MarkFile(desk.path).put("hook0", 1_000)
    await desk.commit(alert(NOON, number=1))
    async with hooked() as hook, notifying(desk, hook):
        await until(lambda: MarkFile(desk.path).get("hook0") == 1)
        await desk.commit(alert(NOON + 1, number=2))
        await hook.until(lambda: len(hook.taken) == 1)
    assert "alerts" not in hook.taken[0].title


@pytest.mark.parametrize(
    ("config", "wanted"),
    [
        ({}, {"fast_move", "wild", "ended", "eth"}),
        ({"kinds": (RuleKind.RISK,)}, {"wild"}),
        ({"rules": ("fast_move", "wild")}, {"fast_move", "wild"}),
        ({"instruments": ("ETH-*",)}, {"eth"}),
        ({"cleared": False}, {"fast_move", "wild", "eth"}),
    ],
)
async def test_a_target_is_told_of_what_it_wants(desk: Desk, config: dict[str, Any], wanted: set[str]) -> None:
    await desk.commit()
    async with hooked() as hook, notifying(desk, hook, **config):
        await desk.commit(
            alert(NOON),
            alert(NOON, rule="wild", kind=AlertKind.RISK),
            alert(NOON, rule="ended", state=AlertState.CLEARED),
            alert(NOON, rule="eth", instrument=ETH.id),
            alert(NOON, rule="replayed", origin=Origin.REPLAY),
            alert(NOON, rule="history", origin=Origin.REFILL),
        )
        await hook.until(lambda: len(hook.taken) == 1)
    assert {line.split()[1] for line in hook.taken[0].lines} == wanted


async def test_without_a_place_for_marks_targets_are_told_once_all_the_same(desk: Desk) -> None:
    await desk.commit()
    async with hooked() as hook, notifying(desk, hook) as notifier:
        desk.path.unlink()
        desk.path.mkdir()
        await desk.commit(alert(NOON, number=1))
        await hook.until(lambda: len(hook.taken) == 1)
        await desk.commit(alert(NOON, number=2))
        await hook.until(lambda: len(hook.taken) == 2)
        await until(lambda: "cannot be written" in notifier.status()[0].detail)
    assert len(hook.taken) == 2


def test_marks_survive_and_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "told.json"
    MarkFile(path).put("phone", 7)
    MarkFile(path).put("mail", 8)
    assert msgspec.json.decode(path.read_bytes()) == {"phone": 7, "mail": 8}
    path.write_text("[]")
    with pytest.raises(ConfigError, match="delete it"):
        MarkFile(path)
