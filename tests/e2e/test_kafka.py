"""The whole program with a real Kafka: every stored trade is in its topic once, whatever is killed; and the page."""

from __future__ import annotations

import json
import signal
import subprocess
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest
from confluent_kafka import Consumer, KafkaError, TopicPartition
from tests.e2e.pages import reading
from tests.e2e.programs import simulated_venue, start, started, waited
from tests.kafka.broker import Broker, running

from fulltape.bus.kafka_config import KafkaConfig
from fulltape.clock import parse_rfc3339

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install 'fulltape[test]'")
from playwright.sync_api import Browser, expect  # noqa: E402

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

PREFIX = "proof."
CONFIG = """
[server]
port = 0
[store]
path = "kafka.duckdb"
simulated = true
[history]
warm_bars = 0
[kafka]
bootstrap = ["{bootstrap}"]
prefix = "proof."
[venues.coinbase]
url = "{ws}"
rest_url = "{rest}"
instruments = ["BTC-USD", "ETH-USD", "DOGE-USD", "UNI-USD"]
"""
ADDRESS = r"fulltape runs: (http://127\.0\.0\.1:\d+)\b"


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker of this module's own, which it may stop."""
    with running(tmp_path_factory.mktemp("own-kafka")) as broker:
        yield broker


class Up:
    """A running `fulltape up`."""

    def __init__(self, folder: Path, name: str, *arguments: str) -> None:
        self.process, log = start(folder, name, "up", *arguments)
        self.url = started(log, ADDRESS, self.process)[1]

    def status(self) -> Any:
        with urllib.request.urlopen(f"{self.url}/api/v1/status", timeout=240) as answer:
            return json.load(answer)

    def until(self, condition: Callable[[Any], object], timeout_s: float = 300.0) -> Any:
        """Ask for the status until it fulfils a condition, and return it."""
        return waited(self.status, condition, timeout_s)

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        self.process.send_signal(how)
        self.process.wait(240)


@contextmanager
def up(folder: Path, name: str, *arguments: str) -> Iterator[Up]:
    program = Up(folder, name, *arguments)
    try:
        yield program
    finally:
        program.process.kill()
        program.process.wait()


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], str, str]]:
    """A simulated venue in a process of its own: it goes on while fulltape is dead."""
    with simulated_venue(tmp_path, "--seed", "5", "--trades-per-s", "200") as venue:
        yield venue


def text(value: str | bytes | None) -> str:
    return value.decode() if isinstance(value, bytes) else value or ""


def published(kafka: Broker, topic: str) -> list[tuple[Any, dict[str, Any], Any]]:
    """Read a topic as anybody would: partition, headers and value of each message that counts."""
    reader = Consumer(
        {
            "bootstrap.servers": kafka.bootstrap,
            "group.id": "anybody",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
        }
    )
    found: list[tuple[Any, dict[str, Any], Any]] = []
    left = {0, 1}
    reader.assign([TopicPartition(topic, number, 0) for number in left])
    while left:
        message = reader.poll(240)
        assert message is not None, f"{topic} does not end"
        error = message.error()
        if error is not None:
            assert error.code() == KafkaError._PARTITION_EOF, error
            left.discard(message.partition())
        else:
            headers = {name: text(value) for name, value in dict(message.headers() or ()).items()}
            found.append((message.partition(), headers, json.loads(message.value() or b"")))
    reader.close()
    return found


