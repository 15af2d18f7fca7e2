"""The log in Kafka: a transaction for each group of commits, which writes the messages and how far they reach.

The number of the newest commit stands in a topic of its own. A transaction that was cut off is given up by the broker
as soon as the next writer begins: nobody who reads what is committed sees its messages, and they are written again.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from confluent_kafka import KafkaError, KafkaException, Producer

from fulltape.bus.kafka_client import Troubles, consumer, explained, newest, settings_of
from fulltape.bus.kafka_config import KafkaConfig
from fulltape.bus.kafka_topics import KafkaTopics
from fulltape.bus.log import Entry
from fulltape.errors import ConfigError, TransientError

_BEGIN_S: Final = 10.0
_COMMIT_S: Final = 10.0
_FULL_S: Final = 30.0
_GIVE_UP_S: Final = 1.0
_PRODUCER: Final = {
    "compression.type": "lz4",
    "linger.ms": 5,
    "partitioner": "murmur2_random",  # as Java's clients do, so that they find a key where they expect it
    "queue.buffering.max.kbytes": 65_536,
    "transaction.timeout.ms": 60_000,
}
_KEY: Final = b"progress"

_log = logging.getLogger(__name__)


class Progress(msgspec.Struct, frozen=True):
    """How far the topics are: everything up to ``commit`` of the database with this id."""

    database: str
    simulated: bool
    commit: int


class KafkaLog:
    """A log in Kafka, for one writer at a time: a second one shuts out the first."""

    def __init__(self, config: KafkaConfig, client: Mapping[str, str]) -> None:
        self._config = config
        self._client = client
        self._troubles = Troubles(client)
        self._producer: Producer | None = None
        self._database, self._simulated = "", False

    def open(self, database: str, *, simulated: bool) -> int | None:
        """Make the topics that are missing, shut out whoever wrote before, and return where the topics are."""
        self.close()
        self._database, self._simulated = database, simulated
        with explained(self._troubles):
            KafkaTopics(self._config, self._client).create()
            self._own_progress()  # before another database's writer is shut out
            settings = {**_PRODUCER, "transactional.id": f"{self._config.prefix}fulltape"}
            self._producer = Producer(settings_of(self._client, self._troubles, **settings))
            self._producer.init_transactions(_BEGIN_S)
            return self._own_progress()

    def append(self, entries: Sequence[Entry], commit: int) -> int:
        """Write entries and progress in one transaction; return how many were too long to be written."""
        producer = self._producer
        if producer is None:
            raise TransientError("Kafka: the log is not open")
        with explained(self._troubles, producer.poll):
            producer.begin_transaction()
            too_long = sum(not self._put(producer, entry) for entry in entries)
            progress = msgspec.json.encode(Progress(self._database, self._simulated, commit))
            producer.produce(self._config.progress, progress, _KEY)
            producer.commit_transaction(_COMMIT_S)
        return too_long

    def close(self) -> None:
        """Give up what was not committed, and let go."""
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.purge()
            with contextlib.suppress(KafkaException):  # without a broker, or without a transaction
                producer.abort_transaction(_GIVE_UP_S)

    def _own_progress(self) -> int | None:
        """Return how far the topics are with this database. Raises ConfigError if they are another's."""
        with consumer(self._client, self._troubles) as reading:
            rows = newest(reading, self._config.progress, 0, 1)
        if not rows:
            return None
        try:
            progress = msgspec.json.decode(rows[0].value() or b"", type=Progress)
        except (msgspec.DecodeError, ValueError):
            raise ConfigError(
                f"the newest message of {self._config.progress} does not say how far the topics are: somebody else "
                "wrote it; choose another [kafka] prefix, or delete the topics"
            ) from None
        if progress.database != self._database:
            raise ConfigError(
                f"the topics hold another database (its commit {progress.commit}, "
                f"{'simulated' if progress.simulated else 'live'} prices): choose another [kafka] prefix, or delete "
                f"them together with {self._config.progress}"
            )
        return progress.commit

    def _put(self, producer: Producer, entry: Entry) -> bool:
        """Hand a message over, waiting for room; False if it is too long."""
        headers: list[tuple[str, str | bytes | None]] = [("commit", str(entry.commit).encode())]
        if self._simulated:
            headers.append(("simulated", b"true"))
        topic, deadline = self._config.topic(entry.kind), time.monotonic() + _FULL_S
        while True:
            try:
                producer.produce(topic, entry.value, entry.key, headers=headers)
                return True
            except BufferError:
                if time.monotonic() > deadline:
                    raise TransientError("Kafka takes no more messages") from None
                producer.poll(0.1)
            except KafkaException as error:
                if error.args[0].code() != KafkaError.MSG_SIZE_TOO_LARGE:
                    raise
                _log.warning("a record of %s bytes is too long for %s: left out", len(entry.value), topic)
                return False
