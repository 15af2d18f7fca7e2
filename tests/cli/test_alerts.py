"""``alerts`` against an API that answers as told, and against a web hook."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.cli.conftest import Run
from tests.cli.test_instruments import answering

CLEARED: dict[str, Any] = {
    "instrument": "BTC-USD.COINBASE", "rule": "fast_move", "number": 1, "kind": "MOVE", "state": "CLEARED",
    "figure": "change_5m", "value": None, "threshold": 3.0, "detail": "nothing was heard", "origin": "LIVE",
    "event_time": "2026-11-28T12:00:00.000000000Z", "ingest_time": "2026-11-28T12:00:01.000000000Z",
}  # fmt: skip
ETH = CLEARED | {"instrument": "ETH-USD.COINBASE", "state": "RAISED", "value": -3.5}


def page(*rows: dict[str, Any], simulated: bool = False) -> dict[str, Any]:
    return {"simulated": simulated, "alerts": list(rows), "next": None}


@pytest.mark.integration
def test_the_newest_are_listed_first(run: Run) -> None:
    with answering(page(ETH, CLEARED, simulated=True)) as (url, asked):
        found = run("alerts", "list", "--url", url, "-n", "2")
    assert asked[0][:2] == ("GET", "/api/v1/alerts?order=desc&limit=2")
    lines = [line for line in found.out.splitlines() if "COINBASE" in line]
    assert found.code == 0
    assert [("RAISED" in line, "-3.5" in line) for line in lines] == [(True, True), (False, False)]
    assert "SIMULATED" in found.err


@pytest.mark.integration
def test_those_that_go_on_of_one_instrument_as_json(run: Run) -> None:
    with answering(page(ETH, CLEARED)) as (url, asked):
        found = run("alerts", "list", "ETH-USD.COINBASE", "--active", "--url", url, "--format", "json")
    assert asked[0][1] == "/api/v1/alerts/active"
    assert msgspec.json.decode(found.out) == [ETH]


def config(folder: Path, text: str) -> str:
    path = folder / "fulltape.toml"
    path.write_text(text)
    return str(path)


PHONE = '[notify.phone]\nurl_variable = "T_PHONE_URL"\n'


@pytest.mark.integration
@pytest.mark.parametrize(("status", "code", "says"), [(200, 0, "phone took the message"), (403, 1, "status 403")])
def test_a_target_is_tried(
    status: int, code: int, says: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with answering({}, status) as (url, asked):
        monkeypatch.setenv("T_PHONE_URL", url.replace("http", "json") + "/t0ken")
        found = run("alerts", "test", "phone", "--config", config(tmp_path, PHONE))
    assert (found.code, says in found.err) == (code, True)
    assert asked[0][:2] == ("POST", "/t0ken")
    assert b"will be told of alerts" in asked[0][3]
    assert "t0ken" not in found.err


def test_a_target_that_is_not_there_is_named_nearly(run: Run, tmp_path: Path) -> None:
    found = run("alerts", "test", "phon", "--config", config(tmp_path, PHONE))
    assert found.code == 2
    assert "there is no [notify.phon] (did you mean 'phone'?)" in found.err


@pytest.mark.parametrize("command", [("config", "check"), ("alerts", "test", "phone", "--config")])
@pytest.mark.parametrize(
    ("url", "says"),
    [
        (None, "[notify.phone]: the environment variable T_PHONE_URL is not set"),
        ("t0ken", "[notify.phone]: the environment variable T_PHONE_URL holds no address that Apprise knows"),
    ],
)
def test_what_a_target_lacks_is_told_without_connecting(
    command: tuple[str, ...], url: str | None, says: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if url is not None:
        monkeypatch.setenv("T_PHONE_URL", url)
    found = run(*command, config(tmp_path, PHONE))
    assert found.code == 2
    assert says in found.err
    assert "t0ken" not in found.err


def test_a_target_that_is_switched_off_needs_no_address(run: Run, tmp_path: Path) -> None:
    assert run("config", "check", config(tmp_path, PHONE + "enabled = false\n")).code == 0
