"""Kafka's topics: making them, telling what they hold and who reads them, and listening."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import Future
from typing import Any, Final, TypeVar

import confluent_kafka as kafka
import msgspec
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, OffsetSpec

from fulltape.bus.kafka_client import TIMEOUT_S, Troubles, consumer, explained, newest, settings_of
from fulltape.bus.kafka_config import KafkaConfig
from fulltape.bus.topics import Group, Message, Overview, Partition, Reading, Topic
from fulltape.errors import ConfigError, TransientError, did_you_mean

_PROGRESS: Final = {"cleanup.policy": "compact", "segment.bytes": str(16 << 20)}
_INTERNAL: Final = "__"
_MOST_GROUPS: Final = 100
_WAKE_S: Final = 0.5
_SETTLE_S: Final = 0.05
_SETTLING: Final = frozenset(
    {
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.UNKNOWN_LEADER_EPOCH,
        KafkaError._UNKNOWN_PARTITION,
    }
)
"""What a broker says of a topic just made, until all of it knows who leads."""

_MS: Final = 1_000_000

T = TypeVar("T")


class KafkaTopics:
    """The topics of a configuration, or all topics of its brokers. Any thread may ask."""

    def __init__(self, config: KafkaConfig, client: Mapping[str, str]) -> None:
        self._config = config
        self._client = client
        self._troubles = Troubles(client)
        self._idle: AdminClient | None = None

    @property
    def servers(self) -> tuple[str, ...]:
        """Where the brokers are."""
        return self._config.bootstrap

    @property
    def names(self) -> Collection[str]:
        """The topics that fulltape writes to."""
        return (*self._config.topics, self._config.progress)

    def create(self, *more: str) -> list[str]:
        """Make fulltape's topics, and ``more``, as far as they are missing; return which were."""
        config = self._config
        settings = {"retention.ms": str(config.retention_ms)}
        with self._asking() as admin:
            there = admin.list_topics(timeout=TIMEOUT_S).topics
            made = [
                NewTopic(name, config.partitions, config.replication, config=settings)
                for name in (*config.topics, *more)
                if name not in there
            ]
            if config.progress not in there:
                made.append(NewTopic(config.progress, 1, config.replication, config=_PROGRESS))
            if not made:
                return []
            futures = admin.create_topics(made, request_timeout=TIMEOUT_S)
            names = [name for name, future in futures.items() if _is_made(future)]
            _settle(admin, names)
            return names

    def overview(self, *, all_topics: bool = False) -> Overview:
        """Return fulltape's topics that exist, or all of them, and who reads them."""
        with self._asking() as admin:
            topics = self._topics(admin, all_topics)
            return Overview(topics, _groups(admin, topics))

    def settings(self, topic: str) -> dict[str, str]:
        """Return the settings of a topic that are not the broker's defaults."""
        resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
        with self._asking() as admin:
            (found,) = admin.describe_configs([resource], request_timeout=TIMEOUT_S).values()
            return {name: str(one.value) for name, one in sorted(_result(found).items()) if not one.is_default}

    def newest(self, topic: str, limit: int) -> list[Message]:
        """Return the newest messages of a topic, newest first; none if it does not exist."""
        with self._asking() as admin, consumer(self._client, self._troubles) as reading:
            there = admin.list_topics(timeout=TIMEOUT_S).topics
            numbers = there[topic].partitions if topic in there else ()
            found = [message for number in numbers for message in newest(reading, topic, number, limit)]
        messages = [_message(one) for one in found]
        return sorted(messages, key=lambda one: (one.time, one.offset), reverse=True)[:limit]

    def listen(self, topics: Iterable[str], *, from_start: bool) -> Iterator[Message | None]:
        """Yield messages as they come, and None from time to time while none does.

        Raises ConfigError for a topic that does not exist.
        """
        with self._asking() as admin, consumer(self._client, self._troubles) as reading:
            reading.assign(_places(admin, topics, kafka.OFFSET_BEGINNING if from_start else kafka.OFFSET_END))
            while True:
                message = reading.poll(_WAKE_S)
                error = None if message is None else message.error()
                if message is None:
                    self._troubles.check()
                    yield None
                elif error is None:
                    yield _message(message)
                elif error.code() != KafkaError._PARTITION_EOF:
                    raise KafkaException(error)

    @contextlib.contextmanager
    def _asking(self) -> Iterator[AdminClient]:
        """Yield a client, and keep it for the next question; one that failed may not find back to its brokers."""
        admin, self._idle = self._idle or AdminClient(settings_of(self._client, self._troubles)), None
        with explained(self._troubles, admin.poll):
            yield admin
        self._idle = admin

    def _topics(self, admin: AdminClient, all_topics: bool) -> tuple[Topic, ...]:
        ours = {**self._config.topics, self._config.progress: ""}
        found = {
            name: topic
            for name, topic in admin.list_topics(timeout=TIMEOUT_S).topics.items()
            if name in ours or (all_topics and not name.startswith(_INTERNAL))
        }
        places = [TopicPartition(name, number) for name, topic in found.items() for number in topic.partitions]
        starts, ends = _offsets(admin, places, OffsetSpec.earliest()), _offsets(admin, places, OffsetSpec.latest())
        return tuple(
            Topic(
                name,
                ours.get(name, ""),
                tuple(
                    Partition(
                        number, one.leader, len(one.replicas), len(one.isrs), starts[name, number], ends[name, number]
                    )
                    for number, one in sorted(topic.partitions.items())
                ),
            )
            for name, topic in sorted(found.items())
        )


