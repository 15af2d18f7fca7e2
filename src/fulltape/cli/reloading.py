"""Reading the configuration again while fulltape runs: on SIGHUP."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec

from fulltape.cli.output import complain, tell
from fulltape.engine.config import Config, VenueConfig
from fulltape.errors import ConfigError, FulltapeError

_LIVE: Final = frozenset({"instruments", "enabled"})
"""What of a venue is changed while it is followed."""


class Reloader:
    """Takes the changes of a file over as far as a running fulltape can.

    ``renew`` makes it follow what a configuration names. After anything that cannot be used the old one stays in force.
    """

    def __init__(self, file: Path | None, running: Config, renew: Callable[[Config], Awaitable[None]]) -> None:
        self._file = file
        self._written = Config.load(file) if file is not None else running
        self._running = running
        self._renew = renew

    async def reload(self) -> tuple[str, ...]:
        """Follow what the file names now; return the places whose changes need a restart. Raises FulltapeError."""
        if self._file is None:
            raise ConfigError("there is no configuration file to read again: start with --config")
        written = Config.load(self._file)
        wanted, later = merged(self._running, self._written, written)
        await self._renew(wanted)
        self._running = wanted
        # What waits for a restart stays in the comparison, so that it is told each time.
        self._written = msgspec.structs.replace(self._written, venues=written.venues)
        return later


def merged(running: Config, before: Config, after: Config) -> tuple[Config, tuple[str, ...]]:
    """Return ``running`` with the venues of ``after``, and the places of ``after`` that need a restart.

    ``before`` is what the file said: options of the command line are no change.
    """
    sections = [name for name in Config.__struct_fields__ if name != "venues"]
    later = [f"[{name}]" for name in sections if getattr(before, name) != getattr(after, name)]
    venues: dict[str, VenueConfig] = {}
    for name, new in after.venues.items():
        old = _of(running.venues, name)
        fixed = {} if old is None else {key: getattr(old, key) for key in new.__struct_fields__ if key not in _LIVE}
        later += [f"[venues.{name}] {key}" for key, value in fixed.items() if value != getattr(new, key)]
        venues[name] = msgspec.structs.replace(new, **fixed)
    return msgspec.structs.replace(running, venues=venues), tuple(later)


@contextlib.contextmanager
def reloading_on_hangup(reloader: Reloader) -> Iterator[None]:
    """Reload on SIGHUP while the block runs, and say what came of it."""
    loop = asyncio.get_running_loop()
    tasks: set[asyncio.Task[None]] = set()

    def begin() -> None:
        tasks.add(task := asyncio.create_task(_reload(reloader)))
        task.add_done_callback(tasks.discard)

    loop.add_signal_handler(signal.SIGHUP, begin)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGHUP)
        for task in tasks:
            task.cancel()


async def _reload(reloader: Reloader) -> None:
    try:
        later = await reloader.reload()
    except FulltapeError as error:
        complain(f"the configuration was not taken over, the old one stays in force: {error}")
        return
    tell("the configuration was taken over", style="green")
    if later:
        tell(f"needs a restart: {', '.join(later)}", style="yellow")


def _of(venues: Mapping[str, VenueConfig], name: str) -> VenueConfig | None:
    return next((one for other, one in venues.items() if other.upper() == name.upper()), None)
