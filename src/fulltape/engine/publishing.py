"""Publishing commits to a log outside: each once, in order, and never at the expense of the capture.

The publisher holds no commits of its own. It takes them from the bus as long as that remembers them, and from the store
after that: when the log was away, or fulltape. Where it stands is told by the log itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeVar

from fulltape.bus.base import Bus, Overflow
from fulltape.bus.entries import Shape, Shaper
from fulltape.bus.log import Entry, Log
from fulltape.errors import ConfigError, FulltapeError
from fulltape.records import STORED, Commit, Instrument, InstrumentTable
from fulltape.records.status import LogState, LogStatus
from fulltape.stores.base import Reader, StoreIdentity

_log = logging.getLogger(__name__)

GROUP_RECORDS: Final = 20_000
"""From how many records on a transaction is full."""

_MOST_COMMITS: Final = 4_096
_REFUSED_RESTS: Final = 6  # as many times longer is the rest where somebody must change something first

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LogPart:
    """What to publish, and where; ``backlog`` says whether what is older than the topics belongs there, too."""

    log: Log
    servers: tuple[str, ...]
    shapes: dict[str, Shape]
    backlog: bool = True
    close_s: float = 5.0
    """How long the last commits may take when fulltape stops."""


class Publisher:
    """Follows the bus into a log. `run` lives until the bus is closed; everything is called on the event loop."""

    def __init__(
        self,
        part: LogPart,
        bus: Bus,
        reader: Callable[[], Reader],
        instruments: Callable[[], tuple[Instrument, ...]],
        identity: StoreIdentity,
        retry_s: float,
    ) -> None:
        self._part = part
        self._bus = bus
        self._reader = reader
        self._identity = identity
        self._retry_s = retry_s
        self._catalogue = _Catalogue(instruments)
        self._shaper = Shaper(part.shapes)
        self._schemas = [schema for schema in STORED if schema.name in part.shapes]
        self._thread = ThreadPoolExecutor(1, "publisher")
        self._done = asyncio.Event()
        self._step = 16
        self._state = LogState.OPENING
        self._detail = ""
        self._published: int | None = None
        self._records = Counter[str]()
        self._transactions = self._failures = self._too_long = 0

    def status(self, newest: int) -> LogStatus:
        """Return how far the log is behind commit ``newest``."""
        return LogStatus(
            servers=self._part.servers,
            state=self._state,
            commit=self._published,
            lag_commits=None if self._published is None else max(0, newest - self._published),
            records=dict(self._records),
            transactions=self._transactions,
            failures=self._failures,
            too_long=self._too_long,
            detail=self._detail,
        )

    async def run(self) -> None:
        """Publish until the bus is closed; while the log is away, try again after a rest."""
        self._thread = ThreadPoolExecutor(1, "publisher")
        try:
            while not await self._followed():
                rests = _REFUSED_RESTS if self._state is LogState.REFUSED else 1
                await asyncio.sleep(self._retry_s * rests)
            self._done.set()
        finally:
            self._thread.submit(self._part.log.close)
            self._thread.shutdown(wait=False)

    async def drained(self) -> None:
        """Return when all is published after the bus was closed; not if the log is away: the next start does it."""
        if self._state in (LogState.LIVE, LogState.CATCHING_UP):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._done.wait(), self._part.close_s)

    async def _followed(self) -> bool:
        """Follow the bus; True when it is closed and everything is published, False after a failure."""
        try:
            async with self._reading() as reader:
                await self._follow(reader)
        except FulltapeError as error:
            self._failures += 1
            if str(error) != self._detail:
                _log.warning("publishing: %s", error)
            self._state = LogState.REFUSED if isinstance(error, ConfigError) else LogState.WAITING
            self._detail = str(error)
            return False
        return True

    async def _follow(self, reader: Reader) -> None:
        # What waits here only says that there is news: the bus remembers the commits themselves.
        news = self._bus.subscribe(capacity=1, overflow=Overflow.DROP_OLDEST)
        try:
            self._published = await self._in_thread(lambda: self._open(reader))
            self._detail = ""
            await self._advance(reader)
            async for _ in news:
                await self._advance(reader)
        finally:
            news.close()

    def _open(self, reader: Reader) -> int:
        """Return the commit after which to go on. Raises ConfigError if the log is ahead of the store."""
        log, identity = self._part.log, self._identity
        published = log.open(identity.id, simulated=identity.simulated)
        newest, _ = reader.last_commit()
        if published is None:
            if self._part.backlog:
                return 0
            log.append((), newest)  # remembered, or what is made before the first record would be lost by a crash
            return newest
        if published > newest:
            raise ConfigError(
                f"the topics hold commit {published} of this database, which itself ends at {newest}: it is an older "
                "copy; choose another [kafka] prefix, or delete the topics"
            )
        return published

    async def _advance(self, reader: Reader) -> None:
        """Publish what there is by now."""
        while True:
            assert self._published is not None
            commits = self._bus.since(self._published)
            if commits is None:
                self._state = LogState.CATCHING_UP
                if not await self._catch_up(reader, self._published):
                    break
            elif commits:
                for group in _groups(commits):
                    entries = await self._in_thread(partial(self._entries, group))
                    await self._append(entries, group[-1].number)
            else:
                break
        self._state = LogState.LIVE

    async def _catch_up(self, reader: Reader, published: int) -> bool:
        """Publish the next commits from the store; False if it has none."""
        entries, until = await self._in_thread(lambda: self._stored(reader, published))
        if until == published:
            return False
        await self._append(entries, until)
        if len(entries) > GROUP_RECORDS:
            self._step = max(1, self._step // 2)
        elif len(entries) < GROUP_RECORDS // 2:
            self._step = min(_MOST_COMMITS, self._step * 2)
        return True

    async def _append(self, entries: list[Entry], commit: int) -> None:
        if entries:  # commits without records need no transaction: they are passed over again after a restart
            self._too_long += await self._in_thread(lambda: self._part.log.append(entries, commit))
            self._transactions += 1
            self._records.update(entry.kind for entry in entries)
        self._published = commit

    def _entries(self, commits: Sequence[Commit]) -> list[Entry]:
        table = self._catalogue.table()
        return [entry for commit in commits for entry in self._shaper.of_commit(commit, table)]

    def _stored(self, reader: Reader, after: int) -> tuple[list[Entry], int]:
        """Return what the next commits in the store wrote, and the number of the last of them."""
        with reader.pinned():
            until = min(after + self._step, reader.last_commit()[0])
            found = [reader.written(schema, after, until) for schema in self._schemas] if until > after else []
        table = self._catalogue.table()
        made = [entry for batch, numbers in found for entry in self._shaper.of_batch(batch, numbers, table)]
        return sorted(made, key=lambda entry: entry.commit), until

    @contextlib.asynccontextmanager
    async def _reading(self) -> AsyncIterator[Reader]:
        reader = await self._in_thread(self._reader)
        try:
            yield reader
        finally:
            self._thread.submit(reader.close)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


class _Catalogue:
    """The instruments as a table, built again only when they have changed."""

    def __init__(self, instruments: Callable[[], tuple[Instrument, ...]]) -> None:
        self._instruments = instruments
        self._built: tuple[tuple[Instrument, ...], InstrumentTable] = ((), InstrumentTable())

    def table(self) -> InstrumentTable:
        """Return the instruments known now."""
        instruments = self._instruments()
        if self._built[0] != instruments:
            self._built = (instruments, InstrumentTable(instruments))
        return self._built[1]


def _groups(commits: Sequence[Commit]) -> Iterator[list[Commit]]:
    """Yield commits in groups, each one transaction."""
    group: list[Commit] = []
    records = 0
    for commit in commits:
        group.append(commit)
        records += sum(len(batch) for batch in commit.batches.values())
        if records >= GROUP_RECORDS:
            yield group
            group, records = [], 0
    if group:
        yield group