def _places(admin: AdminClient, topics: Iterable[str], offset: int) -> list[TopicPartition]:
    there = admin.list_topics(timeout=TIMEOUT_S).topics
    places: list[TopicPartition] = []
    for topic in topics:
        if topic not in there:
            raise unknown_topic(topic, there)
        places += [TopicPartition(topic, number, offset) for number in there[topic].partitions]
    return places


def _settle(admin: AdminClient, names: Collection[str]) -> None:
    """Return when new topics can be asked for: their leaders take a moment to know that they lead."""
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        there = admin.list_topics(timeout=TIMEOUT_S).topics
        try:
            if there.keys() >= set(names):
                places = [TopicPartition(name, number) for name in names for number in there[name].partitions]
                _offsets(admin, places, OffsetSpec.latest())
                return
        except KafkaException as error:
            if error.args[0].code() not in _SETTLING:
                raise
        if time.monotonic() > deadline:
            raise TransientError(f"Kafka made {', '.join(names)}, but does not serve them yet")
        time.sleep(_SETTLE_S)


def _offsets(admin: AdminClient, places: list[TopicPartition], which: OffsetSpec) -> dict[tuple[str, int], int]:
    if not places:
        return {}
    futures = admin.list_offsets(dict.fromkeys(places, which), request_timeout=TIMEOUT_S)
    return {(place.topic, place.partition): _result(future).offset for place, future in futures.items()}


def _groups(admin: AdminClient, topics: tuple[Topic, ...]) -> tuple[Group, ...]:
    ends = {(topic.topic, one.partition): one.end for topic in topics for one in topic.partitions}
    listed = _result(admin.list_consumer_groups(request_timeout=TIMEOUT_S)).valid
    names = sorted(group.group_id for group in listed)[:_MOST_GROUPS]
    if not names:
        return ()
    described = admin.describe_consumer_groups(names, request_timeout=TIMEOUT_S)
    asked = {name: _asked_group(admin, name) for name in names}
    groups = []
    for name in names:
        about = _result(described[name])
        readings = tuple(
            Reading(place.topic, place.partition, place.offset, max(0, end - place.offset))
            for place in sorted(_result(asked[name]).topic_partitions or ())
            if place.offset >= 0 and (end := ends.get((place.topic, place.partition))) is not None
        )
        if readings:
            groups.append(Group(name, about.state.name.lower(), len(about.members), readings))
    return tuple(groups)


def _asked_group(admin: AdminClient, name: str) -> Future[kafka.ConsumerGroupTopicPartitions]:
    everything = kafka.ConsumerGroupTopicPartitions(name)
    return admin.list_consumer_group_offsets([everything], request_timeout=TIMEOUT_S)[name]


def unknown_topic(topic: str, there: Collection[str]) -> ConfigError:
    """Return the error for a topic that does not exist."""
    return ConfigError(f"no such topic: {topic}{did_you_mean(topic, there)}; `fulltape topics list` names them")


def _result(future: Future[T]) -> T:
    try:
        return future.result(2 * TIMEOUT_S)  # the client itself should have given up before
    except TimeoutError:
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT)) from None


def _is_made(future: Future[None]) -> bool:
    """Return whether a topic was made now; False if another was faster. Raises KafkaException."""
    try:
        _result(future)
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise
        return False
    return True


def _message(message: kafka.Message) -> Message:
    _, milliseconds = message.timestamp()
    return Message(
        topic=message.topic() or "",
        partition=message.partition() or 0,
        offset=message.offset() or 0,
        time=milliseconds * _MS,
        key=_text(message.key()),
        value=_value(message.value()),
        headers=_headers(message),
    )


def _headers(message: kafka.Message) -> dict[str, str]:
    headers = message.headers()
    pairs = headers.items() if isinstance(headers, dict) else headers or ()
    return {name: _text(value) for name, value in pairs}


def _text(data: Any) -> str:
    return data.decode("utf-8", "replace") if isinstance(data, bytes) else str(data or "")


def _value(data: bytes | None) -> Any:
    """Return JSON as it is, anything else as text."""
    if data is None:
        return None
    try:
        return msgspec.json.decode(data)
    except msgspec.DecodeError:
        return _text(data)
