"""The books page over two simulated venues: live, and what stands on it is what the API says."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from tests.e2e.pages import Reader, answer_of, reading, rows_of, serving, simulating

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install 'fulltape[test]'")
from playwright.sync_api import Browser, FloatRect, Locator, Route, expect  # noqa: E402

pytestmark = pytest.mark.e2e

BTC, KRAKEN = "BTC-USD.COINBASE", "BTC-USD.KRAKEN"
MINUS = "\N{MINUS SIGN}"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("books")
    market = ("--venues", "coinbase,kraken", "--symbol", "BTC-USD", "--symbol", "ETH-USD", "--trades-per-s", "20")
    with simulating(folder, *market), serving(folder, "--config", "sim.toml") as url:
        yield url


@pytest.fixture
def reader(url: str, browser: Browser) -> Iterator[Reader]:
    with reading(browser, f"{url}/books/#{BTC}") as reader:
        expect(reader.page.get_by_test_id("bid")).to_have_text(re.compile(r"^[\d,]+\.\d\d$"))
        yield reader


def region(reader: Reader, name: str) -> Locator:
    return reader.page.get_by_role("region", name=name)


def text_of(reader: Reader, test_id: str) -> Callable[[], str]:
    return reader.page.get_by_test_id(test_id).inner_text


def tickers(url: str) -> list[dict[str, float]]:
    """Return what tickers say of best prices: with sizes of their own, which the newest row of all may have."""
    names = ("bid", "ask", "bid_size", "ask_size")
    query = f"SELECT {', '.join(names)} FROM tickers WHERE instrument = '{BTC}' ORDER BY event_time DESC LIMIT 5000"
    return [dict(zip(names, row, strict=True)) for row in rows_of(url, query)]


def test_best_prices_move_and_are_those_of_the_api(url: str, reader: Reader) -> None:
    reader.changes(text_of(reader, "bid"))
    reader.changes(text_of(reader, "spread-bp"))
    strip = region(reader, "Quote").inner_text()
    spread = float(region(reader, "Spread").locator("li .number").inner_text())
    quotes = answer_of(url, "quotes", instrument=BTC, order="desc", limit="10000")["quotes"]
    quotes += tickers(url)
    lines = strip.replace(",", "").split()
    shown = {name: lines[lines.index(name) + 1] for name in ("Bid", "Ask", "Spread", "Microprice")}
    quotes = [q for q in quotes if q["bid"] is not None and q["ask"] is not None]  # as after a connection is lost
    of_it = [q for q in quotes if f"{q['bid']:.2f}" == shown["Bid"] and f"{q['ask']:.2f}" == shown["Ask"]]
    assert of_it
    assert float(shown["Spread"]) == pytest.approx(of_it[0]["ask"] - of_it[0]["bid"], abs=0.006)
    micros = [(q["ask"] * q["bid_size"] + q["bid"] * q["ask_size"]) / (q["bid_size"] + q["ask_size"]) for q in of_it]
    assert min(abs(float(shown["Microprice"]) - one) for one in micros) < 0.001
    rows = answer_of(url, "quote_stats", instrument=BTC, order="desc", limit="1000")["quote_stats"]
    assert any(f"{row['spread_bp']:.2f}" == f"{spread:.2f}" for row in rows if row["spread_bp"])
    expect(reader.page.get_by_test_id("simulated")).to_contain_text("SIMULATED")
    assert reader.page.title().startswith("[SIMULATED] BTC-USD")
    assert reader.complaints == []


def test_depth_and_imbalance_are_those_of_the_book(url: str, reader: Reader) -> None:
    depth = region(reader, "Depth")
    expect(depth.locator("li").first).to_contain_text(re.compile(r"bids [\d.]+"))
    reader.changes(depth.locator("li").first.inner_text)
    bids = float(depth.locator("li").first.locator(".number").inner_text())
    imbalance = float(region(reader, "Imbalance").locator("li .number").inner_text().replace(MINUS, "-"))
    rows = answer_of(url, "depths", instrument=BTC, order="desc", limit="1000")["depths"]
    assert min(abs(row["bid_depth"] / bids - 1) for row in rows) < 0.001  # four figures are written
    expect(depth).to_contain_text(f"within {rows[0]['depth_bp']:g} bp of the mid, in BTC")
    assert any(f"{row['book_imbalance']:.2f}" == f"{imbalance:.2f}" for row in rows)
    for name in ("Best prices", "Spread", "Depth", "Imbalance"):
        assert region(reader, name).locator("canvas").count() > 0
    assert reader.complaints == []


def place_of(locator: Locator) -> FloatRect:
    place = locator.bounding_box()
    assert place is not None
    return place


def size_of(reader: Reader) -> tuple[float, float]:
    place = place_of(reader.page.get_by_test_id("ladder"))
    return place["width"], place["height"]


def ladder_rows(reader: Reader, side: str) -> list[list[str]]:
    texts: list[list[str]] = reader.page.get_by_test_id(side).evaluate(
        "body => [...body.rows].map(row => [...row.cells].map(cell => cell.innerText))"
    )
    return texts


def test_the_ladder_moves_and_shows_the_levels_that_the_api_tells(url: str, reader: Reader) -> None:
    page = reader.page
    expect(page.get_by_test_id("bids").locator("th").first).to_have_text(re.compile(r"^[\d,]+\.\d\d$"))
    expect(page.get_by_test_id("ladder-moment")).to_have_text(re.compile(r"^SIMULATED · .*\d\d:\d\d:\d\d\.\d{3} UTC"))
    before = size_of(reader)
    reader.changes(page.get_by_test_id("bids").inner_text)
    assert size_of(reader) == before

    told: list[Any] = []

    def keep(route: Route) -> None:
        """Let one answer of the API through, and show that one from then on."""
        if not told:
            told.append(route.fetch().json())
        route.fulfill(json=told[0])

    page.route(re.compile(r"/api/v1/book\?"), keep)
    reader.becomes(lambda: bool(told))
    book = told[0]
    assert (book["instrument"], book["simulated"], len(book["bids"])) == (BTC, True, 15)
    for side, levels in (("bids", book["bids"]), ("asks", book["asks"][::-1])):
        wanted = [[price, size] for price, size in levels]
        reader.becomes(lambda side=side, wanted=wanted: numbers(ladder_rows(reader, side)) == wanted)  # type: ignore[misc]
    totals = [float(row[2].replace(",", "")) for row in ladder_rows(reader, "bids")]
    assert totals[-1] == pytest.approx(sum(size for _, size in book["bids"]))

    top = {"bid": book["bids"][0], "ask": book["asks"][0]}

    def is_stored() -> bool:
        quotes = answer_of(url, "quotes", instrument=BTC, order="desc", limit="10000")["quotes"]
        return top in [{side: [row[side], row[f"{side}_size"]] for side in top} for row in quotes]

    reader.becomes(lambda: book["state"] == "crossed" or is_stored())  # the quote of that moment says the same
    assert reader.complaints == []


def numbers(rows: list[list[str]]) -> list[list[float]]:
    return [[float(text.replace(",", "")) for text in row[:2]] for row in rows if row[0]]


def test_the_ladder_stands_beside_the_figures_and_on_a_phone_under_them(reader: Reader) -> None:
    page = reader.page
    expect(page.get_by_test_id("bids")).to_be_visible()

    def is_beside() -> bool:
        prices, ladder = (place_of(region(reader, name)) for name in ("Best prices", "Ladder"))
        return ladder["x"] > prices["x"] + prices["width"] and abs(ladder["y"] - prices["y"]) < 2

    def is_under() -> bool:
        strip, ladder = (place_of(region(reader, name)) for name in ("Quote", "Ladder"))
        return ladder["y"] >= strip["y"] + strip["height"] and ladder["width"] <= 420

    reader.becomes(is_beside)
    page.set_viewport_size({"width": 420, "height": 900})
    reader.becomes(lambda: page.evaluate("document.documentElement.scrollWidth") <= 420)
    reader.becomes(is_under)
    assert reader.complaints == []


def test_a_book_that_is_lost_leaves_the_ladder_and_words_say_why(reader: Reader) -> None:
    page = reader.page
    expect(page.get_by_test_id("bids")).to_be_visible()
    before = size_of(reader)
    problem = {"title": "Service Unavailable", "status": 503, "detail": "the book waits for a snapshot: lost"}
    page.route(re.compile(r"/api/v1/book\?"), lambda route: route.fulfill(status=503, json=problem))
    expect(page.get_by_test_id("no-book")).to_have_text("No book to show: the book waits for a snapshot: lost")
    expect(page.get_by_test_id("bids")).to_have_count(0)
    assert size_of(reader) == before
    page.unroute(re.compile(r"/api/v1/book\?"))
    expect(page.get_by_test_id("bids")).to_be_visible()


def test_venues_stand_beside_each_other(url: str, reader: Reader) -> None:
    page = reader.page
    for venue in ("COINBASE", "KRAKEN"):
        expect(page.get_by_test_id(f"venue-{venue}").locator("td").first).to_have_text(re.compile(r"^[\d,]+\.\d+$"))
    expect(page.get_by_test_id("venues").locator("td.best")).to_have_count(2)
    expect(page.get_by_test_id("verdict")).to_contain_text(re.compile(r"Crossed by|bp apart|both best prices"))
    bid = page.get_by_test_id("venue-KRAKEN").locator("td").first.inner_text().replace(",", "")
    rows = answer_of(url, "quote_stats", instrument=KRAKEN, order="desc", limit="1000")["quote_stats"]
    assert float(bid) in {row["bid"] for row in rows}

    page.get_by_role("button", name="KRAKEN").click()
    expect(page).to_have_url(re.compile(rf"#{re.escape(KRAKEN)}/"))
    expect(page.get_by_test_id("venue-KRAKEN")).to_have_attribute("aria-current", "true")
    page.keyboard.press("ArrowUp")
    expect(page.get_by_test_id("instrument")).not_to_have_value(KRAKEN)
    assert reader.complaints == []


def test_aggressors_and_volatility_come_with_completed_minutes(url: str, reader: Reader) -> None:
    volume = region(reader, "Volume by aggressor")
    reader.becomes(lambda: len(answer_of(url, "flow", instrument=BTC, interval="1m")["flow"]) > 1, timeout_s=600)
    expect(volume).to_contain_text(re.compile(r"takers bought [\d.]+ % of what is seen, in BTC"))
    shown = float(re.findall(r"bought ([\d.]+) %", volume.inner_text())[0])
    flow = answer_of(url, "flow", instrument=BTC, interval="1m")["flow"][-40:]
    ranges = [flow, flow[:-1]]  # a minute may have ended between
    shares = [
        100
        * sum(row["taker_buy_volume"] for row in rows)
        / sum(row["taker_buy_volume"] + row["taker_sell_volume"] for row in rows)
        for rows in ranges
    ]
    assert min(abs(shown - share) for share in shares) < 0.06
    expect(region(reader, "Volatility").locator("li")).to_contain_text(re.compile(r"\d\.\d %"))
    reader.page.keyboard.press("2")
    expect(volume.get_by_role("button", name="5m", exact=True)).to_have_attribute("aria-pressed", "true")
    expect(reader.page).to_have_url(re.compile("/5m$"))
    assert reader.complaints == []


def test_seconds_before_the_page_was_opened_are_there(url: str, reader: Reader) -> None:
    def stored() -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = answer_of(url, "quote_stats", instrument=BTC, limit="1000")["quote_stats"]
        return rows

    reader.becomes(lambda: len(stored()) > 130, timeout_s=900)  # a snapshot has a hundred
    reader.page.reload()
    note = region(reader, "Best prices")
    first = datetime.fromisoformat(stored()[0]["event_time"][:19] + "+00:00").astimezone(ZoneInfo("Europe/Berlin"))
    reader.page.get_by_role("button", name="15 min").click()
    expect(note).to_contain_text(f"of each second since {first:%H:%M:%S}")
    assert reader.complaints == []


def test_a_lost_stream_is_said_wherever_the_page_is(reader: Reader) -> None:
    page = reader.page
    page.route_web_socket(re.compile("/api/v1/stream$"), lambda socket: socket.close(code=1013))
    for name in ("books", "overview"):
        page.goto(page.url.split("/books")[0].split("/overview")[0] + f"/{name}/")
        expect(page.get_by_test_id("offline")).to_contain_text("No connection to fulltape")
    page.set_viewport_size({"width": 1440, "height": 300})
    page.mouse.wheel(0, 500)
    expect(page.get_by_test_id("offline")).to_be_in_viewport()


def test_an_unknown_instrument_gives_way_to_one_that_has_a_book(url: str, browser: Browser) -> None:
    with reading(browser, f"{url}/books/#NOBODY-USD.NOWHERE") as reader:
        expect(reader.page.get_by_test_id("instrument")).to_have_value(re.compile(r"\.(COINBASE|KRAKEN)$"))
        expect(reader.page.get_by_test_id("last")).to_have_text(re.compile(r"^[\d,.]+$"))
        reader.page.set_viewport_size({"width": 420, "height": 900})
        reader.becomes(lambda: reader.page.evaluate("document.documentElement.scrollWidth") <= 420)
        reader.page.keyboard.press("t")
        expect(reader.page.locator("html")).to_have_attribute("data-theme", "light")
        assert reader.complaints == []
