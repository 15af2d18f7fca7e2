"""Indicators in the stream: at every moment what the same range says, computed once for all who follow them."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import msgspec
import numpy as np
import pytest
from tests.api.scene import (
    BTC,
    ETH,
    FakeBackend,
    Server,
    call,
    candle,
    minute,
    receive,
    serve,
    subscribe,
    trade,
)
from websockets.asyncio.client import ClientConnection

from fulltape.api.client import JOIN_FROM
from fulltape.api.indicator_key import IndicatorKey, parse_indicator
from fulltape.api.live_indicators import Tail
from fulltape.api.messages import CommitMessage
from fulltape.api.subscription import Wants
from fulltape.errors import ConfigError
from fulltape.records import Candle, EmptyReason

pytestmark = pytest.mark.integration

WALK = 100.0 + np.cumsum(np.random.default_rng(5).normal(0, 0.5, 2_000))
ALL = ["RSI@1m", "MACD(fast=5,slow=9)@1m", "SAR@1m", "VWAP@1m", "ICHIMOKU@1m", "SUPERTREND@1m", "MFI@1m"]


def final(number: int, *, revision: int = 0, close: float | None = None, instrument: str = BTC) -> Candle:
    price = float(WALK[number]) if close is None else close
    row = candle(minute(number), instrument, revision=revision, close=price)
    return msgspec.structs.replace(row, high=price + 0.75, low=price - 0.5, volume=1.0 + number % 7)


def quiet(number: int) -> Candle:
    nothing = {"open": None, "high": None, "low": None, "close": None, "vwap": None, "trades": 0, "volume": 0.0}
    return msgspec.structs.replace(final(number), **nothing, quote_volume=0.0, reason=EmptyReason.QUIET)


def going_on(number: int) -> Candle:
    return msgspec.structs.replace(final(number), is_final=False)


async def follow(socket: ClientConnection, *indicators: str, **options: Any) -> None:
    await subscribe(socket, "indicators", indicators=list(indicators), **options)


def merge(told: dict[tuple[str, str], dict[str, Any]], message: dict[str, Any]) -> None:
    """Put the rows of a message among those that were told, as a client does: by indicator and start."""
    told |= {(row["indicator"], row["start"]): row for row in message.get("indicators", ())}


async def over_range(server: Server, text: str) -> dict[tuple[str, str], dict[str, Any]]:
    """Return what the same indicator says over the stored candles that are final."""
    of = parse_indicator(text)
    query = {"instrument": BTC, "interval": of.interval, "name": of.name, **of.values}
    answer = await server.get("/api/v1/indicators", **query, limit=10_000)
    rows = [row for row in answer.json()["indicators"] if row.pop("is_final")]
    return {(of.label, row["start"]): row for row in rows}


def compare(told: dict[tuple[str, str], dict[str, Any]], expected: dict[tuple[str, str], dict[str, Any]]) -> None:
    for key, row in expected.items():
        names = [name for name in row if name != "start"]
        found, wanted = (np.array([one[name] for name in names], float) for one in (told[key], row))
        np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-9, err_msg=f"{key}: {names}")


@pytest.mark.slow
async def test_live_is_what_the_range_says(backend: FakeBackend, server: Server) -> None:
    """Seven indicators over candles that become final, go on, are quiet and are revised."""
    chance = random.Random(3)
    await backend.commit(*(final(n) for n in range(1_200)))
    told: dict[tuple[str, str], dict[str, Any]] = {}
    async with server.stream() as socket:
        await follow(socket, *ALL)
        snapshot = await receive(socket, "snapshot")
        assert len(snapshot["indicators"]) == 300 * len(ALL)
        merge(told, snapshot)
        for number in range(1_200, 1_300):
            rows = [quiet(number) if chance.random() < 0.1 else final(number), going_on(number + 1)]
            if chance.random() < 0.2:
                back = number - chance.randint(1, 250)
                rows.append(final(back, revision=1, close=float(WALK[back]) * chance.uniform(0.999, 1.001)))
            await backend.commit(*rows, trade(number))
            message = await receive(socket, "commit")
            assert message["commit"] == backend.number
            merge(told, message)
        for text in ALL:
            expected = await over_range(server, text)
            newest = {key: row for key, row in expected.items() if key[1] >= snapshot["indicators"][0]["start"]}
            assert len(newest) == 400
            compare(told, newest)


async def test_a_market_that_is_young_is_told_of_from_its_first_candle(backend: FakeBackend, server: Server) -> None:
    told: dict[tuple[str, str], dict[str, Any]] = {}
    async with server.stream() as socket:
        await follow(socket, "RSI(period=3)@1m")
        merge(told, await receive(socket, "snapshot"))
        await backend.commit(final(5))
        merge(told, await receive(socket, "commit"))
        # What was there before is fetched later: all that follows is another then.
        await backend.commit(*(final(n) for n in range(5)))
        merge(told, await receive(socket, "commit"))
        await backend.commit(final(6))
        merge(told, await receive(socket, "commit"))
        expected = await over_range(server, "RSI(period=3)@1m")
        assert len(told) == len(expected) == 7
        compare(told, expected)


async def test_much_history_that_comes_at_once_is_not_told_again(backend: FakeBackend, server: Server) -> None:
    async with server.stream() as socket:
        await follow(socket, "RSI@1m")
        await receive(socket, "snapshot")
        await backend.commit(final(700))
        await receive(socket, "commit")
        await backend.commit(*(final(n) for n in range(700)))
        told = (await receive(socket, "commit"))["indicators"]
        assert [row["start"] for row in told] == [minute_text(n) for n in range(401, 701)]
        expected = await over_range(server, "RSI@1m")
        compare({("RSI(period=14)", row["start"]): row for row in told}, dict(list(expected.items())[-300:]))


@pytest.mark.slow
async def test_commits_during_the_reading_are_not_lost(backend: FakeBackend, server: Server) -> None:
    """Clients that come at every moment of a running market all see what the range says."""
    await backend.commit(*(final(n) for n in range(600)))
    texts = ["EMA(period=5)@1m", "RSI(period=7)@1m", "DONCHIAN@1m"]

    async def one(delay: float, text: str) -> dict[tuple[str, str], dict[str, Any]]:
        await asyncio.sleep(delay)
        told: dict[tuple[str, str], dict[str, Any]] = {}
        async with server.stream() as socket:
            await follow(socket, text)
            merge(told, await receive(socket, "snapshot"))
            last = minute_text(639)
            while not any(start == last for _, start in told):
                merge(told, await receive(socket, "commit"))
        return told

    async with asyncio.TaskGroup() as tasks:
        clients = [tasks.create_task(one(n * 0.004, texts[n % 3])) for n in range(18)]
        for number in range(600, 640):
            await backend.commit(final(number))
    for n, client in enumerate(clients):
        expected = await over_range(server, texts[n % 3])
        compare(client.result(), {key: row for key, row in expected.items() if key[1] >= minute_text(600)})


def minute_text(number: int) -> str:
    return f"{np.datetime64(minute(number), 'ns')}Z"


async def test_who_resumes_is_told_what_has_changed(backend: FakeBackend, server: Server) -> None:
    await backend.commit(*(final(n) for n in range(900)))
    seen = backend.number
    await backend.commit(final(900), going_on(901))
    await backend.commit(final(880, revision=1, close=250.0))
    async with server.stream() as socket:
        await follow(socket, "SMA(period=10)@1m", since=seen)
        message = await receive(socket)
        assert (message["type"], message["commit"]) == ("commit", backend.number)
        assert [row["start"] for row in message["indicators"]] == [minute_text(n) for n in range(880, 901)]
        told: dict[tuple[str, str], dict[str, Any]] = {}
        merge(told, message)
        expected = await over_range(server, "SMA(period=10)@1m")
        compare(told, {key: row for key, row in expected.items() if key[1] >= minute_text(880)})
        await backend.commit(final(901))
        assert [row["start"] for row in (await receive(socket, "commit"))["indicators"]] == [minute_text(901)]


async def test_each_is_computed_once_and_only_while_somebody_follows(
    backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    await backend.commit(*(final(n) for n in range(100)))
    taken: list[str] = []
    take = Tail.take

    def counted(tail: Tail, *rows: Any) -> Any:
        taken.append(tail._key.of.label)
        return take(tail, *rows)

    monkeypatch.setattr(Tail, "take", counted)
    async with serve(backend, status_every_s=0.01) as server:
        async with server.stream() as one, server.stream() as other:
            for socket in (one, other):
                await follow(socket, "RSI@1m")
                await receive(socket, "snapshot")
            await backend.commit(final(100), final(100, instrument=ETH))
            for socket in (one, other):
                (row,) = (await receive(socket, "commit"))["indicators"]
                assert (row["instrument"], row["interval"], row["indicator"]) == (BTC, "1m", "RSI(period=14)")
            assert taken == ["RSI(period=14)"]
        async with asyncio.timeout(120), server.stream() as third:
            await subscribe(third, "trades")
            while True:  # the next second's round has given up what nobody follows
                await receive(third, "status")
                taken.clear()
                await backend.commit(final(101), trade(1))
                await receive(third, "commit")
                if not taken:
                    break


def test_a_slow_client_gets_the_newest_of_each_candle_with_a_count(backend: FakeBackend) -> None:
    of = parse_indicator("RSI@1m")
    wants = Wants(frozenset({"indicators"}), frozenset({0}), frozenset(), (IndicatorKey(0, of),))
    messages = [CommitMessage(backend.build(final(n)), backend.table) for n in range(JOIN_FROM)]
    for n, message in enumerate(messages):
        message.add_indicator(wants.indicators[0], {0: b'{"n":%d}' % n, n + 1: b'{"n":%d}' % (n + 100)})
    joined = msgspec.json.decode(str(CommitMessage.joined(messages, wants)))
    assert joined["indicators"] == [{"n": n} for n in (JOIN_FROM - 1, *range(100, 100 + JOIN_FROM))]
    assert joined["merged"] == {"indicators": JOIN_FROM - 1}


async def test_too_many_are_refused_and_told(backend: FakeBackend) -> None:
    await backend.commit(final(0))
    async with serve(backend, max_indicators=2) as server, server.stream() as socket:
        await follow(socket, "RSI@1m", "EMA@1m", "SMA@1m")
        detail = (await receive(socket, "error"))["detail"]
        assert "0 indicators are followed and 3 more wanted, of 2 at most" in detail
        await follow(socket, "RSI@1m", "EMA@1m")
        assert (await receive(socket))["type"] == "snapshot"


@pytest.mark.parametrize(
    ("indicators", "instruments", "says"),
    [
        ([], [BTC], '"indicators": ["RSI(period=14)@5m"]'),
        (["RSI@1m"], ["*"], "by name"),
        (["RSI"], [BTC], "write it as RSI@5m"),
        (["RSY@1m"], [BTC], "did you mean 'RSI'?"),
        (["RSI(period=1)@1m"], [BTC], "must be a whole number from 2 to 1000"),
        (["RSI(length=9)@1m"], [BTC], "it takes period"),
        (["RSI(period=x)@1m"], [BTC], "not a parameter"),
        (["RSI(period=nan)@1m"], [BTC], "must be a whole number"),
        (["RSI@1x"], [BTC], "unknown interval"),
        (["RSI@7m"], [BTC], "candles of 7m are made when they are asked for; followed can be 1m"),
        (
            ["OBV@1m"],
            [BTC],
            "OBV@1m looks back to the first candle stored, and what is streamed 20,000 at most: ask for it "
            "over a range, or add it up from the candles that you follow: only its changes mean something",
        ),
        (
            ["VWAP@1s"],
            [BTC],
            "VWAP@1s looks back 86,400 candles, and what is streamed 20,000 at most: ask for it over a "
            "range, or follow VWAP@1m, or `vwap_session` of the kind `stats`, which is told once a second",
        ),
        (["DEMA(period=1000)@1m"], [BTC], "at most: ask for it over a range"),
        (["RSI@1m"], ["BTC-USD.COINBAS"], BTC),
    ],
)
async def test_what_cannot_be_followed_is_told(
    indicators: list[str], instruments: list[str], says: str, backend: FakeBackend, server: Server
) -> None:
    await backend.commit(final(0))
    async with server.stream() as socket:
        await follow(socket, *indicators, instruments=instruments)
        assert says in (await receive(socket, "error"))["detail"]


async def test_events_carry_them_too(backend: FakeBackend) -> None:
    async with call(backend) as api:
        answer = await api.get("/api/v1/events", instruments=BTC, kinds="indicators", indicators="RSI@1m;RSY@1m")
        assert (answer.status_code, "did you mean 'RSI'?" in answer.json()["detail"]) == (400, True)


@pytest.mark.parametrize("text", ["RSI@5m", "rsi(period=14)@5m", "RSI( period = 14 )@300s"])
def test_one_indicator_has_one_name(text: str) -> None:
    of = parse_indicator(text)
    assert (of.label, of.interval, of) == ("RSI(period=14)", "5m", parse_indicator("RSI@5m"))


def test_a_text_without_end_is_no_indicator() -> None:
    with pytest.raises(ConfigError, match="not an indicator"):
        parse_indicator("RSI(" * 5_000)
