"""A real Apache Kafka, one node on this machine, made of the jars that `pom.xml` names.

Maven copies the jars once into ``target/``; the broker keeps its log in a folder of the test's.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from tests.ports import free_ports

HERE: Final = Path(__file__).parent
JARS: Final = HERE / "target" / "jars"
COPY: Final = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
HEAP: Final = ("-Xmx256m", "-Xms64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")
CLUSTER: Final = "fulltape-tests-0000000"
USER, PASSWORD = "tape", "a-secret-of-the-tests"
START_S: Final = 300.0
JAAS: Final = "org.apache.kafka.common.security.plain.PlainLoginModule"
PROPERTIES: Final = f"""
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{{controller}}
listeners=OPEN://127.0.0.1:{{port}},CLOSED://127.0.0.1:{{closed}},CONTROLLER://127.0.0.1:{{controller}}
advertised.listeners=OPEN://127.0.0.1:{{port}},CLOSED://127.0.0.1:{{closed}}
listener.security.protocol.map=OPEN:PLAINTEXT,CLOSED:SASL_SSL,CONTROLLER:PLAINTEXT
ssl.keystore.location={{folder}}/keys.p12
ssl.keystore.type=PKCS12
ssl.keystore.password={PASSWORD}
inter.broker.listener.name=OPEN
controller.listener.names=CONTROLLER
sasl.enabled.mechanisms=PLAIN
listener.name.closed.plain.sasl.jaas.config={JAAS} required user_{USER}="{PASSWORD}";
log.dirs={{folder}}/log
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
group.initial.rebalance.delay.ms=0
"""


def jars() -> Path:
    """Return the folder with Kafka's jars; skips the test where Java or Maven is missing."""
    for program, package in (("java", "default-jre-headless"), ("mvn", "maven")):
        if shutil.which(program) is None:
            pytest.skip(f"needs {program}: apt-get install {package}")
    wanted, mark = (HERE / "pom.xml").read_text(), JARS / "pom.xml"
    if not mark.is_file() or mark.read_text() != wanted:
        shutil.rmtree(JARS, ignore_errors=True)
        subprocess.run(
            ["mvn", "--batch-mode", "--quiet", COPY, f"-DoutputDirectory={JARS}", "-DincludeScope=runtime"],
            cwd=HERE,
            check=True,
            timeout=1_800,
        )
        mark.write_text(wanted)
    return JARS


@dataclass
class Broker:
    """A broker that can be stopped and started again on the same ports and log."""

    folder: Path
    port: int
    closed_port: int
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def bootstrap(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self.port}"

    @property
    def closed(self) -> str:
        """Where it listens over TLS and asks for a name and a password."""
        return f"127.0.0.1:{self.closed_port}"

    @property
    def certificate(self) -> Path:
        """What vouches for the closed one, as PEM."""
        return self.folder / "certificate.pem"

    @classmethod
    def make(cls, folder: Path) -> Broker:
        """Prepare the log of a broker in an empty folder. Skips the test where Java or Maven is missing."""
        jars()
        port, closed, controller = free_ports(3)
        broker = cls(folder, port, closed)
        text = PROPERTIES.format(port=port, closed=closed, controller=controller, folder=folder)
        broker._properties.write_text(text)
        broker._make_keys()
        formatting = broker._java("kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c", str(broker._properties))
        subprocess.run(formatting, check=True, capture_output=True, timeout=600)
        return broker

    def start(self) -> None:
        """Start it and wait until it has said that it serves."""
        log = self.folder / "broker.log"
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                self._java("kafka.Kafka", str(self._properties)), cwd=self.folder, stdout=out, stderr=subprocess.STDOUT
            )
        deadline = time.monotonic() + START_S
        while "Kafka Server started" not in (text := log.read_text(errors="replace")):
            assert self.process.poll() is None, text
            assert time.monotonic() < deadline, text
            time.sleep(0.05)

    def stop(self, *, kill: bool = False) -> None:
        """End it, or kill it, and wait until it is gone."""
        if self.process is not None:
            if kill:
                self.process.kill()
            else:
                self.process.terminate()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None

    def _make_keys(self) -> None:
        keystore = ["-keystore", str(self.folder / "keys.p12"), "-storepass", PASSWORD, "-alias", "broker"]
        made = ["-genkeypair", "-keyalg", "EC", "-dname", "CN=127.0.0.1", "-ext", "SAN=ip:127.0.0.1", "-validity", "2"]
        exported = ["-exportcert", "-rfc", "-file", str(self.certificate)]
        for arguments in (made, exported):
            subprocess.run(["keytool", *arguments, *keystore], check=True, capture_output=True, timeout=600)

    @property
    def _properties(self) -> Path:
        return self.folder / "broker.properties"

    def _java(self, *arguments: str) -> list[str]:
        logging = f"-Dlog4j2.configurationFile={HERE / 'log4j2.properties'}"
        return ["java", *HEAP, logging, "-cp", f"{jars()}/*", *arguments]


def warm_up(broker: Broker) -> None:
    """Write once to a new topic: the first time of all takes a broker longer than whoever publishes would wait."""
    patience_s, topic = 300, "warm-up"
    client: dict[str, Any] = {"bootstrap.servers": broker.bootstrap}
    admin = AdminClient(client)
    admin.create_topics([NewTopic(topic, 1, 1)], request_timeout=patience_s)[topic].result(patience_s)
    producer = Producer({**client, "transactional.id": topic})
    producer.init_transactions(patience_s)
    producer.begin_transaction()
    producer.produce(topic, b"1")
    producer.commit_transaction(patience_s)
    admin.delete_topics([topic], request_timeout=patience_s)[topic].result(patience_s)


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Broker]:
    """Run a broker with its log in ``folder``."""
    broker = Broker.make(folder)
    try:
        broker.start()
        warm_up(broker)
        yield broker
    finally:
        broker.stop()
