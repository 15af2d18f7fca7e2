"""The REST client against a real HTTP server on this machine."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import zlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import msgspec
import pytest
from tests.disk import full_disk
from tests.venues.server import raw_server

from fulltape.clock import SECOND_NS, ManualClock
from fulltape.errors import ConfigError, CreditsSpent, TransientError
from fulltape.venues.base import Credentials, RestLimits, RestRequest
from fulltape.venues.coinbase import SPEC, Coinbase
from fulltape.venues.credits import CreditFile, Credits
from fulltape.venues.rest import RestClient, RestConfig

pytestmark = pytest.mark.integration

NOW = 1_700_000_000 * SECOND_NS
QUICK = RestConfig(timeout_s=60.0, attempts=3, backoff_base_s=0.001, max_retry_after_s=0.2)
TIME = RestRequest("/time")


class Answers:
    """A scripted HTTP server: answers in turn, the last one for ever, and remembers what was asked."""

    def __init__(self, answers: Sequence[str | bytes | None]) -> None:
        self.asked: list[str] = []
        self.heads: list[str] = []
        self.bodies: list[bytes] = []
        self.at: list[float] = []
        self._answers = list(answers)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await self._head(reader):
            self.asked.append(head.split(" ")[1])
            self.heads.append(head)
            length = re.search(r"content-length: (\d+)", head.lower())
            self.bodies.append(await reader.readexactly(int(length[1])) if length else b"")
            self.at.append(asyncio.get_running_loop().time())
            answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
            if answer is None:
                writer.transport.abort()
                return
            writer.write(answer.encode() if isinstance(answer, str) else answer)

    async def _head(self, reader: asyncio.StreamReader) -> str:
        try:
            return (await reader.readuntil(b"\r\n\r\n")).decode()
        except (asyncio.IncompleteReadError, ConnectionError):
            return ""


def answer(body: str, status: str = "200 OK", **headers: str) -> str:
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status}\r\n{head}Content-Length: {len(body.encode())}\r\n\r\n{body}"


@asynccontextmanager
async def asking(answers: Answers, config: RestConfig = QUICK) -> AsyncIterator[RestClient]:
    async with raw_server(answers.talk) as port:
        spec = msgspec.structs.replace(SPEC, rest_limits=RestLimits(requests_per_s=1000, burst=1000))
        async with RestClient(spec, f"http://127.0.0.1:{port}", ManualClock(NOW), Random(1), config) as client:
            yield client


async def test_returns_the_body_and_passes_the_query() -> None:
    answers = Answers([answer('{"epoch": 1}')])
    async with asking(answers) as client:
        assert (
            await client.get(RestRequest("/products/BTC-USD/trades", {"limit": "5", "after": "10"})) == b'{"epoch": 1}'
        )
        assert not client.simulated
    assert answers.asked == ["/products/BTC-USD/trades?limit=5&after=10"]


async def test_notices_a_simulated_server() -> None:
    async with asking(Answers([answer("{}", Fulltape_Simulated="1")])) as client:
        await client.get(TIME)
        assert client.simulated


SECRETS = Credentials("the-key", "the-secret")


@asynccontextmanager
async def asking_with_keys(answers: Answers, credits: Credits | None = None) -> AsyncIterator[RestClient]:
    async with raw_server(answers.talk) as port:
        spec = msgspec.structs.replace(
            SPEC,
            rest_limits=RestLimits(requests_per_s=1000, burst=1000),
            credential_headers=("X-Key", "X-Secret"),
            credential_variables=("THE_KEY", "THE_SECRET"),
        )
        url = f"http://127.0.0.1:{port}"
        client = RestClient(spec, url, ManualClock(NOW), Random(1), QUICK, credentials=SECRETS, credits=credits)
        async with client:
            yield client


async def test_posts_a_body_and_carries_the_keys_in_headers() -> None:
    answers = Answers([answer("[]")])
    async with asking_with_keys(answers) as client:
        assert await client.get(RestRequest("/map", method="POST", body=b'{"codes":["BTC"]}')) == b"[]"
    head = answers.heads[0].lower()
    assert head.startswith("post /map http/1.1")
    assert "x-key: the-key" in head
    assert "x-secret: the-secret" in head
    assert "content-type: application/json" in head
    assert answers.bodies == [b'{"codes":["BTC"]}']


async def test_a_refused_key_names_the_variables_and_never_shows_the_key(caplog: pytest.LogCaptureFixture) -> None:
    async with asking_with_keys(Answers([answer("no", "401 Unauthorized")])) as client:
        with pytest.raises(ConfigError, match="check THE_KEY and THE_SECRET in the environment") as caught:
            await client.get(TIME)
    assert "401" in caplog.text
    assert "the-" not in caplog.text + str(caught.value) + repr(SECRETS)


async def test_every_attempt_is_paid_for_and_without_credits_nothing_is_asked(tmp_path: Path) -> None:
    credits = CreditFile(tmp_path / "credits", 5, ManualClock(NOW))
    answers = Answers([answer("", "503 Service Unavailable"), answer("[]")])
    async with asking_with_keys(answers, credits) as client:
        await client.get(TIME)
        assert credits.left() == 3
        await client.get(RestRequest("/dear", credits=3))
        with pytest.raises(CreditsSpent, match="the 5 credits of the day are spent"):
            await client.get(TIME)
    assert answers.asked == ["/time", "/time", "/dear"]


async def test_on_a_full_disk_nothing_is_asked_that_is_not_paid_for(tmp_path: Path) -> None:
    credits = CreditFile(tmp_path / "credits", 5, ManualClock(NOW))
    answers = Answers([answer("[]")])
    async with asking_with_keys(answers, credits) as client:
        with full_disk(), pytest.raises(TransientError, match="make room"):
            await client.get(TIME)
        assert answers.asked == []
        assert await client.get(TIME) == b"[]"
    assert credits.left() == 4


async def test_another_server_of_the_venue_counts_only_for_the_venue_itself() -> None:
    other, stand_in = Answers([answer("other")]), Answers([answer("stand-in")])
    async with raw_server(other.talk) as port, asking(stand_in) as client:
        request = RestRequest("/assets", base_url=f"http://127.0.0.1:{port}")
        assert await client.get(request) == b"stand-in"
        spec = msgspec.structs.replace(SPEC, rest_url="http://127.0.0.1:1")
        async with RestClient(spec, spec.rest_url, ManualClock(NOW), Random(1), QUICK) as own:
            assert await own.get(request) == b"other"


@pytest.mark.parametrize(
    "failure",
    [
        answer("", "503 Service Unavailable"),
        answer("", "429 Too Many Requests"),
        answer("<html>back soon</html>"),
        None,
    ],
    ids=["503", "429", "web page", "connection lost"],
)
async def test_tries_again_after_what_passes(failure: str | None) -> None:
    answers = Answers([failure, failure, answer("[]")])
    async with asking(answers) as client:
        assert await client.get(TIME) == b"[]"
    assert len(answers.asked) == 3


async def test_gives_up_in_the_end_and_says_why() -> None:
    answers = Answers([answer("<html>back soon</html>")])
    async with asking(answers) as client:
        with pytest.raises(TransientError, match=r"COINBASE: GET /time: a web page instead of data: '<html>"):
            await client.get(TIME)
    assert len(answers.asked) == QUICK.attempts


async def test_a_mute_server_is_a_passing_failure() -> None:
    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pass

    async with raw_server(mute) as port:
        config = RestConfig(timeout_s=0.05, attempts=2, backoff_base_s=0.001)
        async with RestClient(SPEC, f"http://127.0.0.1:{port}", ManualClock(NOW), Random(1), config) as client:
            with pytest.raises(TransientError, match="ReadTimeout"):
                await client.get(TIME)


def packed(body: bytes, packing: str = "gzip") -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {packing}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


SMALL = msgspec.structs.replace(QUICK, attempts=1, max_body_bytes=1 << 20)
# Without a time: it would be in the names of the tests, which all processes that run them must give alike.
WHOLE = gzip.compress(b'{"epoch": 1}', mtime=0)


@pytest.mark.parametrize(
    "body", [packed(WHOLE), packed(WHOLE, "x-gzip"), packed(zlib.compress(b'{"epoch": 1}'), "deflate")]
)
async def test_packed_answers_are_unpacked(body: bytes) -> None:
    answers = Answers([body])
    async with asking(answers, SMALL) as client:
        assert await client.get(TIME) == b'{"epoch": 1}'
    assert "accept-encoding: gzip\r\n" in answers.heads[0].lower()


@pytest.mark.parametrize(
    ("lie", "words"),
    [
        (answer("x" * (2 << 20)), "an answer of more than 1,048,576 bytes"),
        (packed(gzip.compress(b" " * (32 << 20))), "an answer of more than 1,048,576 bytes"),
        (packed(WHOLE, "br"), "packed with 'br', which was not asked for"),
        (packed(WHOLE, "zstd"), "packed with 'zstd', which was not asked for"),
        (packed(WHOLE, "gzip, gzip"), "packed with 'gzip, gzip', which was not asked for"),
        (packed(b"not packed"), "cannot be unpacked"),
        (packed(WHOLE[:-4]), "ends somewhere else than it should"),
        (packed(WHOLE * 2), "ends somewhere else than it should"),
    ],
    ids=["long", "bomb", "br", "zstd", "twice", "garbage", "cut", "two"],
)
async def test_an_answer_that_takes_too_much_or_cannot_be_read_is_a_passing_failure(
    lie: str | bytes, words: str
) -> None:
    async with asking(Answers([lie]), SMALL) as client:
        with pytest.raises(TransientError, match=words):
            await client.get(TIME)


async def test_an_answer_that_drips_is_a_passing_failure() -> None:
    """Each byte comes in time, and the last one never."""

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b" ")
            await asyncio.sleep(0.01)

    async with raw_server(drip) as port:
        config = RestConfig(timeout_s=60.0, answer_within_s=0.2, attempts=1)
        async with RestClient(SPEC, f"http://127.0.0.1:{port}", ManualClock(NOW), Random(1), config) as client:
            with pytest.raises(TransientError, match=r"GET /time: no whole answer within 0\.2 s"):
                await client.get(TIME)


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
async def test_keys_do_not_follow_to_another_host(status: str) -> None:
    other = Answers([answer("[]")])
    async with raw_server(other.talk) as port:
        moved = Answers([answer("", status, Location=f"http://127.0.0.1:{port}/time")])
        async with asking_with_keys(moved) as client:
            with pytest.raises(TransientError, match=status[:3]):
                await client.get(TIME)
    assert other.asked == []


async def test_waits_as_long_as_the_venue_asks() -> None:
    answers = Answers([answer("", "429 Too Many Requests", Retry_After="5"), answer("{}")])
    async with asking(answers) as client:
        await client.get(TIME)
    assert answers.at[1] - answers.at[0] >= QUICK.max_retry_after_s  # 5 s, bounded by the configuration


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"Retry_After": "7"}, 7.0),
        ({"Retry_After": "Fri, 20 Nov 2026 10:00:30 GMT", "Date": "Fri, 20 Nov 2026 10:00:00 GMT"}, 30.0),
        ({"Retry_After": "Fri, 20 Nov 2026 10:00:00 GMT", "Date": "Fri, 20 Nov 2026 10:00:30 GMT"}, 0.0),
        ({"Retry_After": "soon"}, None),
        ({"Retry_After": "²"}, None),
        ({}, None),
    ],
)
async def test_reads_retry_after(headers: dict[str, str], wait_s: float | None) -> None:
    config = RestConfig(attempts=1)
    async with asking(Answers([answer("", "429 Too Many Requests", **headers)]), config) as client:
        with pytest.raises(TransientError) as caught:
            await client.get(TIME)
    assert caught.value.retry_after_s == wait_s


async def test_a_refusal_is_not_repeated_and_carries_the_venues_words() -> None:
    answers = Answers([answer('{"message":"NotFound"}', "404 Not Found")])
    async with asking(answers) as client:
        with pytest.raises(ConfigError, match=r'404 Not Found: \{"message":"NotFound"\}'):
            await client.get(TIME)
    assert len(answers.asked) == 1


async def test_keeps_to_the_rate() -> None:
    answers = Answers([answer("{}")])
    async with raw_server(answers.talk) as port:
        spec = msgspec.structs.replace(SPEC, rest_limits=RestLimits(requests_per_s=50, burst=5))
        async with RestClient(spec, f"http://127.0.0.1:{port}", ManualClock(NOW), Random(1), QUICK) as client:
            began = asyncio.get_running_loop().time()
            await asyncio.gather(*(client.get(TIME) for _ in range(15)))
    # 5 at once, then 10 more at 50 a second: a slow machine only takes longer.
    assert answers.at[-1] - began >= 0.19


async def test_fetches_instruments() -> None:
    product = {"id": "BTC-USD", "base_currency": "BTC", "quote_currency": "USD", "quote_increment": "0.01"}
    async with asking(Answers([answer(json.dumps([product]))])) as client:
        (instrument,) = await client.fetch_instruments(Coinbase())
    assert (instrument.id, instrument.price_step) == ("BTC-USD.COINBASE", 0.01)
