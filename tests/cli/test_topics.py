"""`fulltape topics` against a real Kafka."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition
from tests.cli.conftest import Run
from tests.kafka.broker import Broker
from tests.ports import silent_port

from fulltape.bus.kafka import KafkaLog
from fulltape.bus.kafka_config import KafkaConfig, client_settings
from fulltape.bus.log import Entry


@pytest.fixture
def configured(broker: Broker, tmp_path: Path) -> Path:
    """A configuration with topics of its own."""
    path = tmp_path / "fulltape.toml"
    path.write_text(f'[kafka]\nbootstrap = ["{broker.bootstrap}"]\nkinds = ["trades"]\nprefix = "cli."\n')
    return path


@pytest.mark.slow
def test_topics_are_made_described_and_listened_to(run: Run, broker: Broker, configured: Path) -> None:
    given = ("--config", str(configured))
    made = run("topics", "create", "cli.mine", *given)
    assert (made.code, made.out.split()) == (0, ["cli.trades", "cli.mine", "cli.fulltape-progress"])
    again = run("topics", "create", *given)
    assert (again.code, again.out, again.err) == (0, "", "all of them are there already\n")

    config = KafkaConfig((broker.bootstrap,), kinds=("trades",), prefix="cli.")
    log = KafkaLog(config, client_settings(config, {}))
    log.open("a", simulated=True)
    log.append([Entry("trades", b"BTC-USD.COINBASE", b'{"price":1.5}', 4)], 4)
    log.open("a", simulated=True)  # after which readers see what is committed
    log.close()

    listed = json.loads(run("topics", "list", "--format", "json", *given).out)
    (trades,) = (one for one in listed if one["topic"] == "cli.trades")
    assert (trades["kind"], trades["partitions"], trades["messages at most"]) == ("trades", 2, 2)
    described = run("topics", "describe", "cli.trades", *given)
    assert "retention.ms=604800000" in described.err
    assert "in_sync" in described.out
    heard = run("topics", "listen", "cli.trades", "--from-start", "-n", "1", "--format", "json", *given)
    message = json.loads(heard.out)
    assert (message["key"], message["value"]) == ("BTC-USD.COINBASE", {"price": 1.5})
    assert message["headers"] == {"commit": "4", "simulated": "true"}
    assert "SIMULATED" in heard.err
    line = run("topics", "listen", "cli.trades", "--from-start", "-n", "1", *given).out
    assert line.endswith('BTC-USD.COINBASE  {"price":1.5}\n')

    reader = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "cli-desk", "enable.auto.commit": False})
    place = message["partition"]
    reader.commit(offsets=[TopicPartition("cli.trades", place, 1)], asynchronous=False)
    reader.close()
    groups = json.loads(run("topics", "groups", "--format", "json", "--bootstrap", broker.bootstrap).out)
    (desk,) = (one for one in groups if one["group"] == "cli-desk")
    assert (desk["topic"], desk["partition"], desk["offset"], desk["lag"]) == ("cli.trades", place, 1, 1)


@pytest.mark.slow
@pytest.mark.parametrize("command", ["describe", "listen"])
def test_a_topic_that_does_not_exist_is_told_with_the_nearest(run: Run, broker: Broker, command: str) -> None:
    run("topics", "create", "told", "--bootstrap", broker.bootstrap)
    result = run("topics", command, "tolt", "--bootstrap", broker.bootstrap)
    assert result.code == 2
    assert "no such topic: tolt (did you mean 'told'?)" in result.err


def test_without_brokers_it_says_how_to_name_them(run: Run) -> None:
    result = run("topics", "list")
    assert (result.code, result.out) == (2, "")
    assert "name them with --bootstrap 127.0.0.1:9092" in result.err


@pytest.mark.slow
def test_a_broker_that_is_away_is_told_in_a_line(run: Run) -> None:
    with silent_port() as port:
        result = run("topics", "list", "--bootstrap", f"127.0.0.1:{port}")
    assert result.code == 1
    assert result.err.startswith(f"error: no broker answers at 127.0.0.1:{port}")
    assert result.err.count("\n") == 1


def test_a_broker_is_host_and_port(run: Run) -> None:
    result = run("topics", "list", "--bootstrap", "localhost")
    assert result.code == 2
    assert "'localhost' is no host:port" in result.err


def test_without_the_package_the_extra_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    for name in [name for name in sys.modules if name.startswith("fulltape.bus.kafka_")]:
        monkeypatch.delitem(sys.modules, name)
    result = run("topics", "list", "--bootstrap", "127.0.0.1:1")
    assert result.code == 2
    assert "pip install 'fulltape[kafka]'" in result.err
