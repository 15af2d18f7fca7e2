"""``instruments`` against an API that answers as told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import msgspec
import pytest

pytestmark = pytest.mark.integration

SOL = {
    "id": "SOL-USD.COINBASE", "followed": True, "status": "online", "venue_symbol": "SOL-USD",
    "price_step": 0.01, "size_step": 1e-8, "base": "SOL", "quote": "USD", "venue": "COINBASE",
}  # fmt: skip
Asked = list[tuple[str, str, str | None, bytes]]
Run = Callable[..., Any]


@contextmanager
def answering(body: object, status: int = 200) -> Iterator[tuple[str, Asked]]:
    """Run a server that gives one answer; yield its address and what it was asked."""
    asked: Asked = []

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            asked.append((self.command, self.path, self.headers.get("Authorization"), sent))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body if isinstance(body, bytes) else msgspec.json.encode(body))

        do_GET = do_POST = do_DELETE = answer

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


def listing(*rows: object, simulated: bool = False) -> dict[str, object]:
    return {"simulated": simulated, "instruments": rows}


def test_lists_what_the_database_has_seen(run: Run) -> None:
    with answering(listing(SOL, simulated=True)) as (url, asked):
        result = run("instruments", "list", "*-USD.COINBASE", "--url", url, "--format", "csv")
    assert asked[0][:2] == ("GET", "/api/v1/instruments?pattern=%2A-USD.COINBASE")
    assert result.out.splitlines() == [
        "id,followed,status,venue_symbol,price_step,size_step",
        "SOL-USD.COINBASE,True,online,SOL-USD,0.01,1e-08",
    ]
    assert "SIMULATED" in result.err


def test_lists_what_a_venue_offers_if_only_nothing(run: Run) -> None:
    with answering(listing()) as (url, asked):
        result = run("instruments", "list", "--venue", "co/in", "--url", url, "--format", "csv")
    assert asked[0][1] == "/api/v1/venues/co%2Fin/instruments"
    assert result.out.splitlines() == ["id,followed,status,venue_symbol,price_step,size_step"]


def test_adds_with_the_token_of_the_environment(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FULLTAPE_TOKEN", "ft_secret")
    with answering(listing(SOL)) as (url, asked):
        result = run("instruments", "add", SOL["id"], "*-EUR.COINBASE", "--url", url + "/")
    body = msgspec.json.encode({"instruments": [SOL["id"], "*-EUR.COINBASE"]})
    assert asked == [("POST", "/api/v1/instruments", "Bearer ft_secret", body)]
    assert (result.code, result.out) == (0, "")
    assert "follows SOL-USD.COINBASE" in result.err


def test_removes_one_after_the_other(run: Run) -> None:
    with answering(listing()) as (url, asked):
        result = run("instruments", "remove", SOL["id"], "*-EUR.COINBASE", "--url", url)
    assert [one[:2] for one in asked] == [
        ("DELETE", "/api/v1/instruments/SOL-USD.COINBASE"),
        ("DELETE", "/api/v1/instruments/%2A-EUR.COINBASE"),
    ]
    assert "no longer follows nothing" in result.err


@pytest.mark.parametrize(
    ("status", "body", "code", "words"),
    [
        (404, {"detail": "COINBASE has no SOLL-USD (did you mean 'SOL-USD'?)"}, 2, "did you mean 'SOL-USD'"),
        (401, {"detail": "needs a token of scope write"}, 2, "needs a token"),
        (503, {"detail": "COINBASE: no list yet"}, 1, "no list yet"),
        (404, b"<html>", 2, "answers 404, not as fulltape does"),
    ],
)
def test_refusals_are_told_in_the_apis_words(run: Run, status: int, body: object, code: int, words: str) -> None:
    with answering(body, status) as (url, _):
        result = run("instruments", "add", "SOLL-USD.COINBASE", "--url", url)
    assert result.code == code
    assert words in result.err


@pytest.mark.parametrize(
    ("url", "words"), [("http://127.0.0.1:1", "no fulltape answers"), ("here", "not an address"), ("ftp://x", "not an")]
)
def test_without_a_running_fulltape_it_says_so(run: Run, url: str, words: str) -> None:
    result = run("instruments", "list", "--url", url)
    assert result.code == 2
    assert words in result.err
