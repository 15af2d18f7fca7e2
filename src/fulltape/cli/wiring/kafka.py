"""The log that commits are published to."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from fulltape.bus.entries import Shape
from fulltape.bus.kafka_config import KafkaConfig, client_settings
from fulltape.engine.publishing import LogPart
from fulltape.errors import ConfigError

if TYPE_CHECKING:
    from fulltape.bus.kafka_topics import KafkaTopics


def log(config: KafkaConfig) -> LogPart | None:
    """Return where commits are published, None without brokers. Raises ConfigError if a secret is missing."""
    if not config.bootstrap:
        return None
    with _needing_confluent():
        from fulltape.bus.kafka import KafkaLog

    shapes = {kind: config.shapes.get(kind, Shape.RECORD) for kind in config.kinds}
    return LogPart(KafkaLog(config, client_settings(config, os.environ)), config.bootstrap, shapes, config.backlog)


def topics(config: KafkaConfig) -> KafkaTopics:
    """Return what looks at topics. Raises ConfigError if a secret is missing."""
    with _needing_confluent():
        from fulltape.bus.kafka_topics import KafkaTopics

    return KafkaTopics(config, client_settings(config, os.environ))


@contextlib.contextmanager
def _needing_confluent() -> Iterator[None]:
    """Name the extra where confluent-kafka is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name != "confluent_kafka":
            raise
        raise ConfigError("Kafka needs confluent-kafka: install it with `pip install 'fulltape[kafka]'`") from None
