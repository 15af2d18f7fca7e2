"""Alerts of a simulated market through the real program, killed while messages are on their way."""

from __future__ import annotations

import asyncio
import re
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import duckdb
import msgspec
import pytest
from tests.e2e.programs import simulated_venue, start, started
from tests.engine.alerts.hook import HANG, hooked

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

ROUNDS = 3
CONFIG = """
[server]
port = 0
[store]
path = "alerts.duckdb"
simulated = true
[history]
warm_bars = 0
refill_hours = 0
[venues.coinbase]
url = "{ws}"
rest_url = "{rest}"
instruments = ["BTC-USD", "ETH-USD"]
[alerts.rules.tick]
figure = "change_1t"
kind = "move"
beyond = 0.0001
cooldown_s = 0
[notify.hook]
url_variable = "T_HOOK_URL"
"""
LINE = re.compile(r"^(\S+) (\S+) #(\d+)( has ended)?:")
Told = tuple[str, str, int, str]


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[Path]:
    """A simulated venue, and a configuration that follows it and tells a web hook."""
    with simulated_venue(tmp_path, "--seed", "11", "--trades-per-s", "200") as venue:
        config = tmp_path / "alerts.toml"
        config.write_text(CONFIG.format(ws=venue.ws, rest=venue.rest))
        yield config


def told_by(body: str) -> list[Told]:
    """Return the alerts that a message tells of."""
    found = [LINE.match(line) for line in body.splitlines()]
    return [(m[1], m[2], int(m[3]), "CLEARED" if m[4] else "RAISED") for m in found if m is not None]


def stored(folder: Path) -> set[Told]:
    """Return the alerts in the database up to the commit that the hook has been told of, by the program's own mark."""
    mark = msgspec.json.decode((folder / "alerts.told.json").read_bytes())["hook"]
    with duckdb.connect(str(folder / "alerts.duckdb"), read_only=True) as connection:
        rows = connection.execute(
            "SELECT i.id, rule, number, state FROM _tape.alerts AS t "
            'JOIN _tape.instruments AS i ON i.code = instrument WHERE t."commit" <= ?', [mark]
        ).fetchall()  # fmt: skip
    return {(instrument, rule, number, {1: "RAISED", 2: "CLEARED"}[state]) for instrument, rule, number, state in rows}


async def test_every_alert_is_told_across_kill_9(tmp_path: Path, venue: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "alerts.told.json").write_text('{"hook":0}')  # from the first commit on
    async with hooked() as hook:
        monkeypatch.setenv("T_HOOK_URL", hook.url)
        for number in range(ROUNDS + 1):
            is_last = number == ROUNDS
            # In all rounds but the last the third message is taken, and fulltape dies before it learns of that.
            hook.statuses = [200, 500] if is_last else [200, 500, HANG]
            asked, taken = len(hook.asked), len(hook.taken)
            process, log = start(tmp_path, f"up-{number}", "up", "--config", str(venue))
            try:
                await asyncio.to_thread(started, log, r"http://127\.0\.0\.1:(\d+)", process)
                if is_last:
                    await hook.until(lambda have=taken: len(hook.taken) > have + 3)  # type: ignore[misc]
                    process.send_signal(signal.SIGINT)
                    await asyncio.to_thread(process.wait, 240)
                else:
                    await hook.until(lambda have=asked: len(hook.asked) == have + 3)  # type: ignore[misc]
            finally:
                process.kill()
                process.wait()
            assert "t0ken" not in log.read_text()
            assert "s3cret" not in log.read_text()
    assert all(message.title.startswith("SIMULATED") for message in hook.asked)
    told = Counter(alert for message in hook.taken for alert in told_by(message.body))
    # The messages that hung count as not taken: that each of their alerts was told again is what is proven.
    expected = stored(tmp_path)
    assert len(expected) > 4 * ROUNDS
    assert expected <= told.keys()
