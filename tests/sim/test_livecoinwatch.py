"""LiveCoinWatch's questions as its simulated venue answers them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.sim.desk import BTC, DOGE, Desk

from fulltape.clock import SECOND_NS
from fulltape.sim.base import Opening, Request
from fulltape.sim.livecoinwatch import CREDITS

KEY = {"x-api-key": "k"}


@pytest.fixture
def desk() -> Desk:
    return Desk("livecoinwatch")


def ask(desk: Desk, path: str, method: str = "POST", headers: dict[str, str] = KEY, **question: object) -> Any:
    reply = desk.venue.rest.answer(Request(method, path, {}, headers, json.dumps(question).encode()))
    answer = json.loads(reply.body)
    assert (reply.status == 200) == ("error" not in answer)
    return answer


def test_coins_have_the_markets_rates(desk: Desk) -> None:
    coins = ask(desk, "/coins/map", currency="USD", codes=["DOGE", "BTC", "FOO"], meta=True)
    assert [(coin["code"], coin["rank"], coin["name"]) for coin in coins] == [
        ("BTC", 1, "Bitcoin"),
        ("DOGE", 2, "Dogecoin"),
    ]
    for coin, product in zip(coins, (BTC, DOGE), strict=True):
        quote, scale = desk.market.quote(product), 10 ** desk.market.listings[product].price_decimals
        assert quote.bid / scale < coin["rate"] < quote.ask / scale
        assert coin["cap"] == pytest.approx(coin["rate"] * coin["circulatingSupply"], rel=1e-6)
        assert coin["volume"] > 0 < coin["liquidity"]
        assert coin["delta"]["hour"] == pytest.approx(1, abs=0.2)
        assert coin["delta"]["year"] is coin["delta"]["week"] is None
    single = ask(desk, "/coins/single", code="BTC")
    assert single == {name: value for name, value in coins[0].items() if name in single}
    listed = ask(desk, "/coins/list", limit=1, offset=1)
    assert [coin["code"] for coin in listed] == ["DOGE"]
    assert [coin["code"] for coin in ask(desk, "/coins/list", order="descending")] == ["DOGE", "BTC"]


def test_history_is_a_point_every_five_minutes(desk: Desk) -> None:
    now = desk.market.now_ns // SECOND_NS
    points = ask(desk, "/coins/single/history", code="BTC", start=(now - 1_800) * 1_000, end=now * 1_000)["history"]
    assert len(points) == 6
    assert all(point["date"] % 300_000 == 0 for point in points)
    (bar,) = desk.market.bars(BTC, points[0]["date"] // 1_000 - 60, points[0]["date"] // 1_000)
    assert points[0]["rate"] == bar.close / 100


def test_every_question_takes_a_credit_until_the_day_is_over(desk: Desk) -> None:
    assert ask(desk, "/credits") == {"dailyCreditsRemaining": CREDITS - 1, "dailyCreditsLimit": CREDITS}
    assert ask(desk, "/status") == {}
    for _ in range(CREDITS - 1):
        ask(desk, "/credits")
    assert ask(desk, "/credits")["error"]["code"] == 429
    desk.market.skip(desk.market.now_ns + 86_400 * SECOND_NS)
    assert ask(desk, "/credits")["dailyCreditsRemaining"] == CREDITS - 1


@pytest.mark.parametrize(
    ("path", "changes", "code"),
    [
        ("/coins/single", {"method": "GET"}, 405),
        ("/coins/single", {"headers": {}}, 401),
        ("/coins/single", {"code": "FOO"}, 404),
        ("/coins/single", {"code": "BTC", "currency": "EUR"}, 404),
        ("/coins/single", {"code": 7}, 400),
        ("/nothing", {}, 404),
    ],
)
def test_refusals_say_code_status_and_why(desk: Desk, path: str, changes: dict[str, Any], code: int) -> None:
    error = ask(desk, path, **changes)["error"]
    assert error["code"] == code
    assert error["status"]
    assert error["description"]


def test_a_get_is_refused_and_there_is_no_stream(desk: Desk) -> None:
    assert desk.reply("/status")[0] == 405
    assert desk.venue.rest.get("/status", {}).status == 405
    assert desk.venue.open(Opening("/", {}, {}, 0)) is None
    assert desk.venue.feed.frames([], set()) == []
