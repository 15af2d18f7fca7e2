"""What can be said of Kafka in the configuration, and which secrets the environment adds."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Final

import msgspec

from fulltape.bus.entries import Shape, has_price
from fulltape.errors import ConfigError, did_you_mean
from fulltape.records import STORED

USERNAME, PASSWORD = "FULLTAPE_KAFKA_USERNAME", "FULLTAPE_KAFKA_PASSWORD"
CERTIFICATE, PRIVATE_KEY = "FULLTAPE_KAFKA_CERTIFICATE", "FULLTAPE_KAFKA_PRIVATE_KEY"
PROGRESS: Final = "fulltape-progress"
"""The topic, behind the prefix, that tells how far the others are."""

_KINDS: Final = (
    "trades",
    "quotes",
    "tickers",
    "bars",
    "coins",
    "coverage",
    "candles",
    "stats",
    "alerts",
    "dead_letters",
)
_STORED: Final = {schema.name: schema for schema in STORED}
_TOPIC: Final = re.compile(r"[A-Za-z0-9._-]{1,249}\Z")
_SERVER: Final = re.compile(r"(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}\Z")
_HOUR_MS: Final = 3_600_000

Count = Annotated[int, msgspec.Meta(ge=1, le=10_000)]


class Security(enum.StrEnum):
    """How a connection is protected."""

    PLAINTEXT = "plaintext"
    SSL = "ssl"
    SASL_PLAINTEXT = "sasl_plaintext"
    SASL_SSL = "sasl_ssl"


class Mechanism(enum.StrEnum):
    """How the name and the password are told."""

    PLAIN = "PLAIN"
    SCRAM_256 = "SCRAM-SHA-256"
    SCRAM_512 = "SCRAM-SHA-512"


class KafkaConfig(msgspec.Struct, frozen=True):
    """Which kinds of record go to which topics, and where the brokers are; without ``bootstrap`` nothing does.

    A topic is called ``prefix`` and the kind, unless ``names`` has the whole name. ``partitions``, ``replication`` and
    ``retention_hours`` (0: for ever) are those of topics that are made. ``backlog`` publishes what the database held
    before its topics were begun, too.
    """

    bootstrap: tuple[str, ...] = ()
    kinds: tuple[str, ...] = _KINDS
    prefix: str = ""
    partitions: Count = 2
    replication: Annotated[int, msgspec.Meta(ge=1, le=100)] = 1
    retention_hours: Annotated[float, msgspec.Meta(ge=0, le=1e6)] = 168.0
    backlog: bool = True
    security: Security = Security.PLAINTEXT
    mechanism: Mechanism = Mechanism.SCRAM_512
    ca_file: str = ""
    names: Mapping[str, str] = {}
    shapes: Mapping[str, Shape] = {}

    def topic(self, kind: str) -> str:
        """Return the topic of a kind."""
        return self.names.get(kind, self.prefix + kind)

    @property
    def topics(self) -> dict[str, str]:
        """The kind of each topic, by its name."""
        return {self.topic(kind): kind for kind in self.kinds}

    @property
    def progress(self) -> str:
        """The topic that tells how far the others are."""
        return self.prefix + PROGRESS

    @property
    def retention_ms(self) -> int:
        """How long messages are kept, -1 for ever."""
        return int(self.retention_hours * _HOUR_MS) or -1

    def check(self) -> None:
        """Refuse what the types allow and Kafka does not. Connects to nothing. Raises ConfigError."""
        for problem in _problems(self):
            raise ConfigError(problem)


def client_settings(config: KafkaConfig, environment: Mapping[str, str]) -> dict[str, str]:
    """Return how clients reach the brokers, in librdkafka's words; secrets are those of the environment.

    Raises ConfigError if one is missing.
    """
    settings = {"bootstrap.servers": ",".join(config.bootstrap), "security.protocol": str(config.security)}
    if config.security in (Security.SASL_PLAINTEXT, Security.SASL_SSL):
        settings["sasl.mechanism"] = str(config.mechanism)
        settings["sasl.username"], settings["sasl.password"] = _both(environment, USERNAME, PASSWORD)
    if config.security in (Security.SSL, Security.SASL_SSL):
        if config.ca_file:
            settings["ssl.ca.location"] = config.ca_file
        if environment.get(CERTIFICATE) or environment.get(PRIVATE_KEY):
            certificate, key = _both(environment, CERTIFICATE, PRIVATE_KEY)
            settings |= {"ssl.certificate.pem": certificate, "ssl.key.pem": key}
    return settings


def _both(environment: Mapping[str, str], *names: str) -> list[str]:
    missing = [name for name in names if not environment.get(name)]
    if missing:
        raise ConfigError(f"[kafka] security: the environment lacks {' and '.join(missing)}")
    return [environment[name] for name in names]


def _problems(config: KafkaConfig) -> Iterator[str]:
    yield from _problems_of_kinds(config)
    for server in config.bootstrap:
        if not _SERVER.match(server):
            yield f"[kafka] bootstrap: {server!r} is no host:port, such as 127.0.0.1:9092"
    topics = [*map(config.topic, config.kinds), config.progress]
    for topic in topics:
        if not _TOPIC.match(topic) or topic in (".", ".."):
            yield f"[kafka] {topic!r} is no name for a topic: up to 249 of A-Z a-z 0-9 . _ -"
        if topics.count(topic) > 1:
            yield f"[kafka] {topic}: each kind needs a topic of its own"


def _problems_of_kinds(config: KafkaConfig) -> Iterator[str]:
    if not config.kinds:
        yield "[kafka] kinds: name at least one, such as trades"
    for kind in config.kinds:
        if kind not in _STORED:
            yield f"[kafka] kinds: no such kind: {kind!r}{did_you_mean(kind, _STORED)}"
    for section, named in (("names", config.names), ("shapes", config.shapes)):
        for kind in named:
            if kind not in config.kinds:
                yield f"[kafka.{section}] {kind}: is not published{did_you_mean(kind, config.kinds)}: see kinds"
    for kind, shape in config.shapes.items():
        if shape is Shape.PRODUCT and not has_price(_STORED[kind]):
            yield f"[kafka.shapes] {kind}: has no price of a trade; trades and tickers have one"
