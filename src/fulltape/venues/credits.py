"""Credits: what a venue lets an account ask in a day, never overspent, also across restarts and processes."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol

import msgspec

from fulltape.clock import SECOND_NS, Clock
from fulltape.errors import ConfigError, CreditsSpent, TransientError

DAY_S: Final = 86_400


class Credits(Protocol):
    """The day's credits of one account, from 00:00 UTC to 00:00 UTC."""

    def left(self) -> int:
        """Return how many are left today."""
        ...

    def spend(self, count: int) -> None:
        """Take ``count`` of them, durably, before they are used. Raises CreditsSpent if there are not so many."""
        ...

    def told(self, left: int) -> None:
        """Take the venue's own word for how many are left: fewer count at once, more are not believed."""
        ...


class _Account(msgspec.Struct):
    day: int = 0
    spent: int = 0


class CreditFile:
    """Credits kept in a small file, for an account belongs to no database and several processes may use it.

    Each change is made under a lock of the file and is on the disk before it counts. Raises ConfigError, also at once,
    when the file cannot be used, and TransientError while the disk does not take a change: then nothing was spent.
    """

    def __init__(self, path: Path, per_day: int, clock: Clock) -> None:
        self._path = path
        self._per_day = per_day
        self._clock = clock
        self.left()

    def left(self) -> int:
        """Return how many are left today."""
        with self._opened() as (account, _):
            return self._per_day - account.spent

    def spend(self, count: int) -> None:
        """Take ``count`` of them; see `Credits.spend`."""
        with self._opened() as (account, file):
            if account.spent + count > self._per_day:
                wait_s = self.day_ends_in_s()
                raise CreditsSpent(
                    f"the {self._per_day} credits of the day are spent: more in {wait_s / 3_600:.1f} h, at 00:00 UTC",
                    retry_after_s=wait_s,
                )
            account.spent += count
            self._write(file, account)

    def told(self, left: int) -> None:
        """Take the venue's word for how many are left; see `Credits.told`."""
        with self._opened() as (account, file):
            spent = self._per_day - max(left, 0)
            if spent > account.spent:
                account.spent = spent
                self._write(file, account)

    def day_ends_in_s(self) -> float:
        """Return how long (s) it is until 00:00 UTC."""
        return DAY_S - self._clock.now_ns() / SECOND_NS % DAY_S

    @contextmanager
    def _opened(self) -> Iterator[tuple[_Account, int]]:
        """Yield today's account and the open file, locked."""
        try:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise ConfigError(f"{self._path}: {error.strerror}: credits are counted there, make it writable") from None
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield self._read(file), file
        finally:
            os.close(file)

    def _read(self, file: int) -> _Account:
        text = os.pread(file, 1_024, 0)
        today = self._clock.now_ns() // (DAY_S * SECOND_NS)
        if not text:
            return _Account(today)
        try:
            account = msgspec.json.decode(text, type=_Account)
        except (msgspec.DecodeError, ValueError):
            raise ConfigError(
                f"{self._path}: does not say how many credits are spent: delete it to begin a new count"
            ) from None
        # A clock that is set back over midnight must not give the credits anew; one that was years ahead is forgotten.
        return account if account.day - today in (0, 1) else _Account(today)

    def _write(self, file: int, account: _Account) -> None:
        """Write in place: the text has one length, so a crash leaves the old one or the new one."""
        text = b'{"day":%10d,"spent":%10d}\n' % (account.day, account.spent)
        try:
            if os.pwrite(file, text, 0) < len(text):
                os.ftruncate(file, 0)  # it was new: part of a count is none
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(file)
        except OSError as error:
            raise TransientError(
                f"{self._path}: {error.strerror}: credits are counted there before they are used, make room"
            ) from None
