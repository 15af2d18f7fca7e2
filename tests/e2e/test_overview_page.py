"""The overview page over simulated venues: what stands on it is what the API says."""

from __future__ import annotations

import csv
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.pages import Reader, answer_of, reading, rows_of, serving, simulating
from tests.e2e.programs import FULLTAPE

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install 'fulltape[test]'")
from playwright.sync_api import Browser, Locator, expect  # noqa: E402

pytestmark = pytest.mark.e2e

BTC, ETH, COIN = "BTC-USD.COINBASE", "ETH-USD.COINBASE", "BTC-USD.LIVECOINWATCH"
DAYS = 12
MINUS = "\N{MINUS SIGN}"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Two days of products, one of them with days before that, and an aggregator's coins."""
    folder = tmp_path_factory.mktemp("overview")
    products = ("--symbol", "BTC-USD", "--symbol", "ETH-USD", "--past-days", str(DAYS + 1), "--trades-per-s", "20")
    venues = ("--venues", "coinbase,livecoinwatch")
    with simulating(folder, *venues, *products):
        fetch = [str(FULLTAPE), "backfill", BTC, "--interval", "1d", "--from", f"{DAYS}d", "--config", "sim.toml"]
        subprocess.run(fetch, cwd=folder, check=True, capture_output=True)
        with serving(folder, "--config", "sim.toml") as url:
            yield url


@pytest.fixture
def reader(url: str, browser: Browser) -> Iterator[Reader]:
    with reading(browser, f"{url}/overview/") as reader:
        expect(row(reader, BTC)).to_be_visible()
        yield reader


def row(reader: Reader, instrument: str) -> Locator:
    return reader.page.get_by_test_id(f"row-{instrument}")


def number(text: str) -> float:
    """Return the figure that the page has written."""
    return float(text.replace(",", "").replace(MINUS, "-").removesuffix("%"))


def pause(reader: Reader) -> None:
    reader.page.get_by_test_id("pace").select_option(label="paused")
    expect(reader.page.get_by_role("status").filter(has_text="Paused")).to_be_visible()


def test_figures_are_those_of_the_api(url: str, reader: Reader) -> None:
    page = reader.page
    expect(row(reader, COIN).get_by_test_id("cap")).to_have_text(re.compile(r"^[\d.]+T$"))
    price = row(reader, BTC).get_by_test_id("price")
    reader.changes(price.inner_text)
    pause(reader)
    shown = number(price.inner_text())
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert number(price.inner_text()) == shown
    trades = answer_of(url, "trades", instrument=BTC, order="desc", limit="1000")["trades"]
    assert shown in {trade["price"] for trade in trades}

    high = number(row(reader, BTC).get_by_test_id("high").inner_text())
    assert high >= shown

    def all_time_high() -> float:
        (stat,) = answer_of(url, "stats/latest", instrument=BTC)["stats"]
        return float(stat["all_time_high"])

    reader.becomes(lambda: all_time_high() >= high)  # a second after the price
    volume = row(reader, BTC).get_by_test_id("volume")
    (last,) = answer_of(url, "last", instrument=BTC)["last"]
    scale = {"M": 1e6, "B": 1e9}[volume.inner_text()[-1]]
    assert number(volume.inner_text()[:-1]) * scale == pytest.approx(last["volume_24h"] * last["price"], rel=0.01)

    (coin,) = rows_of(url, f"SELECT cap, price FROM overview WHERE instrument = '{COIN}'")
    cap = number(row(reader, COIN).get_by_test_id("cap").inner_text()[:-1]) * 1e12
    assert cap == pytest.approx(coin[0], rel=0.01)
    expect(page.get_by_test_id("simulated")).to_contain_text("SIMULATED")
    assert page.title().startswith("[SIMULATED]")
    assert reader.complaints == []


def test_closes_of_bars_follow_the_chosen_length(url: str, reader: Reader) -> None:
    page = reader.page
    page.get_by_test_id("granularity").select_option("1h")
    expect(page).to_have_url(re.compile(r"/1h(/|$)"))
    bar = row(reader, BTC).locator("td").nth(2)
    expect(bar).to_have_text(re.compile(rf"^[+{MINUS}]?\d+\.\d\d %$"))
    pause(reader)
    newest, before = rows_of(
        url,
        f"SELECT close FROM candles WHERE instrument = '{BTC}' AND interval = '1h' AND close IS NOT NULL "
        "ORDER BY start DESC LIMIT 2",
    )
    assert number(bar.inner_text()) == pytest.approx(100 * (newest[0] / before[0] - 1), abs=0.3)
    expect(page.get_by_role("columnheader", name="Δ 1h bar")).to_be_visible()
    page.reload()
    expect(page.get_by_test_id("granularity")).to_have_value("1h")
    assert reader.complaints == []


