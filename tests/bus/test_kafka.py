"""The log in a real Kafka."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient
from tests.conformance.samples import BTC, CODES, ETH, NOON, bar, commit, ticker
from tests.kafka.broker import PASSWORD, USER, Broker
from tests.ports import silent_port

from fulltape.bus.entries import Shape, Shaper
from fulltape.bus.kafka import KafkaLog
from fulltape.bus.kafka_config import KafkaConfig, Mechanism, Security, client_settings
from fulltape.bus.kafka_topics import KafkaTopics
from fulltape.bus.log import Entry
from fulltape.bus.topics import Message
from fulltape.errors import ConfigError, TransientError

pytestmark = pytest.mark.slow

_numbers = itertools.count(1)


@pytest.fixture
def config(broker: Broker) -> KafkaConfig:
    """Topics of this test's own."""
    return KafkaConfig((broker.bootstrap,), kinds=("trades", "bars"), prefix=f"log{next(_numbers)}.")


@pytest.fixture
def make(config: KafkaConfig) -> Iterator[Callable[[], KafkaLog]]:
    """Return what makes writers."""
    made: list[KafkaLog] = []

    def make_one() -> KafkaLog:
        made.append(KafkaLog(config, client_settings(config, {})))
        return made[-1]

    yield make_one
    for log in made:
        log.close()


def topics(config: KafkaConfig) -> KafkaTopics:
    return KafkaTopics(config, client_settings(config, {}))


def newest(config: KafkaConfig, topic: str, count: int) -> list[Message]:
    """Return the newest messages once there are so many: readers see a transaction a moment after it is committed."""
    deadline = time.monotonic() + 120
    while len(found := topics(config).newest(topic, count + 1)) < count:
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    return found


def trade(number: int, commit: int, instrument: str = "BTC-USD.COINBASE") -> Entry:
    return Entry("trades", instrument.encode(), json.dumps({"trade_id": number}).encode(), commit)


def ids(messages: list[Message]) -> list[int]:
    return sorted(message.value["trade_id"] for message in messages)


def test_what_is_appended_is_there_with_its_commit(config: KafkaConfig, make: Callable[[], KafkaLog]) -> None:
    log = make()
    assert log.open("a", simulated=True) is None
    assert log.append([trade(1, 7), trade(2, 8)], 8) == 0
    later, earlier = newest(config, config.topic("trades"), 2)
    assert (later.key, later.value) == ("BTC-USD.COINBASE", {"trade_id": 2})
    assert later.headers == {"commit": "8", "simulated": "true"}
    assert (earlier.value, earlier.offset) == ({"trade_id": 1}, later.offset - 1)
    assert make().open("a", simulated=True) == 8


@pytest.mark.parametrize(
    "value", [b"", b"\xff", b"[]", b'{"database":"a"}', b'{"database":"a","simulated":1,"commit":7}']
)
def test_progress_that_is_none_is_refused(value: bytes, config: KafkaConfig, make: Callable[[], KafkaLog]) -> None:
    log = make()
    log.open("a", simulated=False)
    log.append([trade(1, 1)], 1)
    other = Producer({"bootstrap.servers": config.bootstrap[0]})
    other.produce(config.progress, value, b"progress")
    assert other.flush(60) == 0
    with pytest.raises(ConfigError, match="does not say how far the topics are: somebody else wrote it"):
        make().open("a", simulated=False)


def test_real_prices_have_no_mark(config: KafkaConfig, make: Callable[[], KafkaLog]) -> None:
    log = make()
    log.open("a", simulated=False)
    log.append([trade(1, 1)], 1)
    (message,) = newest(config, config.topic("trades"), 1)
    assert message.headers == {"commit": "1"}


