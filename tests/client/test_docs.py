"""The examples of docs/client.md run as they stand."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from tests.api.scene import BTC, FakeBackend, Server, candle, minute, quote, trade

PAGE = Path(__file__).resolve().parents[2] / "docs" / "client.md"


async def test_the_examples_run(
    backend: FakeBackend, server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    await backend.commit(trade(1), trade(2), quote(1), candle(minute(0)))
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 4
    script = "\n".join(blocks).replace("Client()", f'Client("http://127.0.0.1:{server.port}")')
    names: dict[str, object] = {}
    await asyncio.to_thread(exec, compile(script, str(PAGE), "exec"), names)  # what is run is our own page
    assert names["table"].num_rows == 1  # type: ignore[attr-defined]
    assert names["rsi"].column_names == ["start", "is_final", "rsi"]  # type: ignore[attr-defined]
    assert names["falls"].num_rows == 100  # type: ignore[attr-defined]
    assert names["frame"]["trade_id"].tolist() == ["1", "2"]  # type: ignore[index]
    assert names["count"].to_pylist() == [{"instrument": BTC, "trades": 2}]  # type: ignore[attr-defined]
    assert capsys.readouterr().out == "1 2 1\n"
    names["tape"].close()  # type: ignore[attr-defined]
