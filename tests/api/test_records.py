"""Trades, quotes, candles, coverage, last: REST."""

from __future__ import annotations

from tests.api.scene import BTC, Api, FakeBackend, trade


async def test_trades_come_in_order_with_wire_forms(backend: FakeBackend, api: Api) -> None:
    await backend.commit(trade(2), trade(1))
    answer = await api.get("/api/v1/trades", instrument=BTC)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert [row["trade_id"] for row in body["trades"]] == ["1", "2"]
    assert body["next"] is None
    assert body["simulated"] is False
