"""Commits that wait for a slow client go as one message: nothing of trades is lost, of quotes the newest stays."""

from __future__ import annotations

from typing import Any

import msgspec
from tests.api.scene import BTC, ETH, FakeBackend, quote, trade
from tests.conformance.samples import stat

from fulltape.api.client import JOIN_FROM, Client
from fulltape.api.messages import CommitMessage
from fulltape.api.subscription import Wants

WANTS = Wants(frozenset({"trades", "quotes", "stats"}), None, frozenset())


async def taken(client: Client) -> dict[str, Any]:
    text = await client.next_text()
    assert text is not None
    message: dict[str, Any] = msgspec.json.decode(text.encode())
    return message


def waiting(backend: FakeBackend, count: int) -> Client:
    client = Client(200, on_slow=lambda: None)
    client.begin(WANTS)
    client.go_on(0, (), "{}")
    for n in range(1, count + 1):
        rows = [trade(n), quote(2 * n), quote(2 * n + 1), quote(n, ETH)]
        rows += [stat(trade_id=str(n))] if n == 1 else []
        client.offer(CommitMessage(backend.build(*rows), backend.table))
    return client


async def test_many_that_wait_become_one(backend: FakeBackend) -> None:
    client = waiting(backend, JOIN_FROM + 1)
    await client.next_text()  # the status
    message = await taken(client)
    count = JOIN_FROM + 1
    assert message["commit"] == count
    assert [row["trade_id"] for row in message["trades"]] == [str(n) for n in range(1, count + 1)]
    assert [(row["instrument"], row["bid"]) for row in message["quotes"]] == [
        (BTC, 99.0 + 2 * count + 1),
        (ETH, 99.0 + count),
    ]
    assert message["merged"] == {"quotes": 3 * count - 2}  # the only row of stats stands for itself
    assert [i["id"] for i in message["instruments"]] == [BTC, ETH]


async def test_few_that_wait_stay_what_they_are(backend: FakeBackend) -> None:
    client = waiting(backend, 2)
    await client.next_text()
    for number in (1, 2):
        message = await taken(client)
        assert (message["commit"], len(message["quotes"])) == (number, 3)
        assert "merged" not in message


async def test_of_nothing_that_is_wanted_there_is_no_message(backend: FakeBackend) -> None:
    client = Client(200, on_slow=lambda: None)
    client.begin(Wants(frozenset({"coins"}), frozenset({9}), frozenset()))
    client.go_on(0, (), "{}")
    for n in range(1, 20):
        client.offer(CommitMessage(backend.build(trade(n)), backend.table))
    await client.next_text()
    client.offer('{"type":"error"}')
    assert await client.next_text() == '{"type":"error"}'
