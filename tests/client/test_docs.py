"""The examples of docs/client.md and README.md run as they stand."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from tests.api.scene import BTC, FakeBackend, Server, candle, minute, quote, trade

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]
CLIENT, README = ROOT / "docs" / "client.md", ROOT / "README.md"
PAGES = {page: page.read_text(encoding="utf-8") for page in (CLIENT, README)}
OURS = "http://127.0.0.1:8000"


async def run(page: Path, server: Server, blocks: int) -> dict[str, object]:
    """Run all Python of a page as one script, and return its names."""
    found = re.findall(r"```python\n(.*?)```", PAGES[page], re.DOTALL)
    assert len(found) == blocks
    script = "\n".join(found).replace("Client()", f'Client("http://127.0.0.1:{server.port}")')
    names: dict[str, object] = {}
    await asyncio.to_thread(exec, compile(script, str(page), "exec"), names)  # what is run is our own page
    names["tape"].close()  # type: ignore[attr-defined]
    return names


async def test_the_examples_run(
    backend: FakeBackend, server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    await backend.commit(trade(1), trade(2), quote(1), candle(minute(0)))
    names = await run(CLIENT, server, blocks=4)
    assert names["table"].num_rows == 1  # type: ignore[attr-defined]
    assert names["rsi"].column_names == ["start", "is_final", "rsi"]  # type: ignore[attr-defined]
    assert names["falls"].num_rows == 100  # type: ignore[attr-defined]
    assert names["frame"]["trade_id"].tolist() == ["1", "2"]  # type: ignore[index]
    assert names["count"].to_pylist() == [{"instrument": BTC, "trades": 2}]  # type: ignore[attr-defined]
    assert capsys.readouterr().out == "1 2 1\n"


async def test_a_minute_with_it(backend: FakeBackend, server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    await backend.commit(trade(1), trade(2), quote(1), candle(minute(0)))
    asked = re.findall(rf"'{OURS}(/\S+)'", PAGES[README])
    assert len(asked) == 4
    for call in asked:
        async with server.http.stream("GET", call) as answer:
            assert answer.status_code == 200, call
            first = await anext(answer.aiter_lines())
            assert first, call
    names = await run(README, server, blocks=1)
    assert names["minutes"]["close"].tolist() == [candle(minute(0)).close]  # type: ignore[index]
    assert names["busiest"].column("instrument").to_pylist() == [BTC]  # type: ignore[attr-defined]
    assert capsys.readouterr().out.endswith(" 2\n")
