"""The protocol's facts, over a real socket."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from itertools import pairwise

import pytest
from tests.sim.driver import SYMBOLS, Frame, Venue, VenueFactory

pytestmark = pytest.mark.integration

MICROS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\Z")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")


def of_type(frames: list[Frame], kind: str, symbol: str | None = None) -> list[Frame]:
    return [frame for frame in frames if frame["type"] == kind and symbol in (None, frame["product_id"])]


async def test_matches_begin_with_the_last_one_and_go_on_without_a_hole(venue: Venue) -> None:
    async with venue.client() as client:
        acknowledged = await client.ask("subscribe", "matches")
        assert acknowledged == {
            "type": "subscriptions",
            "channels": [{"name": "matches", "product_ids": list(SYMBOLS), "account_ids": None}],
        }
        venue.run(5)
        frames = await client.drain()
    for symbol in SYMBOLS:
        own = [frame for frame in frames if frame["product_id"] == symbol]
        assert [frame["type"] for frame in own] == ["last_match"] + ["match"] * (len(own) - 1)
        assert [frame["trade_id"] - own[0]["trade_id"] for frame in own] == list(range(len(own)))
        assert all(a["sequence"] < b["sequence"] and a["time"] <= b["time"] for a, b in pairwise(own))
    match = of_type(frames, "match", "BTC-USD")[0]
    assert set(match) == {
        *("type", "trade_id", "maker_order_id", "taker_order_id", "side"),
        *("size", "price", "product_id", "sequence", "time"),
    }
    assert MICROS.match(match["time"])
    assert UUID.match(match["maker_order_id"])
    assert match["maker_order_id"] != match["taker_order_id"]
    assert re.match(r"\d+\.\d{2}\Z", match["price"])
    assert re.match(r"\d+\.\d{8}\Z", match["size"])


async def test_match_gives_the_makers_side_and_ticker_the_takers(venue: Venue) -> None:
    async with venue.client() as client:
        await client.ask("subscribe", "matches", "ticker")
        venue.run(5)
        frames = await client.drain()
    sides = {
        (frame["product_id"], frame["trade_id"]): frame for frame in frames if frame["type"] in {"match", "last_match"}
    }
    tickers = of_type(frames, "ticker")
    assert len(tickers) > 100
    for ticker in tickers:
        match = sides[ticker["product_id"], ticker["trade_id"]]
        assert {match["side"], ticker["side"]} == {"buy", "sell"}
        assert (match["price"], match["size"]) == (ticker["price"], ticker["last_size"])
        assert Decimal(ticker["best_bid"]) < Decimal(ticker["best_ask"])
        low, high = Decimal(ticker["low_24h"]), Decimal(ticker["high_24h"])
        assert low <= Decimal(ticker["price"]) <= high
        assert low <= Decimal(ticker["open_24h"]) <= high


async def test_a_sweep_makes_one_ticker(venue: Venue) -> None:
    async with venue.client() as client:
        await client.ask("subscribe", "matches", "ticker")
        await client.drain()
        venue.run(10)
        frames = await client.drain()
    orders = {(frame["product_id"], frame["taker_order_id"]) for frame in of_type(frames, "match")}
    assert len(of_type(frames, "ticker")) == len(orders) < len(of_type(frames, "match"))


@pytest.mark.parametrize(("channel", "echoed"), [("level2_batch", "level2_50"), ("level2_50", "level2_50")])
async def test_the_batched_book_rebuilds_exactly_and_never_crosses(venue: Venue, channel: str, echoed: str) -> None:
    async with venue.client() as client:
        acknowledged = await client.ask("subscribe", channel)
        assert [row["name"] for row in acknowledged["channels"]] == [echoed]
        venue.run(5)
        frames = await client.drain()
        frames += await client.drain()
        books: dict[str, dict[str, dict[Decimal, Decimal]]] = {}
        for frame in frames:
            if frame["type"] == "snapshot":
                books[frame["product_id"]] = {
                    side: {Decimal(price): Decimal(size) for price, size in frame[name]}
                    for side, name in (("buy", "bids"), ("sell", "asks"))
                }
                continue
            book = books[frame["product_id"]]
            for side, price, size in frame["changes"]:
                book[side][Decimal(price)] = Decimal(size)
                if not Decimal(size):
                    del book[side][Decimal(price)]
            assert max(book["buy"]) < min(book["sell"])
    for product, symbol in enumerate(SYMBOLS):
        listing, truth = venue.sim.market.listings[product], venue.sim.market.book(product)
        for side, levels in (("buy", truth.bids), ("sell", truth.asks)):
            expected = {Decimal(listing.price_text(p)): Decimal(listing.size_text(s)) for p, s in levels}
            assert books[symbol][side] == expected
    assert max(len(of_type(frames, "l2update", symbol)) for symbol in SYMBOLS) <= 101  # 50 ms batches


async def test_level2_needs_a_key_and_then_comes_change_by_change(venue: Venue) -> None:
    async with venue.client() as client:
        refused = await client.ask("subscribe", "level2")
        assert refused["type"] == "error"
        assert refused["message"] == "Failed to subscribe"
        assert refused["reason"].startswith("level2, level3, and full channels now require authentication.")
        await client.say(
            {"type": "subscribe", "product_ids": ["BTC-USD"], "channels": ["level2"]}
            | {"key": "k", "passphrase": "p", "timestamp": "1790000000", "signature": "s"}
        )
        assert (await client.next())["type"] == "subscriptions"
        venue.run(1)
        frames = await client.drain()
    assert frames[0]["type"] == "snapshot"
    assert len(frames) > 50
    assert all(len(frame["changes"]) == 1 for frame in frames[1:])


async def test_heartbeats_come_once_a_second_and_name_the_last_trade(venue: Venue) -> None:
    async with venue.client() as client:
        await client.ask("subscribe", {"name": "heartbeat", "product_ids": ["BTC-USD"]}, symbols=None)
        venue.run(5)
        beats = await client.drain()
    assert [beat["time"][17:19] for beat in beats] == ["21", "22", "23", "24", "25"]
    assert beats[-1]["last_trade_id"] == venue.sim.market.last_id(0)
    assert set(beats[0]) == {"type", "last_trade_id", "product_id", "sequence", "time"}


async def test_ticker_batch_comes_every_five_seconds_and_only_after_trades(start_venue: VenueFactory) -> None:
    async with start_venue(trades_per_s=0.3, history_s=60.0) as venue, venue.client() as client:
        acknowledged = await client.ask("subscribe", "ticker_batch")
        assert [row["name"] for row in acknowledged["channels"]] == ["ticker_1000"]
        await client.drain()
        last = [venue.sim.market.last_id(product) for product in range(3)]
        expected = []
        for _ in range(6):
            venue.run(5)
            now = [venue.sim.market.last_id(product) for product in range(3)]
            expected += [SYMBOLS[i] for i in range(3) if now[i] != last[i]]
            last = now
        frames = await client.drain()
    assert {frame["type"] for frame in frames} == {"ticker"}
    assert [frame["product_id"] for frame in frames] == expected
    assert 0 < len(expected) < 18


async def test_status_needs_no_product_and_comes_again(venue: Venue) -> None:
    async with venue.client() as client:
        acknowledged = await client.ask("subscribe", "status", symbols=None)
        assert acknowledged["channels"] == [{"name": "status", "product_ids": [], "account_ids": None}]
        venue.run(6)
        frames = await client.drain()
    assert [frame["type"] for frame in frames] == ["status", "status"]
    btc = frames[0]["products"][0]
    assert (btc["id"], btc["quote_increment"], btc["base_increment"]) == ("BTC-USD", "0.01", "0.00000001")
    assert [currency["id"] for currency in frames[0]["currencies"]] == ["BTC", "ETH", "UNI", "USD"]


async def test_auctions_and_off_book_prints_are_present(venue: Venue) -> None:
    async with venue.client() as client:
        await client.ask("subscribe", "auctionfeed", "rfq_matches")
        venue.run(285)  # the next auction begins 300 s after the market did
        venue.run(10)
        frames = await client.drain()
    auctions, prints = of_type(frames, "auction"), of_type(frames, "rfq_match")
    assert auctions[0]["auction_state"] == "collection"
    assert MICROS.match(auctions[0]["timestamp"])
    assert "time" not in auctions[0]
    assert prints[0]["side"] in {"BUY", "SELL"}
    assert "sequence" not in prints[0]


async def test_off_book_prints_of_all_products_come_once(venue: Venue) -> None:
    async with venue.client() as client:
        await client.ask("subscribe", "rfq_matches")
        acknowledged = await client.ask("subscribe", "rfq_matches", symbols=None)
        assert acknowledged["channels"] == [{"name": "rfq_matches", "product_ids": ["ALL"], "account_ids": None}]
        refused = await client.ask("subscribe", "rfq_matches")
        assert refused["type"] == "error"
        venue.run(200)
        frames = await client.drain()
    keys = [(frame["product_id"], frame["trade_id"]) for frame in frames]
    assert len(keys) == len(set(keys)) > 2


async def test_subscriptions_accumulate_and_end(venue: Venue) -> None:
    async with venue.client() as client:
        await client.ask("subscribe", "heartbeat")
        both = await client.ask("subscribe", "heartbeat", "ticker_batch", symbols=("BTC-USD",))
        assert [(row["name"], len(row["product_ids"])) for row in both["channels"]] == [
            ("heartbeat", 3),
            ("ticker_1000", 1),
        ]
        await client.drain()
        fewer = await client.ask("unsubscribe", "heartbeat", symbols=("BTC-USD", "UNI-USD"))
        assert [row["product_ids"] for row in fewer["channels"]] == [["ETH-USD"], ["BTC-USD"]]
        fewer = await client.ask("unsubscribe", "heartbeat", symbols=None)
        assert [row["name"] for row in fewer["channels"]] == ["ticker_1000"]
        venue.run(3)
        assert of_type(await client.drain(), "heartbeat") == []


async def test_a_bad_subscription_is_refused_whole(venue: Venue) -> None:
    refusals: list[tuple[Frame, str]] = [
        ({"channels": ["matches"], "product_ids": ["DOGE-EUR"]}, "DOGE-EUR is not a valid product"),
        ({"channels": ["matches"], "product_ids": ["BTC-USD", "X"]}, "X is not a valid product"),
        ({"channels": ["matches"]}, " is not a valid product"),
        (
            {"channels": [{"name": "heartbeat", "product_ids": []}], "product_ids": ["BTC-USD"]},
            " is not a valid product",
        ),
        ({"channels": ["trades"], "product_ids": ["BTC-USD"]}, "trades is not a valid channel"),
        ({"channels": [], "product_ids": ["BTC-USD"]}, "No channels provided"),
        ({"product_ids": ["BTC-USD"]}, "No channels provided"),
    ]
    async with venue.client() as client:
        for message, reason in refusals:
            await client.say({"type": "subscribe"} | message)
            assert await client.next() == {"type": "error", "message": "Failed to subscribe", "reason": reason}
        venue.run(2)
        assert await client.drain() == []


async def test_nonsense_is_answered_and_the_connection_goes_on(venue: Venue) -> None:
    async with venue.client() as client:
        for message in (
            *("", "null", "[]", "7", "{", '{"type":7}', '{"type":"subscribe","channels":"matches"}'),
            '{"type":"subscribe","channels":[{"product_ids":["BTC-USD"]}]}',
            '{"type":"subscribe","channels":["matches"],"product_ids":[1]}',
            '{"type":"subscribe","channels":[null]}',
            json.dumps({"a": "x" * 60_000}),
            "[" * 20_000,
        ):
            await client.say(message)
            assert await client.next() == {"type": "error", "message": "Malformed JSON"}
        assert (await client.ask("subscribe", "matches"))["type"] == "subscriptions"


async def test_another_verb_is_refused(venue: Venue) -> None:
    async with venue.client() as client:
        answer = await client.ask("shout", "matches")
        assert answer["reason"] == "Type has to be either subscribe or unsubscribe"
        answer = await client.ask("unsubscribe")
        assert answer == {"type": "error", "message": "Failed to unsubscribe", "reason": "No channels provided"}
