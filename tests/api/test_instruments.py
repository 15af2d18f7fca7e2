"""Instruments over HTTP: listed, offered, followed and given up."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from tests.api.scene import BTC, ETH, Api, FakeBackend, call
from tests.api.test_tokens import token

from fulltape.api.tokens import Scope, TokenFile
from fulltape.errors import ConfigError, TransientError, UnknownInstrument
from fulltape.records import Instrument

SOL = Instrument("SOL-USD.COINBASE", "COINBASE", "SOL-USD", "SOL", "USD", 0.01, 1e-8)
HEADERS = {"Authorization": "Bearer ft_write"}
BODY = {"instruments": [SOL.id]}


@pytest.fixture
async def api(backend: FakeBackend, tmp_path: Path) -> AsyncIterator[Api]:
    """The application, which knows a token that may write."""
    TokenFile(tmp_path / "tokens.json").add(token("write", "ft_write", Scope.WRITE))
    backend.following.ids, backend.following.offers = {BTC}, (SOL,)
    async with call(backend, tokens=tmp_path / "tokens.json") as running:
        yield running


def ids(answer: httpx.Response) -> list[tuple[str, bool]]:
    assert answer.status_code == 200
    return [(row["id"], row["followed"]) for row in answer.json()["instruments"]]


async def test_instruments_tell_whether_they_are_followed(api: Api) -> None:
    answer = await api.get("/api/v1/instruments")
    assert ids(answer) == [(BTC, True), (ETH, False)]
    assert answer.json()["instruments"][0]["status"] == "online"
    assert ids(await api.get("/api/v1/instruments", pattern="E*")) == [(ETH, False)]
    assert ids(await api.get("/api/v1/instruments", followed="true")) == [(BTC, True)]
    assert ids(await api.get("/api/v1/instruments", followed="false", pattern="B*")) == []


@pytest.mark.parametrize("followed", ["null", "", "yes", "2"])
async def test_followed_is_true_or_false(followed: str, api: Api) -> None:
    answer = await api.get("/api/v1/instruments", followed=followed)
    assert (answer.status_code, answer.json()["detail"]) == (400, f"followed: neither true nor false: {followed!r}")


async def test_what_a_venue_offers(api: Api, backend: FakeBackend) -> None:
    assert ids(await api.get("/api/v1/venues/coinbase/instruments")) == [(SOL.id, False)]
    assert ids(await api.get("/api/v1/venues/coinbase/instruments", pattern="X*")) == []
    assert (await api.get("/api/v1/venues/coinbase/instruments", patern="X*")).status_code == 400
    backend.following.error = UnknownInstrument("venue 'KRAKEN' is not followed")
    assert (await api.get("/api/v1/venues/kraken/instruments")).status_code == 404
    backend.following.error = TransientError("no list yet", retry_after_s=60.0)
    answer = await api.get("/api/v1/venues/coinbase/instruments")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")


async def test_following_more_and_less(api: Api, backend: FakeBackend) -> None:
    assert ids(await api.http.post("/api/v1/instruments", json=BODY, headers=HEADERS)) == [(SOL.id, True)]
    assert backend.following.ids == {BTC, SOL.id}
    assert ids(await api.http.delete(f"/api/v1/instruments/{SOL.id}", headers=HEADERS)) == [(SOL.id, False)]
    assert backend.following.ids == {BTC}


async def test_following_needs_a_token_that_may_write(api: Api, backend: FakeBackend) -> None:
    assert (await api.http.post("/api/v1/instruments", json=BODY)).status_code == 401
    assert (await api.http.delete(f"/api/v1/instruments/{BTC}")).status_code == 401
    assert backend.following.ids == {BTC}


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (UnknownInstrument("COINBASE has no SOLL-USD (did you mean 'SOL-USD'?)"), 404),
        (ConfigError("'SOL' names no venue"), 400),
        (TransientError("COINBASE: no list yet"), 503),
    ],
)
async def test_refusals_say_why(api: Api, backend: FakeBackend, error: Exception, status: int) -> None:
    backend.following.error = error
    for answer in (
        await api.http.post("/api/v1/instruments", json=BODY, headers=HEADERS),
        await api.http.delete("/api/v1/instruments/SOL", headers=HEADERS),
    ):
        assert (answer.status_code, answer.json()["detail"]) == (status, str(error))


@pytest.mark.parametrize(
    "body", [{}, {"instruments": []}, {"instruments": [""]}, {"instruments": "x"}, {**BODY, "n": 1}]
)
async def test_bad_requests_change_nothing(api: Api, backend: FakeBackend, body: object) -> None:
    answer = await api.http.post("/api/v1/instruments", json=body, headers=HEADERS)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert backend.following.ids == {BTC}
