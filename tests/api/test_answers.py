"""Answers about the past: kept until a commit changes them, tagged, compressed for whoever accepts it."""

from __future__ import annotations

import gzip
from typing import Any

import httpx
import pytest
import zstandard
from litestar import Response
from tests.api.scene import BTC, ETH, START_NS, Api, FakeBackend, Server, call, candle, minute, trade

from fulltape.api.answers import Answer, Answers, Basis
from fulltape.api.packing import encoding_for
from fulltape.clock import SECOND_NS, format_rfc3339

RANGE = {"instrument": BTC, "interval": "1m", "end": format_rfc3339(minute(30))}
PLAIN = {"accept-encoding": "identity"}


async def ask(api: Api, **headers: str) -> httpx.Response:
    return await api.http.get("/api/v1/candles", params=RANGE, headers={**PLAIN, **headers})


async def hits(api: Api) -> float:
    lines = (await api.get("/metrics")).text.splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("fulltape_api_kept_answers_total"))


@pytest.mark.integration
async def test_the_past_is_answered_from_memory_until_it_changes(backend: FakeBackend, server: Server) -> None:
    await backend.commit(*(candle(minute(n)) for n in range(40)))
    first = await ask(server)
    assert (await ask(server)).content == first.content
    assert await hits(server) == 1
    await backend.commit(candle(minute(31), close=9.0), candle(minute(3), ETH, close=9.0), trade(1))
    assert (await ask(server)).content == first.content
    assert await hits(server) == 2
    await backend.commit(candle(minute(29), close=8.0, revision=1))
    async with server.stream():  # connecting takes a turn of the loop: the hub has read the commit
        changed = await ask(server)
    assert changed.json()["candles"][29]["close"] == 8.0
    assert changed.headers["etag"] != first.headers["etag"]


async def test_an_open_end_is_never_kept(backend: FakeBackend, api: Api) -> None:
    await backend.commit(candle(minute(0)))
    for _ in range(2):
        answer = await api.get("/api/v1/candles", instrument=BTC, interval="1m")
        assert (answer.headers["cache-control"], "etag" in answer.headers) == ("no-store", False)
    assert await hits(api) == 0


async def test_who_has_it_already_is_told_so(backend: FakeBackend, api: Api) -> None:
    await backend.commit(candle(minute(0)))
    tag = 'W/"nothing"'
    for answer in [await ask(api, **{"if-none-match": tag}), await ask(api)]:
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-cache")
        assert answer.headers.get_list("content-type") == ["application/json"]
        tag = answer.headers["etag"]
    again = await ask(api, **{"if-none-match": f'"x", {tag}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)


async def test_a_tag_holds_when_nothing_is_kept(backend: FakeBackend) -> None:
    await backend.commit(candle(minute(0)))
    async with call(backend, answers_bytes=0) as api:
        tag = (await ask(api)).headers["etag"]
        assert (await ask(api, **{"if-none-match": tag})).status_code == 304
        assert await hits(api) == 0


@pytest.mark.parametrize("path", ["candles", "instruments"])
async def test_answers_are_compressed_for_who_accepts_it(path: str, backend: FakeBackend, api: Api) -> None:
    backend.add(*(f"C{n}-USD.COINBASE" for n in range(900)))
    await backend.commit(*(candle(minute(n)) for n in range(900)))
    query: dict[str, Any] = {} if path == "instruments" else {**RANGE, "end": format_rfc3339(minute(900))}
    plain = await api.http.get(f"/api/v1/{path}", params=query, headers=PLAIN)
    assert "content-encoding" not in plain.headers
    for _ in range(2):
        for encoding, unpack in (("zstd", zstandard.ZstdDecompressor().decompress), ("gzip", gzip.decompress)):
            headers = {"accept-encoding": f"{encoding}, br;q=0.5"}
            async with api.http.stream("GET", f"/api/v1/{path}", params=query, headers=headers) as answer:
                raw = b"".join([part async for part in answer.aiter_raw()])
            assert (answer.headers["content-encoding"], answer.headers["vary"]) == (encoding, "accept-encoding")
            assert int(answer.headers["content-length"]) == len(raw) < len(plain.content) / 4
            assert unpack(raw) == plain.content


async def test_what_is_kept_needs_a_token_as_well(backend: FakeBackend) -> None:
    await backend.commit(candle(minute(0)))
    async with call(backend, read_needs_token=True) as api:
        assert (await ask(api)).status_code == 401


@pytest.mark.parametrize(
    ("accepted", "media_type", "length", "encoding"),
    [
        ("gzip, zstd", "application/json", 5_000, "zstd"),
        ("gzip, zstd;q=0", "text/csv", 5_000, "gzip"),
        ("br", "application/json", 5_000, None),
        ("gzip", "application/json", 100, None),
        ("gzip", "application/vnd.apache.parquet", 5_000, None),
        ("gzip", "text/event-stream", 5_000, "gzip"),
        ("", "application/json", 5_000, None),
    ],
)
def test_the_encoding_is_one_that_pays(accepted: str, media_type: str, length: int, encoding: str | None) -> None:
    assert encoding_for(accepted, media_type, length) == encoding


def answer(size: int) -> Answer:
    return Answer.of(Response(b"x" * size, media_type="application/json"))


def test_there_is_room_for_those_asked_for_last() -> None:
    answers = Answers(40_000)
    basis = Basis("candles", 0, START_NS, 1)
    for name in "abcd":
        answers.keep((name, b"", ""), basis, answer(4_000))
        answers.get(("a", b"", ""))
    answers.keep(("e", b"", ""), basis, answer(4_000))
    assert [name for name in "abcde" if answers.get((name, b"", ""))] == ["a", "c", "d", "e"]
    answers.keep(("f", b"", ""), basis, answer(30_000))
    assert answers.get(("f", b"", "")) is None


async def test_what_was_read_before_a_commit_is_not_kept_after_it(backend: FakeBackend) -> None:
    answers = Answers(40_000)
    commit = backend.build(candle(minute(0)))
    answers.note(commit)
    answers.keep(("old", b"", ""), Basis("candles", 0, START_NS + SECOND_NS, commit.number - 1), answer(10))
    assert answers.get(("old", b"", "")) is None
    answers.keep(("new", b"", ""), Basis("candles", 0, START_NS + SECOND_NS, commit.number), answer(10))
    assert answers.get(("new", b"", "")) is not None
    answers.stop()
    answers.keep(("new", b"", ""), Basis("candles", 0, START_NS + SECOND_NS, commit.number), answer(10))
    assert answers.get(("new", b"", "")) is None
