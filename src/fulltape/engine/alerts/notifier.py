"""Notifier: tells targets of alerts, after they have been committed, without ever being in the way of the capture.

The store is the queue: whatever was committed after a target's mark is still to be told, in one message for all that
waits. The mark moves when a message was taken, so across a crash every alert is told at least once; the message that
was on its way is told again. What becomes older than the target's ``max_age_s`` meanwhile is counted instead.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Protocol

import msgspec
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_exponential

from fulltape.bus.base import Bus, Overflow
from fulltape.clock import SECOND_NS
from fulltape.engine.alerts.config import RuleKind, TargetConfig
from fulltape.engine.alerts.marks import MarkFile
from fulltape.engine.alerts.text import body_of, title_of
from fulltape.errors import ConfigError, TransientError
from fulltape.operators.alerts import covers
from fulltape.records import ALERTS, Alert, AlertState, Instrument, InstrumentTable, Origin
from fulltape.records.status import TargetStatus
from fulltape.stores.base import Reader, Selection

_log = logging.getLogger(__name__)
_BACKLOG: Final = 1_000
"""How many commits may wait to be looked at; if some are dropped, targets look into the store in any case."""
_MOST_WAIT_S: Final = 300.0


class Messenger(Protocol):
    """Sends messages to one address."""

    def send(self, title: str, body: str) -> None:
        """Send a message; takes as long as it takes. Raises TransientError, whose text holds no secret."""
        ...


class Tape(Protocol):
    """What of the running fulltape is needed."""

    bus: Bus

    def reader(self) -> Reader:
        """Return a store reader for the calling thread."""
        ...

    def instruments(self) -> tuple[Instrument, ...]:
        """Return every instrument by code."""
        ...

    def now_ns(self) -> int:
        """Return the time."""
        ...


@dataclass(frozen=True, slots=True)
class Target:
    """Who is told, of what, and how. After a failure it is tried again after ``retry_s``, then twice as long, ..."""

    name: str
    config: TargetConfig
    messenger: Messenger
    retry_s: float = 5.0

    def wants(self, alert: Alert) -> bool:
        """Return whether an alert is for this target. What was not live is for nobody."""
        config = self.config
        return (
            alert.origin is Origin.LIVE
            and (config.cleared or alert.state is AlertState.RAISED)
            and (not config.kinds or RuleKind[alert.kind.name] in config.kinds)
            and (not config.rules or alert.rule in config.rules)
            and covers(config.instruments, alert.instrument)
        )


class Notifier:
    """Tells every target by itself: one that hangs or refuses delays nobody else."""

    def __init__(self, targets: Sequence[Target], marks: MarkFile, tape: Tape, *, simulated: bool) -> None:
        self._bus = tape.bus
        self._shelf = _Shelf(tape)
        self._tellers = [_Teller(target, marks, tape, self._shelf, simulated=simulated) for target in targets]

    def status(self) -> tuple[TargetStatus, ...]:
        """Return what became of the alerts, by target."""
        return tuple(teller.status for teller in self._tellers)

    async def keep(self) -> None:
        """Tell targets until the bus is closed."""
        commits = self._bus.subscribe(capacity=_BACKLOG, overflow=Overflow.DROP_OLDEST)
        dropped = 0
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(teller.keep(), name=f"tells {teller.name}") for teller in self._tellers]
                async for commit in commits:
                    if ALERTS.name in commit.batches or commits.dropped > dropped:
                        dropped = commits.dropped
                        for teller in self._tellers:
                            teller.wake()
                for task in tasks:
                    task.cancel()
        finally:
            commits.close()
            self._shelf.close()


class _Shelf:
    """Reads the store in one thread, which keeps its reader: opening one for each look costs more than the look."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self._thread = ThreadPoolExecutor(1, "notifier")
        self._reader: Reader | None = None

    async def alerts_after(self, told: int | None) -> tuple[list[Alert], int]:
        """Return the alerts of the commits after ``told``, and up to which commit that is."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._read, told)

    def close(self) -> None:
        """Give the reader back; the next look opens another."""
        self._thread.submit(self._close)

    def _close(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _read(self, told: int | None) -> tuple[list[Alert], int]:
        if self._reader is None:
            self._reader = self._tape.reader()
        with self._reader.pinned():
            commit, _ = self._reader.last_commit()
            # A target that is new, or a database that was begun anew: the past is not told.
            if told is None or told > commit:
                return [], commit
            batch = self._reader.read(Selection(ALERTS, after_commit=told))
        rows: list[Alert] = batch.rows(InstrumentTable(self._tape.instruments()))
        return rows, commit


class _Teller:
    """Tells one target."""

    def __init__(self, target: Target, marks: MarkFile, tape: Tape, shelf: _Shelf, *, simulated: bool) -> None:
        self.name = target.name
        self.status = TargetStatus(name=target.name, messages=0, alerts=0, failures=0, too_old=0, waiting=0, detail="")
        self._target = target
        self._marks = marks
        self._tape = tape
        self._shelf = shelf
        self._simulated = simulated
        self._woken = asyncio.Event()
        self._sending: threading.Thread | None = None

    def wake(self) -> None:
        """Say that there may be something to tell."""
        self._woken.set()

    async def keep(self) -> None:
        """Tell what was not told before, then whatever comes, for ever."""
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(TransientError),
            wait=wait_exponential(multiplier=self._target.retry_s, max=_MOST_WAIT_S),
            before_sleep=self._failed,
        )
        while True:
            self._woken.clear()
            await retrying(self._tell)
            await self._woken.wait()

    async def _tell(self) -> None:
        """Send what waits and move the mark. Raises TransientError if the target did not take it."""
        found, commit = await self._shelf.alerts_after(self._marks.get(self.name))
        alerts = [alert for alert in found if self._target.wants(alert)]
        oldest = self._tape.now_ns() - round(self._target.config.max_age_s * SECOND_NS)
        fresh = [alert for alert in alerts if alert.ingest_time >= oldest]
        self._count(waiting=len(fresh))
        if fresh:
            title, body = title_of(fresh, simulated=self._simulated), body_of(fresh, simulated=self._simulated)
            await self._send(title, body)
        detail = await self._mark(commit)
        status = self.status
        self._count(
            messages=status.messages + bool(fresh),
            alerts=status.alerts + len(fresh),
            too_old=status.too_old + len(alerts) - len(fresh),
            waiting=0,
            detail=detail,
        )

    async def _mark(self, commit: int) -> str:
        """Note up to where the target was told; return what is wrong if that would not survive a crash."""
        if commit == self._marks.get(self.name):
            return ""
        try:
            await asyncio.to_thread(self._marks.put, self.name, commit)
        except ConfigError as error:
            _log.error("%s will be told again after a restart: %s", self.name, error)
            return str(error)
        return ""

    async def _send(self, title: str, body: str) -> None:
        """Send in a thread of its own, which the program does not wait for when it ends."""
        if self._sending is not None and self._sending.is_alive():
            raise TransientError("it still has not answered the message before")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()

        def settle(error: TransientError | None) -> None:
            if done.done():
                return
            if error is None:
                done.set_result(None)
            else:
                done.set_exception(error)

        def run() -> None:
            error: TransientError | None = None
            try:
                self._target.messenger.send(title, body)
            except TransientError as failure:
                error = failure
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(settle, error)

        self._sending = threading.Thread(target=run, name=f"message to {self.name}", daemon=True)
        self._sending.start()
        timeout_s = self._target.config.timeout_s
        try:
            async with asyncio.timeout(timeout_s):
                await done
        except TimeoutError:
            raise TransientError(f"no answer within {timeout_s:g} s") from None

    def _failed(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome is not None else None
        self._count(failures=self.status.failures + 1, detail=str(error))
        wait_s = state.next_action.sleep if state.next_action is not None else 0.0
        _log.warning("%s is not told of %d alerts: %s; again in %g s", self.name, self.status.waiting, error, wait_s)

    def _count(self, **changes: int | str) -> None:
        self.status = msgspec.structs.replace(self.status, **changes)
