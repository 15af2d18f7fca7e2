"""The contract of a log: what is committed goes out of the process as messages in topics, each once.

A log holds the commits of one database up to a number. That number is written together with the messages, so that
whoever goes on after a crash neither doubles nor misses one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class Entry(NamedTuple):
    """A record on its way into the topic of its kind."""

    kind: str
    key: bytes
    value: bytes
    commit: int


class Log(Protocol):
    """Topics that one database writes to. Calls block and follow each other; any thread may make them."""

    def open(self, database: str, *, simulated: bool) -> int | None:
        """Shut out whoever wrote before; return the commit up to which the topics hold the database of this id.

        None if they hold nothing yet. ``simulated`` is noted with every message. Raises ConfigError if they are
        another database's or may not be written, TransientError if nobody answers.
        """
        ...

    def append(self, entries: Sequence[Entry], commit: int) -> int:
        """Write all of the entries or none, and with them that everything up to ``commit`` is there.

        Returns how many were left out because they are longer than a message may be. Raises TransientError when it is
        not known whether they were written: open the log again, which tells.
        """
        ...

    def close(self) -> None:
        """Let go; what was not written completely is not there."""
        ...
