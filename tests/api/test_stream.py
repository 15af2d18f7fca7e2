"""The WebSocket, against a running server."""

from __future__ import annotations

from tests.api.scene import BTC, ETH, Api, FakeBackend, candle, last, minute, receive, subscribe, trade


async def test_snapshot_then_commits(backend: FakeBackend, api: Api) -> None:
    await backend.commit(trade(1), trade(2), trade(1, ETH), candle(minute(0)), last(2))
    async with api.stream() as socket:
        await subscribe(socket, "trades", "candles", "last", intervals=["1m"])
        snapshot = await receive(socket)
        assert snapshot["type"] == "snapshot"
        assert snapshot["commit"] == 1
        assert [i["id"] for i in snapshot["instruments"]] == [BTC]
        assert [t["trade_id"] for t in snapshot["trades"]] == ["1", "2"]
        assert [(c["instrument"], c["interval"]) for c in snapshot["candles"]] == [(BTC, "1m")]
        assert [row["trade_id"] for row in snapshot["last"]] == ["2"]
        assert (await receive(socket))["type"] == "status"
        await backend.commit(trade(9, ETH))
        await backend.commit(trade(3))
        commit = await receive(socket, "commit")
        assert (commit["commit"], [t["trade_id"] for t in commit["trades"]]) == (3, ["3"])
