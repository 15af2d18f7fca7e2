"""Talking to Kafka: clients, what their errors mean, and reading the end of a topic."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from fulltape.errors import ConfigError, FulltapeError, TransientError

TIMEOUT_S: Final = 5.0
"""How long a question to the brokers may take."""

_QUIET: Final = {"log_level": 2, "socket.timeout.ms": 10_000, "client.id": "fulltape"}
_AWAY: Final = frozenset({KafkaError._TRANSPORT, KafkaError._TIMED_OUT, KafkaError._ALL_BROKERS_DOWN})
_REFUSALS: Final = frozenset(
    {
        KafkaError._AUTHENTICATION,
        KafkaError._SSL,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        KafkaError.INVALID_REPLICATION_FACTOR,
        KafkaError.INVALID_CONFIG,
        KafkaError.POLICY_VIOLATION,
    }
)
_FIRST_LOOK: Final = 16

log = logging.getLogger(__name__)


class Troubles:
    """What a client last complained of by itself: its calls only say that time ran out."""

    def __init__(self, client: Mapping[str, str]) -> None:
        self._servers = client["bootstrap.servers"]
        self._last: KafkaError | None = None

    def hear(self, error: KafkaError) -> None:
        """Take a complaint."""
        self._last = error

    def check(self) -> None:
        """Raise what was complained of, if waiting longer is of no use or nobody answers at all."""
        if self._last is not None and self._last.code() in {*_REFUSALS, *_AWAY}:
            raise self.explain(self._last)

    def explain(self, error: KafkaError) -> FulltapeError:
        """Return the error to raise for a call that failed."""
        last, self._last = self._last, None
        refused = next((one for one in (error, last) if one is not None and one.code() in _REFUSALS), None)
        if refused is not None:
            return ConfigError(f"Kafka at {self._servers} refuses: {refused.str()}")
        why = f"{error.str()} ({last.str()})" if last is not None and last.code() != error.code() else error.str()
        return TransientError(
            f"no broker answers at {self._servers}: {why}" if error.code() in _AWAY else f"Kafka: {why}"
        )


def settings_of(client: Mapping[str, str], troubles: Troubles, **more: Any) -> dict[str, Any]:
    """Return the settings of a client that complains to ``troubles`` and writes nothing on the screen."""
    return {**_QUIET, **client, "logger": log, "error_cb": troubles.hear, **more}


@contextlib.contextmanager
def explained(troubles: Troubles, poll: Callable[[float], object] = lambda _: None) -> Iterator[None]:
    """Raise what Kafka says as an error of ours, which tells what to do.

    ``poll`` is that of the client: it delivers what the client complained of.
    """
    try:
        yield
    except KafkaException as error:
        poll(0)
        raise troubles.explain(error.args[0]) from error


@contextlib.contextmanager
def consumer(client: Mapping[str, str], troubles: Troubles) -> Iterator[Consumer]:
    """Yield a consumer that reads what transactions have committed, and belongs to no group."""
    made = Consumer(
        settings_of(
            client,
            troubles,
            **{
                "group.id": "fulltape",  # must be named; nothing is ever committed for it
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": 20,  # how long the end of a topic takes to be told
            },
        )
    )
    try:
        with explained(troubles, made.poll):
            yield made
    finally:
        made.close()


def newest(reading: Consumer, topic: str, partition: int, count: int) -> list[Message]:
    """Return up to ``count`` of the newest messages of a partition, oldest first.

    Offsets are not messages: ends of transactions, and what was given up or compacted away, take some. So it looks
    further and further back until there are enough. Raises KafkaException.
    """
    deadline = time.monotonic() + TIMEOUT_S
    place = TopicPartition(topic, partition)
    first, end = reading.get_watermark_offsets(place, timeout=TIMEOUT_S)
    back = max(_FIRST_LOOK, 2 * count)
    while True:
        start = max(first, end - back)
        found = _read(reading, TopicPartition(topic, partition, start), end, deadline) if start < end else []
        if len(found) >= count or start == first:
            return found[-count:]
        back *= 8


def _read(reading: Consumer, place: TopicPartition, end: int, deadline: float) -> list[Message]:
    """Return the committed messages from a place to before ``end``."""
    reading.assign([place])
    found: list[Message] = []
    try:
        while (left := deadline - time.monotonic()) > 0:
            message = reading.poll(left)
            if message is None:
                break
            error = message.error()
            if error is None:
                offset = message.offset()
                if offset is not None and offset < end:
                    found.append(message)
                if offset is not None and offset >= end - 1:
                    return found
            elif error.code() == KafkaError._PARTITION_EOF:
                return found
            else:
                raise KafkaException(error)
    finally:
        reading.unassign()
    raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
