"""Topics and their readers over HTTP, from a real Kafka."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition
from hypothesis import HealthCheck, given, settings
from tests.api.scene import Api, FakeBackend, call
from tests.kafka.broker import Broker
from tests.ports import silent_port

from fulltape.api.app import create_app
from fulltape.api.config import ApiConfig
from fulltape.bus.kafka import KafkaLog
from fulltape.bus.kafka_config import KafkaConfig, client_settings
from fulltape.bus.kafka_topics import KafkaTopics
from fulltape.bus.log import Entry

quick = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def written(broker: Broker) -> Iterator[KafkaConfig]:
    """Topics with three trades of two instruments, read up to the second by a group."""
    config = KafkaConfig((broker.bootstrap,), kinds=("trades", "bars"), prefix="api.")
    log = KafkaLog(config, client_settings(config, {}))
    log.open("a", simulated=True)
    for number, name in enumerate((b"BTC-USD.COINBASE", b"BTC-USD.COINBASE", b"ETH-USD.COINBASE"), 1):
        log.append([Entry("trades", name, json.dumps({"trade_id": str(number)}).encode(), number)], number)
    log.open("a", simulated=True)  # after which readers see what is committed
    log.close()
    reader = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "desk", "enable.auto.commit": False})
    reader.commit(offsets=[TopicPartition("api.trades", 0, 1), TopicPartition("api.trades", 1, 1)], asynchronous=False)
    reader.close()
    yield config


@pytest.fixture
async def kafka(written: KafkaConfig, backend: FakeBackend) -> AsyncIterator[Api]:
    backend.topics = KafkaTopics(written, client_settings(written, {}))
    backend.simulated = True
    async with call(backend) as api:
        yield api


async def test_without_kafka_it_says_how_to_switch_it_on(api: Api) -> None:
    for path in ("/api/v1/topics", "/api/v1/topics/trades/messages"):
        answer = await api.get(path)
        assert answer.status_code == 503
        assert answer.headers["content-type"] == "application/problem+json"
        assert "nothing is published: start fulltape with --kafka" in answer.json()["detail"]


@pytest.mark.slow
async def test_a_broker_that_is_away_is_a_503_that_says_so(backend: FakeBackend) -> None:
    with silent_port() as port:
        config = KafkaConfig((f"127.0.0.1:{port}",))
        backend.topics = KafkaTopics(config, client_settings(config, {}))
        async with call(backend) as api:
            answer = await api.get("/api/v1/topics")
    assert answer.status_code == 503
    assert f"no broker answers at 127.0.0.1:{port}" in answer.json()["detail"]


@pytest.mark.slow
async def test_topics_partitions_and_readers_are_told(kafka: Api, written: KafkaConfig) -> None:
    answer = (await kafka.get("/api/v1/topics")).json()
    assert answer["simulated"] is True
    assert answer["servers"] == list(written.bootstrap)
    kinds = {topic["topic"]: topic["kind"] for topic in answer["topics"]}
    assert kinds == {"api.bars": "bars", "api.trades": "trades", "api.fulltape-progress": ""}
    (trades,) = (topic for topic in answer["topics"] if topic["kind"] == "trades")
    assert [(one["partition"], one["leader"], one["in_sync"], one["start"]) for one in trades["partitions"]] == [
        (0, 1, 1, 0),
        (1, 1, 1, 0),
    ]
    ends = [one["end"] for one in trades["partitions"]]
    assert sum(ends) == 6  # three messages, each with the end of its transaction
    (group,) = (one for one in answer["groups"] if one["group"] == "desk")
    assert (group["state"], group["members"]) == ("empty", 0)
    assert [(one["partition"], one["offset"], one["lag"]) for one in group["readings"]] == [
        (number, 1, end - 1) for number, end in enumerate(ends)
    ]


@pytest.mark.slow
async def test_the_newest_messages_come_first(kafka: Api) -> None:
    answer = (await kafka.get("/api/v1/topics/api.trades/messages", limit=2)).json()
    assert (answer["simulated"], answer["topic"]) == (True, "api.trades")
    newest, older = answer["messages"]
    assert (newest["key"], newest["value"]) == ("ETH-USD.COINBASE", {"trade_id": "3"})
    assert newest["headers"] == {"commit": "3", "simulated": "true"}
    assert newest["time"].endswith("Z")
    assert older["value"] == {"trade_id": "2"}
    assert (await kafka.get("/api/v1/topics/api.bars/messages")).json()["messages"] == []


@pytest.mark.slow
async def test_topics_of_others_are_not_shown(kafka: Api) -> None:
    answer = await kafka.get("/api/v1/topics/__consumer_offsets/messages")
    assert answer.status_code == 404
    answer = await kafka.get("/api/v1/topics/api.trade/messages")
    assert "no such topic: 'api.trade' (did you mean 'api.trades'?)" in answer.json()["detail"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "mode"),
    [
        ("/api/v1/topics", "positive"),
        ("/api/v1/topics/{topic}/messages", "positive"),
        ("/api/v1/topics/{topic}/messages", "negative"),
    ],
)
def test_the_document_is_true(path: str, mode: str, written: KafkaConfig, backend: FakeBackend) -> None:
    import schemathesis  # takes a second, in every process that only looks for tests too

    backend.topics = KafkaTopics(written, client_settings(written, {}))
    app = create_app(backend, static_dir=None, config=ApiConfig(allowed_hosts=("testserver",), max_query_bytes=1 << 20))
    schema = schemathesis.openapi.from_asgi("/schema/openapi.json", app)

    @quick
    @given(case=schema[path]["GET"].as_strategy(generation_mode=schemathesis.GenerationMode(mode)))
    def check(case: schemathesis.Case[Any]) -> None:
        if mode == "positive" and "topic" in case.path_parameters:
            case.path_parameters["topic"] = "api.trades"
        case.call_and_validate()

    check()