def test_every_record_is_published_once_over_kills_and_outages(
    tmp_path: Path, kafka: Broker, venue: tuple[subprocess.Popen[bytes], str, str]
) -> None:
    sim, ws, rest = venue
    config = tmp_path / "kafka.toml"
    config.write_text(CONFIG.format(bootstrap=kafka.bootstrap, ws=ws, rest=rest))
    given = ("--config", str(config))

    with up(tmp_path, "up-1", *given) as first:
        first.until(lambda status: status["kafka"]["records"].get("trades", 0) > 200)
        first.end(signal.SIGKILL)
    with up(tmp_path, "up-2", *given) as second:
        second.until(lambda status: status["kafka"]["records"].get("trades", 0) > 200)
        kafka.stop(kill=True)
        away = second.until(lambda status: status["kafka"]["state"] == "waiting")
        assert "no broker answers" in away["kafka"]["detail"] or away["kafka"]["failures"]
        trades = away["engine"]["records"]["trades"]
        second.until(lambda status: status["engine"]["records"]["trades"] > trades + 400)
        second.end(signal.SIGKILL)
    with up(tmp_path, "up-3", *given) as third:
        third.until(lambda status: status["engine"]["records"].get("trades", 0) > 200)  # the capture needs no broker
        kafka.start()
        third.until(lambda status: status["kafka"]["state"] == "live" and status["kafka"]["lag_commits"] < 5)
        sim.terminate()
        sim.wait(240)
        third.until(lambda status: status["feeds"][0]["state"] != "live" and status["kafka"]["lag_commits"] == 0)
        third.end()

    with duckdb.connect(str(tmp_path / "kafka.duckdb"), read_only=True) as database:
        for kind, columns in (
            ("trades", "instrument, trade_id, price, size, aggressor_side, origin"),
            ("quotes", "instrument, bid, ask"),
            ("tickers", "instrument, trade_id, price"),
            ("stats", "instrument, trade_id, price"),
        ):
            messages = published(kafka, PREFIX + kind)
            names = columns.split(", ")
            told = Counter(tuple(value[name] for name in names) for _, _, value in messages)
            assert told == Counter(database.sql(f"SELECT {columns} FROM {kind}").fetchall()), kind
            assert {headers["simulated"] for _, headers, _ in messages} == {"true"}
            for partition in (0, 1):
                commits = [int(headers["commit"]) for place, headers, _ in messages if place == partition]
                assert commits == sorted(commits)
        finals = {
            (value["instrument"], value["interval"], parse_rfc3339(value["start"]), value["high"], value["volume"])
            for _, _, value in published(kafka, f"{PREFIX}candles")
            if value["is_final"]
        }
        wanted = "instrument, interval, epoch_ns(start), high, volume"
        stored = set(database.sql(f"SELECT {wanted} FROM candles WHERE is_final").fetchall())
        assert stored <= finals
        assert len(stored) > 30


def test_the_page_shows_topics_messages_and_readers(tmp_path: Path, kafka: Broker, browser: Browser) -> None:
    with up(tmp_path, "page", "--sim", "--port", "0", "--kafka", kafka.bootstrap) as program:
        program.until(lambda status: status["kafka"]["records"].get("trades", 0) > 20)
        reader = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "desk", "enable.auto.commit": False})
        reader.commit(offsets=[TopicPartition("trades", 0, 1), TopicPartition("trades", 1, 1)], asynchronous=False)
        reader.close()
        with reading(browser, program.url) as one:
            page = one.page
            page.get_by_role("link", name="Topics").click()
            expect(page.get_by_test_id("simulated")).to_contain_text("SIMULATED")
            expect(page.get_by_test_id("publishing")).to_contain_text(kafka.bootstrap)
            shown = page.get_by_role("region", name="Topics")
            expect(shown.get_by_role("button", name="trades", exact=True)).to_have_attribute("aria-pressed", "true")
            for topic in KafkaConfig().topics:
                expect(shown.get_by_role("button", name=topic, exact=True)).to_be_visible()
            desk = page.get_by_role("region", name="Consumer groups").get_by_role("row").filter(has_text="desk")
            expect(desk.first).to_contain_text("trades")

            newest = page.get_by_test_id("message").first
            expect(newest).to_contain_text("USD.COINBASE")
            before = newest.inner_text()
            expect(newest).not_to_have_text(before)  # it refreshes itself
            newest.get_by_role("button").click()
            expect(page.get_by_test_id("pretty")).to_contain_text('"aggressor_side": "')
            expect(page.get_by_test_id("pretty")).to_contain_text('"simulated": "true"')
            shown.get_by_role("button", name="candles", exact=True).click()
            expect(page).to_have_url(f"{program.url}/topics/#candles")
            expect(page.get_by_role("region", name="Newest messages of candles")).to_contain_text('"interval"')
            assert one.complaints == []

            kafka.stop(kill=True)
            try:
                expect(page.get_by_role("alert").filter(has_text="no broker answers").first).to_be_visible()
            finally:
                kafka.start()
            expect(page.get_by_role("alert")).to_have_count(1)  # that prices are simulated
