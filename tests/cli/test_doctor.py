from __future__ import annotations

import importlib.metadata
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.kafka.broker import Broker
from tests.ports import silent_port

from fulltape.cli import doctor, wiring
from fulltape.cli.doctor import Finding, Verdict, examine
from fulltape.errors import ConfigError

Run = Callable[..., Any]


@pytest.fixture
def venue_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


@pytest.fixture
def config(tmp_path: Path, venue_port: int) -> Callable[[str], Path]:
    def write(extra: str = "") -> Path:
        path = tmp_path / "fulltape.toml"
        path.write_text(
            f"[server]\nport = 0\n[store]\npath = '{tmp_path}/x.duckdb'\n"
            f"[venues.coinbase]\nurl = 'ws://127.0.0.1:{venue_port}'\nrest_url = 'http://127.0.0.1:{venue_port}'\n{extra}"
        )
        return path

    return write


def find(findings: list[Finding], what: str) -> Finding:
    return next(one for one in findings if one.what == what)


@pytest.mark.integration
def test_all_is_well(run: Run, config: Callable[[str], Path]) -> None:
    result = run("doctor", "--config", str(config("")), "--dev")
    assert result.code == 0
    assert "127.0.0.1 answers" in result.out
    assert "numba" in result.out


def test_a_bad_configuration_is_bad_and_ends_the_examination(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text("[sever]")
    result = run("doctor", "--config", str(path))
    assert result.code == 1
    assert "did you mean 'server'" in result.out


@pytest.mark.integration
def test_missing_parts_say_what_to_do(config: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    monkeypatch.setattr(wiring, "dashboard_directory", lambda: None)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1))
    findings = list(examine(config(""), dev=True))
    assert find(findings, "packages").verdict is Verdict.BAD
    for what in ("dashboard", "chromium", "node", "disk"):
        assert find(findings, what).verdict is Verdict.WARNING
        assert find(findings, what).advice


@pytest.mark.integration
def test_the_database_is_opened(config: Callable[[str], Path], database: Callable[[bool], Path]) -> None:
    path = database(True)
    text = config("").read_text().replace("x.duckdb", path.name)
    file = config("")
    file.write_text(text)
    assert "SIMULATED prices, 1 commits" in find(list(examine(file, dev=False)), "database").detail
    path.write_bytes(b"not a database" * 100)
    assert find(list(examine(file, dev=False)), "database").verdict is Verdict.WARNING


@pytest.mark.integration
def test_a_folder_that_cannot_be_written_is_bad(config: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    file = config("[capture]\nenabled = true\ndirectory = 'missing/captures'\n")
    monkeypatch.setattr(Path, "touch", refuse)
    findings = list(examine(file, dev=False))
    assert find(findings, "database").verdict is Verdict.BAD
    assert find(findings, "recordings").verdict is Verdict.BAD


@pytest.mark.integration
def test_a_folder_that_does_not_exist_is_bad(config: Callable[[str], Path]) -> None:
    file = config("")
    file.write_text(file.read_text().replace("/x.duckdb", "/gone/x.duckdb"))
    assert find(list(examine(file, dev=False)), "disk").verdict is Verdict.BAD


@pytest.mark.integration
def test_a_taken_port_and_a_silent_venue_are_warnings(config: Callable[[str], Path], venue_port: int) -> None:
    file = config("")
    text = file.read_text().replace("port = 0", f"port = {venue_port}")
    with silent_port() as silent:
        file.write_text(text.replace(f"'ws://127.0.0.1:{venue_port}'", f"'ws://127.0.0.1:{silent}'"))
        findings = list(examine(file, dev=False))
    assert find(findings, "port").verdict is Verdict.WARNING
    assert f"port {venue_port} is in use" in find(findings, "port").detail
    assert find(findings, "COINBASE").verdict is Verdict.WARNING


@pytest.mark.integration
@pytest.mark.parametrize(
    ("keys", "verdict", "detail"),
    [
        ((), Verdict.BAD, "none in the environment"),
        (("KEY",), Verdict.BAD, "not FULLTAPE_ALPACA_SECRET"),
        (("KEY", "SECRET"), Verdict.GOOD, "FULLTAPE_ALPACA_KEY and FULLTAPE_ALPACA_SECRET: set"),
    ],
)
def test_keys_are_there_or_not_and_never_shown(
    config: Callable[[str], Path],
    venue_port: int,
    monkeypatch: pytest.MonkeyPatch,
    keys: tuple[str, ...],
    verdict: Verdict,
    detail: str,
) -> None:
    for name in ("KEY", "SECRET"):
        monkeypatch.delenv(f"FULLTAPE_ALPACA_{name}", raising=False)
    for name in keys:
        monkeypatch.setenv(f"FULLTAPE_ALPACA_{name}", "hush")
    here = f"127.0.0.1:{venue_port}"
    file = config(f"[venues.alpaca]\nurl = 'ws://{here}'\nrest_url = 'http://{here}'\n")
    findings = list(examine(file, dev=False))
    found = find(findings, "ALPACA keys")
    assert (found.verdict, detail in found.detail) == (verdict, True)
    assert "hush" not in repr(findings)
    assert not any(one.what == "COINBASE keys" for one in findings)


@pytest.mark.integration
def test_a_venue_without_a_stream_is_asked_where_it_has_something(
    config: Callable[[str], Path], venue_port: int
) -> None:
    file = config(f"[venues.livecoinwatch]\nrest_url = 'http://127.0.0.1:{venue_port}'\n")
    assert [one.verdict for one in examine(file, dev=False) if one.what == "LIVECOINWATCH"] == [Verdict.GOOD]


@pytest.mark.integration
def test_a_switched_off_venue_is_not_asked(config: Callable[[str], Path]) -> None:
    assert all(one.what != "COINBASE" for one in examine(config("enabled = false\n"), dev=False))


def test_default_ports_follow_the_scheme(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int]] = []

    def connect(address: tuple[str, int], timeout: float) -> socket.socket:
        asked.append(address)
        raise TimeoutError("timed out")

    monkeypatch.setattr(socket, "create_connection", connect)
    for url in ("wss://a/feed", "http://b"):
        assert doctor._reachable("X", url).verdict is Verdict.WARNING
    assert asked == [("a", 443), ("b", 80)]


@pytest.mark.integration
def test_an_address_of_another_machine_cannot_be_listened_on() -> None:
    with pytest.raises(ConfigError, match=r"cannot listen on 192\.0\.2\.1"):
        wiring.listen("192.0.2.1", 0)


@pytest.mark.slow
def test_kafka_that_is_away_is_a_warning_and_without_a_password_bad(config: Callable[[str], Path]) -> None:
    with silent_port() as port:
        brokers = f"[kafka]\nbootstrap = ['127.0.0.1:{port}']\n"
        away = find(list(examine(config(brokers), dev=False)), "Kafka")
        assert away.verdict is Verdict.WARNING
        assert f"no broker answers at 127.0.0.1:{port}" in away.detail
        closed = find(list(examine(config(f"{brokers}security = 'sasl_ssl'"), dev=False)), "Kafka")
    assert closed.verdict is Verdict.BAD
    assert "FULLTAPE_KAFKA_PASSWORD" in closed.detail


@pytest.mark.slow
def test_kafka_is_looked_at(config: Callable[[str], Path], broker: Broker) -> None:
    brokers = f"[kafka]\nbootstrap = ['{broker.bootstrap}']\nprefix = 'doctor.'"
    found = find(list(examine(config(brokers), dev=False)), "Kafka")
    assert (found.verdict, found.detail) == (Verdict.GOOD, f"{broker.bootstrap}: 0 topics of fulltape")
