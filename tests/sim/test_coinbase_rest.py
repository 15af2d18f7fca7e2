from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fulltape.clock import SECOND_NS
from fulltape.sim.base import Reply
from fulltape.sim.coinbase_rest import CoinbaseRest
from fulltape.sim.instruments import choose
from fulltape.sim.market import Market

START_S = 29_833_333 * 60
NEWEST = 1 << 62
BTC = "/products/BTC-USD"


@pytest.fixture(scope="module")
def market() -> Market:
    model = Market(4, START_S * SECOND_NS, choose(["BTC-USD", "UNI-USD"]), trades_per_s=30.0, past_days=1.0)
    model.advance((START_S + 330) * SECOND_NS)
    return model


@pytest.fixture(scope="module")
def rest(market: Market) -> CoinbaseRest:
    return CoinbaseRest(market)


def body(reply: Reply) -> Any:
    return msgspec.json.decode(reply.body)


def test_products(rest: CoinbaseRest) -> None:
    products = body(rest.get("/products", {}))
    assert [product["id"] for product in products] == ["BTC-USD", "UNI-USD"]
    assert products[1]["quote_increment"] == "0.001"
    assert body(rest.get(BTC, {})) == products[0]


def test_trades_page_back_to_the_first(rest: CoinbaseRest, market: Market) -> None:
    newest, first = market.last_id(0), market.trades(0, NEWEST, 1_000_000)[-1].trade_id
    seen: list[int] = []
    query = {"limit": "1000"}
    while page := body(reply := rest.get(f"{BTC}/trades", query)):
        ids = [trade["trade_id"] for trade in page]
        assert dict(reply.headers) == {"CB-BEFORE": str(ids[0]), "CB-AFTER": str(ids[-1])}
        seen += ids
        query["after"] = dict(reply.headers)["CB-AFTER"]
    assert len(seen) > 2_000
    assert seen == list(range(newest, first - 1, -1))
    assert reply.headers == ()


def test_a_trade_is_what_the_market_did(rest: CoinbaseRest, market: Market) -> None:
    last = market.last_trade(0)
    assert last is not None
    (trade,) = body(rest.get(f"{BTC}/trades", {"limit": "1"}))
    listing = market.listings[0]
    assert trade["trade_id"] == last.trade_id
    assert trade["side"] == ("sell" if last.maker_sells else "buy")
    assert (trade["price"], trade["size"]) == (listing.price_text(last.price), listing.size_text(last.size))
    assert len(trade["time"]) == len("2026-01-01T00:00:00.000000Z")


def test_before_gives_the_newest_above_an_id(rest: CoinbaseRest, market: Market) -> None:
    newest = market.last_id(0)
    page = body(rest.get(f"{BTC}/trades", {"before": "100", "limit": "3"}))
    assert [trade["trade_id"] for trade in page] == [newest, newest - 1, newest - 2]
    page = body(rest.get(f"{BTC}/trades", {"before": str(newest - 2)}))
    assert [trade["trade_id"] for trade in page] == [newest, newest - 1]
    assert body(rest.get(f"{BTC}/trades", {"after": "1"})) == []


def test_a_larger_limit_is_cut_to_a_thousand(rest: CoinbaseRest) -> None:
    assert len(body(rest.get(f"{BTC}/trades", {"limit": "5000"}))) == 1_000
    assert len(body(rest.get(f"{BTC}/trades", {}))) == 1_000


@pytest.mark.parametrize("query", [{"limit": "many"}, {"after": "-1"}, {"before": "1.5"}, {"after": "9" * 30}])
def test_a_bad_cursor_is_refused(rest: CoinbaseRest, query: dict[str, str]) -> None:
    reply = rest.get(f"{BTC}/trades", query)
    assert reply.status == 400
    assert "whole number" in body(reply)["message"]


def test_candles_have_low_before_high_and_both_ends(rest: CoinbaseRest, market: Market) -> None:
    start = START_S // 60 * 60 - 3_600
    query = {"granularity": "60", "start": str(start), "end": str(start + 600)}
    candles = body(rest.get(f"{BTC}/candles", query))
    assert [row[0] for row in candles] == [start + 60 * i for i in range(10, -1, -1)]
    for _, low, high, opened, closed, volume in candles:
        assert low <= min(opened, closed) <= max(opened, closed) <= high
        assert volume > 0
    (bar,) = market.bars(0, start, start + 60)
    assert candles[-1][1:3] == [bar.low / 100, bar.high / 100]


