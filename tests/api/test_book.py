"""GET /api/v1/book: levels as the engine holds them, and in words why there are none."""

from __future__ import annotations

from typing import Any

import pytest
from tests.api.scene import BTC, ETH, Api, FakeBackend

from fulltape.books.l2 import Book, Message
from fulltape.records import BookSide

BID, ASK = BookSide.BID, BookSide.ASK
ROWS = [(BID, 99.0, 1.0), (BID, 98.0, 2.0), (BID, 97.5, 0.5), (ASK, 101.0, 3.0)]


@pytest.fixture
def book(backend: FakeBackend) -> Book:
    backend.following.ids.update((BTC, ETH))
    backend.books[0] = Book()
    backend.books[0].take(Message(ROWS, is_snapshot=True))
    return backend.books[0]


async def problem(api: Api, status: int, **query: Any) -> str:
    answer = await api.get("/api/v1/book", **query)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    detail: str = answer.json()["detail"]
    return detail


async def test_levels_come_with_the_best_first(backend: FakeBackend, book: Book, api: Api) -> None:
    answer = await api.get("/api/v1/book", instrument=BTC)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert answer.json() == {
        "simulated": False,
        "instrument": BTC,
        "commit": 0,
        "time": "2027-01-15T08:00:00.000000000Z",
        "state": "live",
        "bids": [[99.0, 1.0], [98.0, 2.0], [97.5, 0.5]],
        "asks": [[101.0, 3.0]],
    }
    backend.simulated = True
    body = (await api.get("/api/v1/book", instrument=BTC, levels=2)).json()
    assert (body["simulated"], body["bids"], body["asks"]) == (True, [[99.0, 1.0], [98.0, 2.0]], [[101.0, 3.0]])


async def test_crossed_and_empty_books_are_shown_as_they_are(book: Book, api: Api) -> None:
    book.take(Message([(BID, 102.0, 1.0)], is_snapshot=False))
    body = (await api.get("/api/v1/book", instrument=BTC, levels=1)).json()
    assert (body["state"], body["bids"], body["asks"]) == ("crossed", [[102.0, 1.0]], [[101.0, 3.0]])
    book.take(Message([], is_snapshot=True))
    body = (await api.get("/api/v1/book", instrument=BTC)).json()
    assert (body["state"], body["bids"], body["asks"]) == ("live", [], [])


async def test_a_book_that_waits_for_a_snapshot_is_to_be_asked_again(book: Book, api: Api) -> None:
    book.invalidate("message 7 follows 6, the book is at 4")
    detail = await problem(api, 503, instrument=BTC)
    assert detail == f"the book of {BTC} waits for a snapshot: message 7 follows 6, the book is at 4"
    assert (await api.get("/api/v1/book", instrument=BTC)).headers["retry-after"] == "1"


async def test_why_there_is_no_book_is_said(backend: FakeBackend, book: Book, api: Api) -> None:
    assert "the nearest are BTC-USD.COINBASE" in await problem(api, 404, instrument="BTC-USD.COINBSE")
    assert "needs `book` among the `channels`" in await problem(api, 404, instrument=ETH)
    backend.following.ids.clear()
    book.invalidate("the connection was lost")
    assert await problem(api, 404, instrument=BTC) == f"{BTC} is not followed: no book of it is kept"
    assert "levels" in await problem(api, 400, instrument=BTC, levels=201)
    assert "instrument" in await problem(api, 400)