def test_topics_are_made_as_configured(config: KafkaConfig, make: Callable[[], KafkaLog]) -> None:
    wanted = msgspec.structs.replace(config, partitions=3, retention_hours=1.0)
    log = KafkaLog(wanted, client_settings(wanted, {}))
    log.open("a", simulated=False)
    log.close()
    found = topics(wanted)
    overview = found.overview()
    assert {topic.topic: (topic.kind, len(topic.partitions)) for topic in overview.topics} == {
        f"{config.prefix}trades": ("trades", 3),
        f"{config.prefix}bars": ("bars", 3),
        f"{config.prefix}fulltape-progress": ("", 1),
    }
    assert found.settings(f"{config.prefix}trades")["retention.ms"] == "3600000"
    assert found.settings(f"{config.prefix}fulltape-progress")["cleanup.policy"] == "compact"
    assert found.create() == []


@pytest.mark.parametrize(
    "code", ["LEADER_NOT_AVAILABLE", "UNKNOWN_LEADER_EPOCH", "FENCED_LEADER_EPOCH", "UNKNOWN_TOPIC_OR_PART"]
)
def test_a_broker_may_take_a_while_to_know_who_leads(
    config: KafkaConfig, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    said: list[str] = []

    class Hesitant(AdminClient):
        def list_offsets(self, *asked: Any, **options: Any) -> Any:
            if len(said) < 2:
                said.append(code)
                raise KafkaException(KafkaError(getattr(KafkaError, code)))
            return super().list_offsets(*asked, **options)

    monkeypatch.setattr("fulltape.bus.kafka_topics.AdminClient", Hesitant)
    assert config.topic("trades") in topics(config).create()
    assert said == [code, code]


def test_an_instrument_stays_in_one_partition(config: KafkaConfig, make: Callable[[], KafkaLog]) -> None:
    log = make()
    log.open("a", simulated=False)
    names = [f"COIN{i}-USD.COINBASE" for i in range(8)]
    log.append([trade(number, 1, name) for number in range(3) for name in names], 1)
    messages = newest(config, config.topic("trades"), 24)
    places = {message.key: {one.partition for one in messages if one.key == message.key} for message in messages}
    assert len(messages) == 24
    assert all(len(partitions) == 1 for partitions in places.values())
    assert len({number for partitions in places.values() for number in partitions}) == 2


def test_another_database_is_refused_and_the_first_writes_on(config: KafkaConfig, make: Callable[[], KafkaLog]) -> None:
    log = make()
    log.open("a", simulated=False)
    log.append([trade(1, 1)], 1)
    with pytest.raises(ConfigError, match=r"hold another database \(its commit 1, live prices\): choose another"):
        make().open("b", simulated=False)
    log.append([trade(2, 2)], 2)
    assert ids(newest(config, config.topic("trades"), 2)) == [1, 2]


def test_a_later_writer_shuts_out_the_earlier(config: KafkaConfig, make: Callable[[], KafkaLog]) -> None:
    earlier, later = make(), make()
    earlier.open("a", simulated=False)
    earlier.append([trade(1, 1)], 1)
    assert later.open("a", simulated=False) == 1
    with pytest.raises(TransientError, match="fenced"):
        earlier.append([trade(2, 2)], 2)
    later.append([trade(2, 2)], 2)
    assert ids(newest(config, config.topic("trades"), 2)) == [1, 2]


def test_a_transaction_that_was_cut_off_leaves_nothing(
    config: KafkaConfig, broker: Broker, make: Callable[[], KafkaLog]
) -> None:
    """As kill -9 leaves it: messages are at the broker, and nobody said that they count."""
    log = make()
    log.open("a", simulated=False)
    log.append([trade(1, 1)], 1)
    settings: dict[str, Any] = {"bootstrap.servers": broker.bootstrap, "transactional.id": f"{config.prefix}fulltape"}
    killed = Producer(settings)
    killed.init_transactions(120)
    killed.begin_transaction()
    killed.produce(config.topic("trades"), trade(2, 2).value, b"BTC-USD.COINBASE")
    killed.produce(config.progress, b"not even progress")
    killed.flush(120)
    assert ids(newest(config, config.topic("trades"), 1)) == [1]
    again = make()
    assert again.open("a", simulated=False) == 1
    again.append([trade(2, 2)], 2)
    assert ids(newest(config, config.topic("trades"), 2)) == [1, 2]


def test_a_message_that_is_too_long_is_left_out(
    config: KafkaConfig, make: Callable[[], KafkaLog], caplog: pytest.LogCaptureFixture
) -> None:
    log = make()
    log.open("a", simulated=False)
    assert log.append([trade(1, 1), Entry("trades", b"x", b"x" * 1_500_000, 1), trade(2, 1)], 1) == 1
    assert ids(newest(config, config.topic("trades"), 2)) == [1, 2]
    assert "1500000 bytes is too long" in caplog.text


def test_more_than_the_client_holds_goes_in_one_transaction(config: KafkaConfig, make: Callable[[], KafkaLog]) -> None:
    log = make()
    log.open("a", simulated=False)
    assert log.append([trade(number, 1) for number in range(150_000)], 1) == 0
    make().open("a", simulated=False)  # after which the end of the transaction is there
    ends = [one.end for topic in topics(config).overview().topics for one in topic.partitions if topic.kind == "trades"]
    assert sum(ends) == 150_001  # and the end of the transaction


def test_without_a_broker_it_says_where_it_looked() -> None:
    with silent_port() as port:
        config = KafkaConfig((f"127.0.0.1:{port}",))
        log = KafkaLog(config, client_settings(config, {}))
        with pytest.raises(TransientError, match=f"no broker answers at 127.0.0.1:{port}"):
            log.open("a", simulated=False)
    with pytest.raises(TransientError, match="not open"):
        log.append([], 1)


def test_a_closed_broker_is_trusted_by_its_certificate_and_told_who_asks(broker: Broker) -> None:
    sasl = {"security": Security.SASL_SSL, "mechanism": Mechanism.PLAIN, "ca_file": str(broker.certificate)}
    config = msgspec.convert({"bootstrap": [broker.closed], "prefix": "closed.", **sasl}, KafkaConfig)
    secrets = {"FULLTAPE_KAFKA_USERNAME": USER, "FULLTAPE_KAFKA_PASSWORD": PASSWORD}
    log = KafkaLog(config, client_settings(config, secrets))
    assert log.open("a", simulated=False) is None
    log.close()
    wrong = KafkaLog(config, client_settings(config, secrets | {"FULLTAPE_KAFKA_PASSWORD": "wrong"}))
    with pytest.raises(ConfigError, match=r"refuses: .*Authentication failed") as error:
        wrong.open("a", simulated=False)
    assert "wrong" not in str(error.value)
    unknown = msgspec.structs.replace(config, ca_file="")
    with pytest.raises(ConfigError, match=r"refuses: .*certificate verify failed"):
        KafkaLog(unknown, client_settings(unknown, secrets)).open("a", simulated=False)


def test_the_topics_of_older_systems_hold_bars_and_prices(broker: Broker) -> None:
    """`crypto_ingestion` had Python's text of a dict as messages, `ticker_batch` the time in whole seconds."""
    names = {"bars": "crypto_ingestion", "tickers": "ticker_batch"}
    config = KafkaConfig((broker.bootstrap,), kinds=("bars", "tickers"), prefix="older.", names=names)
    shaper = Shaper({"bars": Shape.RECORD, "tickers": Shape.PRODUCT})
    log = KafkaLog(config, client_settings(config, {}))
    log.open("a", simulated=False)
    moments = [ticker("7", NOON + 250_000_000), ticker("8", NOON + 750_000_000)]
    log.append(shaper.of_commit(commit(1, bar(), bar(instrument=ETH.id), *moments), CODES), 1)
    log.close()
    assert {one.topic: len(one.partitions) for one in topics(config).overview().topics if one.kind} == {
        "crypto_ingestion": 2,
        "ticker_batch": 2,
    }
    bars = {message.key: message.value for message in newest(config, "crypto_ingestion", 2)}
    assert set(bars) == {BTC.id, ETH.id}
    assert bars[BTC.id]["interval"] == "1m"
    prices = sorted((message.value for message in newest(config, "ticker_batch", 2)), key=lambda one: one["w_time"])
    assert [(one["product"], one["w_time"], one["price"]) for one in prices] == [
        ("BTC-USD", NOON / 1e9 + 0.25, 1.0),
        ("BTC-USD", NOON / 1e9 + 0.75, 1.0),
    ]
