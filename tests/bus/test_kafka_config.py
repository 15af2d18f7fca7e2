"""What can be said of Kafka in the configuration."""

from __future__ import annotations

import pytest

from fulltape.bus.entries import Shape
from fulltape.bus.kafka_config import KafkaConfig, Security, client_settings
from fulltape.engine.config import Config
from fulltape.errors import ConfigError
from fulltape.records import STORED


def kafka(text: str) -> KafkaConfig:
    return Config.parse(f"[kafka]\n{text}").kafka


def test_without_brokers_nothing_is_published() -> None:
    assert Config().kafka.bootstrap == ()


def test_what_is_published_is_stored_and_has_a_topic_of_its_kind() -> None:
    config = KafkaConfig()
    assert set(config.kinds) <= {schema.name for schema in STORED}
    assert list(config.topics.items()) == [(kind, kind) for kind in config.kinds]
    assert config.progress == "fulltape-progress"


def test_the_topics_of_older_systems() -> None:
    config = kafka('prefix = "tape."\n[kafka.names]\nbars = "crypto_ingestion"\ntickers = "ticker_batch"')
    topics = {kind: config.topic(kind) for kind in ("trades", "bars", "tickers")}
    assert topics == {"trades": "tape.trades", "bars": "crypto_ingestion", "tickers": "ticker_batch"}
    assert config.progress == "tape.fulltape-progress"


def test_prices_of_products_are_of_trades_and_tickers() -> None:
    assert kafka('[kafka.shapes]\ntickers = "product"').shapes == {"tickers": Shape.PRODUCT}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('bootstrap = ["127.0.0.1"]', r"\[kafka\] bootstrap: '127.0.0.1' is no host:port"),
        ('bootstrap = ["kafka://x:9092"]', "is no host:port"),
        ("kinds = []", r"\[kafka\] kinds: name at least one"),
        ('kinds = ["trade"]', r"\[kafka\] kinds: no such kind: 'trade' \(did you mean 'trades'\?\)"),
        ('[kafka.names]\nbasr = "x"', r"\[kafka.names\] basr: is not published \(did you mean 'bars'\?\)"),
        ('kinds = ["trades"]\n[kafka.names]\nbars = "x"', r"\[kafka.names\] bars: is not published: see kinds"),
        ('[kafka.names]\nbars = "a b"', "'a b' is no name for a topic"),
        ('[kafka.names]\nbars = ".."', "'..' is no name for a topic"),
        ('[kafka.names]\nbars = "trades"', r"\[kafka\] trades: each kind needs a topic of its own"),
        ('kinds = ["trades", "trades"]', r"\[kafka\] trades: each kind needs a topic of its own"),
        ('[kafka.names]\nbars = "fulltape-progress"', "fulltape-progress: each kind needs a topic of its own"),
        ('[kafka.shapes]\nbars = "product"', r"\[kafka.shapes\] bars: has no price of a trade"),
        ('[kafka.shapes]\nbars = "avro"', r"\[kafka.shapes\] bars: 'avro' is none of record, product"),
        ('security = "tls"', r"\[kafka\] security: 'tls' is none of plaintext, ssl"),
        ("partitions = 0", r"\[kafka\] partitions: Expected `int` >= 1"),
        ('password = "x"', r"\[kafka\] password: unknown key; secrets come from the environment only"),
    ],
)
def test_what_kafka_cannot_do_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        kafka(text)


def test_secrets_are_those_of_the_environment() -> None:
    config = KafkaConfig(("a:1", "b:2"), security=Security.SASL_SSL, ca_file="ca.pem")
    secrets = {"FULLTAPE_KAFKA_USERNAME": "tape", "FULLTAPE_KAFKA_PASSWORD": "hidden"}
    assert client_settings(config, secrets) == {
        "bootstrap.servers": "a:1,b:2",
        "security.protocol": "sasl_ssl",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "tape",
        "sasl.password": "hidden",
        "ssl.ca.location": "ca.pem",
    }
    with pytest.raises(ConfigError, match=r"the environment lacks FULLTAPE_KAFKA_PASSWORD$"):
        client_settings(config, {"FULLTAPE_KAFKA_USERNAME": "tape"})
    with pytest.raises(ConfigError, match="the environment lacks FULLTAPE_KAFKA_CERTIFICATE"):
        client_settings(KafkaConfig(("a:1",), security=Security.SSL), {"FULLTAPE_KAFKA_PRIVATE_KEY": "pem"})
