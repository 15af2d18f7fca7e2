from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, get_args

import pytest
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

from fulltape.api.subscription import Kind as Streamed
from fulltape.cli.output import SIMULATED
from fulltape.cli.tail import Kind

pytestmark = pytest.mark.integration

Run = Callable[..., Any]

TRADE = {"instrument": "BTC-USD.COINBASE", "trade_id": "1", "price": 101.5, "note": 'a "b", c', "none": None}


class Stream:
    """A server that answers every subscription with the messages it was told."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = [{"type": "snapshot", "simulated": False}]
        self.wanted: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.url = ""

    def answer(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        self.paths.append(socket.request.path)
        self.wanted.append(json.loads(socket.recv()))
        for message in self.messages:
            socket.send(json.dumps(message))


@pytest.fixture
def stream() -> Iterator[Stream]:
    told = Stream()
    with serve(told.answer, "127.0.0.1", 0) as server:
        told.url = f"http://127.0.0.1:{server.socket.getsockname()[1]}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield told
        server.shutdown()
        thread.join()


def test_records_are_printed_as_they_are_committed(run: Run, stream: Stream) -> None:
    stream.messages += [
        {"type": "status", "status": {}},
        {"type": "commit", "commit": 2, "trades": [TRADE, TRADE]},
        {"type": "commit", "commit": 3, "trades": [TRADE, TRADE]},
    ]
    result = run("tail", "BTC-USD.COINBASE", "--url", stream.url, "-n", "3")
    assert result.code == 0
    assert result.err == ""
    line = 'trades  instrument=BTC-USD.COINBASE  trade_id=1  price=101.5  note=a "b", c'
    assert result.out.splitlines() == [line] * 3
    assert stream.paths == ["/api/v1/stream"]
    assert stream.wanted == [
        {"op": "subscribe", "instruments": ["BTC-USD.COINBASE"], "kinds": ["trades"], "intervals": ["1m"]}
    ]


def test_candles_that_may_never_come_are_told(run: Run, stream: Stream) -> None:
    stream.messages[0]["candles"] = [{"interval": "1m"}]
    stream.messages.append({"type": "commit", "commit": 2, "candles": [{"interval": "1m"}]})
    asked = ("tail", "--url", stream.url, "--kind", "candles", "-n", "1")
    assert run(*asked, "--interval", "60s").err == ""
    result = run(*asked, "--interval", "1m", "--interval", "7m")
    assert result.code == 0
    assert result.err.startswith("no candle of 7m is stored yet: followed can be [candles] intervals")


def test_kinds_and_intervals_are_asked_for(run: Run, stream: Stream) -> None:
    stream.messages.append({"type": "commit", "commit": 2, "candles": [{"interval": "5m"}], "last": [{"price": 1}]})
    arguments = ("--kind", "candles", "--kind", "last", "--interval", "5m", "--format", "json", "-n", "2")
    result = run("tail", "--url", stream.url, *arguments)
    assert [json.loads(line) for line in result.out.splitlines()] == [
        {"kind": "candles", "interval": "5m"},
        {"kind": "last", "price": 1},
    ]
    assert stream.wanted[0]["instruments"] == ["*"]
    assert stream.wanted[0]["intervals"] == ["5m"]


def test_csv_has_one_heading(run: Run, stream: Stream) -> None:
    stream.messages.append({"type": "commit", "commit": 2, "trades": [TRADE, TRADE]})
    result = run("tail", "--url", stream.url, "--format", "csv", "-n", "2")
    row = 'BTC-USD.COINBASE,1,101.5,"a ""b"", c",'
    assert result.out.splitlines() == ["instrument,trade_id,price,note,none", row, row]


def test_simulated_prices_are_labelled(run: Run, stream: Stream) -> None:
    stream.messages = [{"type": "snapshot", "simulated": True}, {"type": "commit", "commit": 2, "trades": [TRADE]}]
    assert SIMULATED in run("tail", "--url", stream.url, "-n", "1").err


def test_what_the_server_refuses_is_told(run: Run, stream: Stream) -> None:
    stream.messages = [{"type": "error", "detail": "unknown instrument 'X'"}]
    result = run("tail", "X", "--url", stream.url)
    assert (result.code, result.err) == (2, "error: unknown instrument 'X'\n")


def test_the_end_of_the_server_is_told(run: Run, stream: Stream) -> None:
    result = run("tail", "--url", stream.url)
    assert (result.code, result.err) == (1, "error: fulltape has stopped\n")


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "nonsense"])
def test_a_server_that_is_not_there_is_explained(run: Run, url: str) -> None:
    result = run("tail", "--url", url)
    assert result.code == 2
    assert "http://127.0.0.1:8000" in result.err or "fulltape up" in result.err


def test_the_end_of_the_reader_is_not_taken_for_the_servers(
    run: Run, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    def into_closed_pipe(_: str) -> None:
        raise BrokenPipeError

    stream.messages.append({"type": "commit", "trades": [TRADE]})
    monkeypatch.setattr(sys, "stdout", sys.stdout)  # the program closes it, which ends with this test
    monkeypatch.setattr("fulltape.cli.tail.typer.echo", into_closed_pipe)
    result = run("tail", "--url", stream.url)
    assert (result.code, result.err) == (141, "")


def test_ctrl_c_leaves_quietly(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(coroutine: Any) -> None:
        coroutine.close()
        raise KeyboardInterrupt

    monkeypatch.setattr(asyncio, "run", interrupted)
    result = run("tail")
    assert (result.code, result.err) == (0, "")


def test_a_refusal_is_told_in_the_servers_words(run: Run) -> None:
    def refuse(socket: ServerConnection, request: Request) -> Response:
        return socket.respond(401, '{"detail": "needs a token of scope read"}')

    with serve(lambda _: None, "127.0.0.1", 0, process_request=refuse) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        result = run("tail", "--url", f"http://127.0.0.1:{server.socket.getsockname()[1]}")
        server.shutdown()
        thread.join()
    assert (result.code, result.err) == (2, "error: refused: needs a token of scope read\n")


def test_indicators_are_followed_by_their_text(run: Run, stream: Stream) -> None:
    row = {"instrument": "BTC-USD.COINBASE", "interval": "5m", "indicator": "RSI(period=14)", "rsi": 61.5}
    stream.messages.append({"type": "commit", "commit": 2, "indicators": [row]})
    result = run("tail", "BTC-USD.COINBASE", "--indicator", "RSI@5m", "--url", stream.url, "-n", "1")
    assert "rsi=61.5" in result.out
    assert (stream.wanted[0]["kinds"], stream.wanted[0]["indicators"]) == (["indicators"], ["RSI@5m"])


def test_every_kind_of_the_stream_can_be_followed() -> None:
    assert {kind.value for kind in Kind} == set(get_args(Streamed))
