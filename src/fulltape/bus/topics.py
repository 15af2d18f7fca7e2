"""The contract for looking at topics: what they hold, and who reads them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Protocol

import msgspec


class Partition(msgspec.Struct, frozen=True):
    """A part of a topic. Its messages have offsets ``start`` <= n < ``end``; ends of transactions take offsets, too."""

    partition: int
    leader: int
    replicas: int
    in_sync: int
    start: int
    end: int


class Topic(msgspec.Struct, frozen=True):
    """A topic; ``kind`` is what fulltape writes there, empty for topics of others."""

    topic: str
    kind: str
    partitions: tuple[Partition, ...]


class Reading(msgspec.Struct, frozen=True):
    """How far a consumer group has read a partition; ``lag`` is how many offsets it is behind."""

    topic: str
    partition: int
    offset: int
    lag: int


class Group(msgspec.Struct, frozen=True):
    """A consumer group, as far as it reads the topics that were asked for."""

    group: str
    state: str
    members: int
    readings: tuple[Reading, ...]


class Overview(msgspec.Struct, frozen=True):
    """Topics by name and the groups that read them."""

    topics: tuple[Topic, ...]
    groups: tuple[Group, ...]


class Message(msgspec.Struct, frozen=True):
    """A message. ``value`` is its JSON, or its text if it is none; ``time`` is when it was sent (ns)."""

    topic: str
    partition: int
    offset: int
    time: int
    key: str
    value: Any
    headers: dict[str, str]


class Topics(Protocol):
    """Looks at the topics of a configuration. Calls block for a few seconds at most; any thread may make them.

    Raises TransientError if no broker answers in time, ConfigError if they refuse.
    """

    @property
    def servers(self) -> tuple[str, ...]:
        """Where the brokers are."""
        ...

    @property
    def names(self) -> Collection[str]:
        """The topics that fulltape writes to."""
        ...

    def overview(self) -> Overview:
        """Return fulltape's topics that exist, and who reads them."""
        ...

    def newest(self, topic: str, limit: int) -> list[Message]:
        """Return the newest messages of a topic, newest first; none if it does not exist."""
        ...
