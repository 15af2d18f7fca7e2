"""LiveCoinWatch: answers to polls, history, credits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.streams import lacking
from tests.conformance.venues import Known, VenueConformance

from fulltape.clock import SECOND_NS, parse_rfc3339
from fulltape.errors import ConfigError, MalformedFrame
from fulltape.records import COINS, Origin
from fulltape.records.frames import Connection
from fulltape.venues.base import Channel, Credentials, PolledVenue, Refused, RestRequest, Subscription, answer_frame
from fulltape.venues.livecoinwatch import LiveCoinWatch
from fulltape.venues.registry import venue

NOW = 1_763_632_800 * SECOND_NS
NOON = parse_rfc3339("2024-01-01T12:00:00Z")
VENUE = venue("livecoinwatch")
LCW = LiveCoinWatch()
COINS_OF = Subscription((Channel.COINS,), ("BTC-USD", "ETH-USD"))


class TestConformance(VenueConformance):
    venue = VENUE
    symbols = ("BTC-USD", "ETH-USD", "BTC-EUR")
    captures = Path(__file__).parents[1] / "captures" / "livecoinwatch"
    not_offered = lacking(
        V_17="it has no trades",
        V_19="it is polled",
        V_20="it has no books",
        V_21="it has no books",
        V_22="it has no trades",
        V_23="it has neither trades nor books",
        V_25="it has no trades",
        V_26="it has no books",
    )
    taker = ("", "")
    bad_symbols = ("", "BTC", "btc-usd", "BTC-", "-USD", "_MOON-USD", "BTC-USD\n", "BTC-US")


def question(request: RestRequest) -> dict[str, Any]:
    assert request.method == "POST"
    asked: dict[str, Any] = json.loads(request.body)
    return asked


def coins_of(body: object) -> list[dict[str, Any]]:
    """Return the coins of an answer to a poll, as columns by name."""
    frame = answer_frame(LCW.polls(COINS_OF)[0], json.dumps(body).encode())
    parsed = LCW.parser(Known(VENUE, COINS_OF.symbols), Connection("LIVECOINWATCH-1", "LIVECOINWATCH")).parse(
        [frame], [NOW]
    )
    assert parsed.rejects == []
    batch = parsed.batches[COINS.name]
    return [{name: column[row] for name, column in batch.columns.items()} for row in range(len(batch))]


def test_real_answers_become_coins(recordings: Path) -> None:
    real = json.loads((recordings / "rest" / "livecoinwatch-responses.json").read_text())
    bitcoin, ether = coins_of(real["/coins/map"]["response"])
    assert (bitcoin["rate"], bitcoin["volume"], bitcoin["cap"]) == (20179.546446594384, 21739986652, 387234256303)
    assert [bitcoin[f"change_{span}"] for span in ("hour", "day", "year")] == [-0.1, 4.37, -67.84]
    assert (ether["instrument"], ether["rate"]) == (1, 1480.8660158628147)
    assert len(coins_of(real["/coins/list"]["response"])) == 2
    assert LCW.parse_credits(json.dumps(real["/credits"]["response"]).encode()) == 9995

    body = json.dumps(real["/coins/single/history"]["response"]).encode()
    rows = LCW.parse_history(body, 3, 1_666_644_877 * SECOND_NS, NOW)
    assert rows["event_time"].tolist() == [1_666_644_900 * SECOND_NS]
    assert (rows["rate"][0], rows["liquidity"][0], rows["instrument"][0]) == (19386.515935092288, 1118559501, 3)
    assert rows["origin"].tolist() == [Origin.REFILL]
    with pytest.raises(MalformedFrame, match="venue_error: 401 Unauthorized: The requester is not"):
        LCW.parse_credits(json.dumps(real["401"]).encode())


def test_a_poll_has_the_time_of_receipt() -> None:
    (coin,) = coins_of([{"code": "ETH", "rate": 1.5}])
    assert (coin["event_time"], coin["ingest_time"], coin["name"]) == (NOW, NOW, "")


def test_one_question_for_each_currency_and_hundred_coins() -> None:
    many = Subscription((Channel.COINS,), (*(f"C{i}-USD" for i in range(101)), "BTC-EUR"))
    asked = [question(request) for request in LCW.polls(many)]
    assert [(one["currency"], len(one["codes"]), one["limit"]) for one in asked] == [
        ("USD", 100, 100),
        ("USD", 1, 1),
        ("EUR", 1, 1),
    ]
    assert all(request.path == "/coins/map" and request.credits == 1 for request in LCW.polls(many))


def test_history_is_of_every_noon() -> None:
    day = 86_400 * SECOND_NS
    assert list(LCW.history_times(NOON, NOON + 2 * day)) == [NOON, NOON + day]
    assert list(LCW.history_times(NOON + 1, NOON + day)) == []
    assert isinstance(VENUE, PolledVenue)
    request = VENUE.history_request("BTC-EUR", NOON)
    assert request.path == "/coins/single/history"
    assert question(request) == {
        "currency": "EUR",
        "code": "BTC",
        "start": 1_704_110_400_000,
        "end": 1_704_111_000_000,
        "meta": False,
    }


def test_a_day_without_a_point_has_no_row_and_a_bad_point_is_refused() -> None:
    def answer(*points: dict[str, Any]) -> bytes:
        return json.dumps({"code": "BTC", "history": points}).encode()

    at = NOON // 10**6
    assert len(LCW.parse_history(answer(), 0, NOON, NOW)) == 0
    outside: list[dict[str, Any]] = [{"date": at - 1, "rate": 1.0}, {"date": at + 600_001, "rate": 1.0}]
    assert len(LCW.parse_history(answer(*outside), 0, NOON, NOW)) == 0
    unordered: list[dict[str, Any]] = [{"date": at + 300_000, "rate": 2.0}, {"date": at, "rate": 1.0, "cap": None}]
    assert LCW.parse_history(answer(*unordered), 0, NOON, NOW)["rate"].tolist() == [1.0]
    with pytest.raises(MalformedFrame, match="bad_rate"):
        LCW.parse_history(answer({"date": at, "rate": None}), 0, NOON, NOW)


@pytest.mark.parametrize(("code", "is_final"), [(401, True), (403, True), (418, True), (429, False), (503, False)])
def test_a_refusal_says_what_to_do(code: int, is_final: bool) -> None:
    frame = answer_frame(LCW.polls(COINS_OF)[0], json.dumps({"error": {"code": code, "status": "No"}}).encode())
    parsed = LCW.parser(Known(VENUE, ()), Connection("LIVECOINWATCH-1", "LIVECOINWATCH")).parse([frame], [NOW])
    ((_, refused),) = parsed.controls
    assert isinstance(refused, Refused)
    assert refused.is_final is is_final
    assert ("FULLTAPE_LIVECOINWATCH_KEY" in refused.reason) is (code in (401, 403))


def test_instruments_are_those_that_can_be_named() -> None:
    assert question(LCW.instruments_request())["limit"] == 100
    found = LCW.parse_instruments(b'[{"code":"BTC","rate":1},{"code":"_MOON","rate":1},{"code":"1INCH","rate":1}]')
    assert [one.id for one in found] == ["BTC-USD.LIVECOINWATCH", "1INCH-USD.LIVECOINWATCH"]


def test_what_an_aggregator_has_not() -> None:
    with pytest.raises(ConfigError, match="has no trades: it is an aggregator"):
        LCW.trades_request("BTC-USD", None, 10)
    with pytest.raises(ConfigError, match="has no bars: it is an aggregator"):
        LCW.bars_request("BTC-USD", 60, 0, 1)
    with pytest.raises(ConfigError, match="has no books: it is an aggregator"):
        LCW.book_request("BTC-USD")
    assert LCW.subscribe_frames(COINS_OF, Credentials("k"), NOW) == LCW.unsubscribe_frames(COINS_OF) == []
