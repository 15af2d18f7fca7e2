"""Reading the configuration again: what is taken over, what waits for a restart, what is refused."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from fulltape.cli import reloading
from fulltape.cli.reloading import Reloader, merged, reloading_on_hangup
from fulltape.engine.config import Config
from fulltape.errors import ConfigError

FIRST = '[venues.coinbase]\ninstruments = ["BTC-USD"]\n'


class Running:
    """A fulltape that takes any configuration over."""

    def __init__(self, file: Path | None, config: Config | None = None) -> None:
        self.file = file or Path("none")
        self.taken: list[Config] = []
        self.reloader = Reloader(file, config or (Config.load(file) if file else Config()), self.renew)

    def write(self, text: str) -> None:
        self.file.write_text(text)

    def remove(self) -> None:
        self.file.unlink()

    async def renew(self, config: Config) -> None:
        self.taken.append(config)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "fulltape.toml"
    path.write_text(FIRST)
    return path


async def test_other_instruments_are_taken_over(file: Path) -> None:
    running = Running(file)
    running.write('[venues.coinbase]\ninstruments = ["*-USD"]\n[venues.kraken]\ninstruments = ["BTC/USD"]\n')
    assert await running.reloader.reload() == ()
    (config,) = running.taken
    assert config.venues["coinbase"].instruments == ("*-USD",)
    assert config.venues["kraken"].instruments == ("BTC/USD",)


async def test_what_needs_a_restart_is_told_until_it_comes(file: Path) -> None:
    running = Running(file)
    running.write(FIRST + 'channels = ["trades"]\nenabled = false\n[server]\nport = 9\n[candles]\nintervals = ["1m"]\n')
    for _ in range(2):
        assert await running.reloader.reload() == ("[server]", "[candles]", "[venues.coinbase] channels")
    config = running.taken[-1]
    assert (config.server.port, config.venues["coinbase"].channels) == (8000, ())
    assert not config.venues["coinbase"].enabled


async def test_options_of_the_command_line_are_no_change(file: Path) -> None:
    running = Running(file, Config.parse(FIRST + "[server]\nport = 1234"))
    assert await running.reloader.reload() == ()
    assert running.taken[0].server.port == 1234


async def test_a_bad_file_changes_nothing(file: Path) -> None:
    running = Running(file)
    for text in ("[venues.coinbase]\ninstrument = []", "[venues.coinbas]", "x"):
        running.write(text)
        with pytest.raises(ConfigError, match=str(file)):
            await running.reloader.reload()
    running.remove()
    with pytest.raises(ConfigError, match=str(file)):
        await running.reloader.reload()
    assert running.taken == []


async def test_without_a_file_there_is_nothing_to_read() -> None:
    with pytest.raises(ConfigError, match="--config"):
        await Running(None).reloader.reload()


def test_a_venue_is_the_same_in_any_case() -> None:
    before = Config.parse(FIRST + 'url = "wss://a"')
    after = Config.parse('[venues.COINBASE]\nurl = "wss://b"')
    wanted, later = merged(before, before, after)
    assert (wanted.venues["COINBASE"].url, later) == ("wss://a", ("[venues.COINBASE] url",))


async def test_a_hangup_reloads_and_says_what_came_of_it(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: asyncio.Queue[str] = asyncio.Queue()
    monkeypatch.setattr(reloading, "tell", lambda text, style="": said.put_nowait(text))
    monkeypatch.setattr(reloading, "complain", said.put_nowait)
    running = Running(file)
    with reloading_on_hangup(running.reloader):
        os.kill(os.getpid(), signal.SIGHUP)
        assert await asyncio.wait_for(said.get(), 120) == "the configuration was taken over"
        running.write(FIRST + "[server]\nport = 9")
        os.kill(os.getpid(), signal.SIGHUP)
        await said.get()
        assert await asyncio.wait_for(said.get(), 120) == "needs a restart: [server]"
        running.write("[")
        os.kill(os.getpid(), signal.SIGHUP)
        assert "the old one stays in force" in await asyncio.wait_for(said.get(), 120)