def test_coarse_candles_are_made_of_fine_ones(rest: CoinbaseRest) -> None:
    end = START_S // 3_600 * 3_600
    fine = body(rest.get(f"{BTC}/candles", {"granularity": "60", "start": str(end - 7_200), "end": str(end - 60)}))
    coarse = body(rest.get(f"{BTC}/candles", {"granularity": "3600", "start": str(end - 7_200), "end": str(end - 60)}))
    assert [row[0] for row in coarse] == [end - 3_600, end - 7_200]
    for row in coarse:
        own = [part for part in fine if row[0] <= part[0] < row[0] + 3_600]
        assert row[1:5] == [min(r[1] for r in own), max(r[2] for r in own), own[-1][3], own[0][4]]
        assert row[5] == pytest.approx(sum(r[5] for r in own))


def test_times_may_be_iso(rest: CoinbaseRest) -> None:
    seconds = {"start": "1789999200", "end": "1789999500"}
    spelled = {"start": "2026-09-21T14:00:00", "end": "2026-09-21T14:05:00.000Z"}
    by_seconds, by_text = (rest.get(f"{BTC}/candles", {"granularity": "60"} | query) for query in (seconds, spelled))
    assert by_seconds == by_text
    assert len(body(by_text)) == 6


def test_without_both_bounds_the_newest_350_come(rest: CoinbaseRest) -> None:
    newest = body(rest.get(f"{BTC}/candles", {"granularity": "60", "start": "5"}))
    assert len(newest) == 350
    assert newest[0][0] == START_S + 300
    assert newest == body(rest.get(f"{BTC}/candles", {}))


def test_a_minute_without_trades_has_no_candle() -> None:
    quiet = Market(4, START_S * SECOND_NS, choose(["UNI-USD"]), trades_per_s=0.02, past_days=1.0)
    end = START_S // 60 * 60
    query = {"granularity": "60", "start": str(end - 18_000), "end": str(end - 60)}
    rows = body(CoinbaseRest(quiet).get("/products/UNI-USD/candles", query))
    assert 0 < len(rows) < 300


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"granularity": "61"}, "Unsupported granularity"),
        ({"granularity": "60", "start": "0", "end": "18060"}, "exceeds 300"),
        ({"granularity": "60", "start": "100", "end": "40"}, "start must be before end"),
        ({"granularity": "60", "start": "yesterday", "end": "40"}, "Invalid time"),
        ({"granularity": "1m"}, "whole number"),
    ],
)
def test_bad_candle_requests(rest: CoinbaseRest, query: dict[str, str], message: str) -> None:
    reply = rest.get(f"{BTC}/candles", query)
    assert reply.status == 400
    assert message in body(reply)["message"]


def test_three_hundred_intervals_are_allowed(rest: CoinbaseRest) -> None:
    assert rest.get(f"{BTC}/candles", {"granularity": "60", "start": "0", "end": "18000"}).status == 200


def test_book(rest: CoinbaseRest, market: Market) -> None:
    top, whole = (body(rest.get(f"{BTC}/book", {"level": level})) for level in ("1", "2"))
    assert (len(top["bids"]), len(top["asks"])) == (1, 1)
    assert (top["bids"][0], top["asks"][0]) == (whole["bids"][0], whole["asks"][0])
    assert len(whole["bids"]) == len(market.book(0).bids) > 20
    assert whole["sequence"] == market.sequence(0)
    assert whole["bids"][0][2] == 1
    assert float(whole["bids"][0][0]) < float(whole["asks"][0][0])
    assert body(rest.get(f"{BTC}/book", {})) == top
    assert rest.get(f"{BTC}/book", {"level": "3"}).status == 400


def test_ticker_and_stats(rest: CoinbaseRest, market: Market) -> None:
    ticker, stats = body(rest.get(f"{BTC}/ticker", {})), body(rest.get(f"{BTC}/stats", {}))
    assert set(ticker) == {"ask", "bid", "volume", "trade_id", "price", "size", "time", "rfq_volume"}
    assert ticker["trade_id"] == market.last_id(0)
    assert (stats["last"], stats["volume"]) == (ticker["price"], ticker["volume"])
    assert float(stats["low"]) <= float(stats["open"]) <= float(stats["high"])


def test_before_the_first_trade_there_is_no_ticker() -> None:
    rest = CoinbaseRest(Market(4, START_S * SECOND_NS, choose(["BTC-USD"]), past_days=0))
    assert [rest.get(f"{BTC}/{name}", {}).status for name in ("ticker", "stats")] == [404, 404]
    assert body(rest.get(f"{BTC}/trades", {})) == body(rest.get(f"{BTC}/candles", {})) == []


def test_time(rest: CoinbaseRest) -> None:
    assert body(rest.get("/time", {})) == {"iso": "2026-09-21T14:18:30.000Z", "epoch": START_S + 330}


@pytest.mark.parametrize("path", ["/", "/nothing", "/products/ABC-USD", f"{BTC}/nothing", f"{BTC}/trades/1", "/time/x"])
def test_anything_else_is_not_found(rest: CoinbaseRest, path: str) -> None:
    assert rest.get(path, {}) == Reply(404, b'{"message":"NotFound"}')