def test_instruments_are_filtered_sorted_and_chosen(reader: Reader) -> None:
    page = reader.page
    page.keyboard.press("/")
    page.keyboard.type("bitcoin")
    expect(row(reader, COIN)).to_be_visible()
    expect(row(reader, BTC)).to_be_hidden()
    page.keyboard.press("Escape")
    page.get_by_label("Filter instruments").fill("coinbase")
    price = page.get_by_role("columnheader", name="Price")
    price.get_by_role("button").click()
    expect(price).to_have_attribute("aria-sort", "descending")
    names = page.get_by_test_id("overview").locator("tbody th button")
    expect(names).to_have_text([re.compile("^BTC"), re.compile("^ETH")])
    price.get_by_role("button").click()
    expect(names).to_have_text([re.compile("^ETH"), re.compile("^BTC")])

    row(reader, ETH).get_by_role("button").click()
    expect(page).to_have_url(re.compile(rf"#{re.escape(ETH)}/"))
    expect(page.get_by_role("heading", name="ETH-USD by 1m")).to_be_visible()
    row(reader, BTC).get_by_role("checkbox").check()
    expect(page.get_by_test_id("performance")).to_contain_text(BTC)
    assert reader.complaints == []


def test_the_table_is_kept_as_a_file(reader: Reader, tmp_path: Path) -> None:
    reader.page.get_by_label("Filter instruments").fill("btc coinbase")
    with reader.page.expect_download() as download:
        reader.page.get_by_role("button", name="Save CSV").click()
    assert download.value.suggested_filename == "fulltape-simulated-overview.csv"
    download.value.save_as(tmp_path / "o.csv")
    with (tmp_path / "o.csv").open(newline="") as file:
        (kept,) = csv.DictReader(file)
    assert kept["instrument"] == BTC
    assert float(kept["price"]) > 0
    assert kept["updated"].endswith("Z")


def test_the_donut_shares_out_the_volume_of_24_hours(url: str, reader: Reader) -> None:
    page = reader.page
    panel = page.get_by_role("region", name="Volume of each coin")
    panel.get_by_label("Where").select_option("COINBASE in USD")
    values = {
        one["instrument"]: one["volume_24h"] * one["price"]
        for one in answer_of(url, "last")["last"]
        if one["volume_24h"]
    }
    whole = values[BTC] + values[ETH]
    expect(panel.locator("li")).to_have_count(2)
    for name, instrument in (("BTC", BTC), ("ETH", ETH)):
        share = panel.get_by_role("button", name=name).locator(".number").inner_text()
        assert number(share) == pytest.approx(100 * values[instrument] / whole, abs=0.5)
    panel.get_by_role("button", name="ETH").click()
    expect(panel.get_by_role("button", name="ETH")).to_have_attribute("aria-pressed", "false")
    assert panel.locator("canvas").count() == 1
    assert reader.complaints == []


def test_winners_and_losers_are_told_as_soon_as_there_is_a_time_to_compare(url: str, reader: Reader) -> None:
    page = reader.page
    panel = page.get_by_role("region", name="Biggest winners and losers")
    panel.get_by_label("over").select_option("30d")
    expect(panel.get_by_test_id("empty")).to_contain_text("followed for 30d yet")
    panel.get_by_label("over").select_option("1m")
    known: Any = lambda: answer_of(url, "movers", period="1m")  # noqa: E731
    reader.becomes(lambda: bool(known()["winners"] + known()["losers"]))
    expect(panel.locator("tbody th").first).to_contain_text(re.compile("BTC|ETH"))
    assert reader.complaints == []


def test_ten_days_have_a_mean_and_too_few_say_what_brings_more(url: str, reader: Reader) -> None:
    page = reader.page
    averages = page.get_by_role("region", name="Averages of 10 and 30 days")
    days = answer_of(url, "daily", instrument=BTC, order="desc", limit="2")["daily"]
    mean = next(day["sma_10d"] for day in days if day["is_final"])
    expect(averages.locator("li").nth(1)).to_contain_text(f"10 days {mean:,.2f}")
    expect(averages.get_by_test_id("lacking")).to_contain_text("A mean of 30 days needs 30 completed days in a row")
    row(reader, ETH).get_by_role("button").click()
    expect(averages).to_contain_text(f"fulltape backfill {ETH} --interval 1d --from 40d")
    assert reader.complaints == []


def test_performance_begins_at_nothing_for_all(reader: Reader) -> None:
    page = reader.page
    panel = page.get_by_role("region", name="Performance over time")
    expect(panel.locator("li")).to_have_count(2)
    expect(panel.locator("li").first).to_contain_text(re.compile(rf"[+{MINUS}]?\d+\.\d\d %"))
    panel.get_by_role("button", name="30 d").click()
    expect(panel.get_by_test_id("shorter")).to_contain_text("fulltape backfill")
    volatility = page.get_by_role("region", name="Volatility")
    expect(volatility).to_contain_text("returns of 4h")
    panel.get_by_role("button", name="6 h").click()
    expect(volatility.locator("li").first).to_contain_text(re.compile(r"\d\.\d %"))
    assert reader.complaints == []


def test_it_keeps_running_in_the_light_and_on_a_telephone(reader: Reader) -> None:
    page = reader.page
    page.keyboard.press("t")
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    page.set_viewport_size({"width": 420, "height": 900})
    reader.becomes(lambda: page.evaluate("document.documentElement.scrollWidth") <= 420)
    expect(page.get_by_test_id("simulated")).to_be_in_viewport()
    assert reader.complaints == []
