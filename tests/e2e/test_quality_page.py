"""The quality page over a simulated venue that loses trades: what stands on it is what the API says of the tape."""

from __future__ import annotations

import csv
import json
import re
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.e2e.pages import TOKEN, Reader, answer_of, reading, running

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install 'fulltape[test]'")
from playwright.sync_api import Browser, Locator, expect  # noqa: E402

pytestmark = pytest.mark.e2e

BTC = "BTC-USD.COINBASE"


@dataclass(frozen=True)
class Market:
    """The program, and the simulated venue that it follows."""

    url: str
    rest: str

    def lose(self, share: float) -> None:
        """Let the venue lose that share of its frames from now on."""
        request = urllib.request.Request(
            f"{self.rest}/sim/faults",
            data=json.dumps({"drop": share}).encode(),
            headers={"Authorization": f"Bearer {TOKEN}"},
        )
        with urllib.request.urlopen(request, timeout=240) as answer:
            assert answer.status < 300


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    folder = tmp_path_factory.mktemp("quality")
    options = ("--symbol", "BTC-USD", "--symbol", "ETH-USD", "--trades-per-s", "20")
    with running(folder, "sim", *options, "--port", "0", "--config-out", "sim.toml") as sim:
        sim.find(r"(up --config)")
        rest = sim.find(r"REST +(http://\S+)")
        with running(folder, "up", "--config", "sim.toml", "--port", "0") as up:
            yield Market(up.address(), rest)


@pytest.fixture
def reader(market: Market, browser: Browser) -> Iterator[Reader]:
    with reading(browser, f"{market.url}/quality/#1") as reader:
        expect(row(reader, BTC)).to_be_visible()
        yield reader


def row(reader: Reader, instrument: str) -> Locator:
    return reader.page.get_by_test_id(f"row-{instrument}").first


def test_figures_are_those_of_the_api(market: Market, reader: Reader) -> None:
    before = answer_of(market.url, "quality", instrument=BTC, days="1")["quality"][0]
    reader.page.get_by_role("button", name="Now").click()
    trades = row(reader, BTC).locator("[data-column=trades]")
    reader.becomes(lambda: int(trades.inner_text().replace(",", "")) >= before["trades"])
    shown = int(trades.inner_text().replace(",", ""))
    after = answer_of(market.url, "quality", instrument=BTC, days="1")["quality"][0]
    assert before["trades"] <= shown <= after["trades"]
    share = row(reader, BTC).locator("[data-column=completeness]").inner_text()
    assert re.fullmatch(r"100 %|\d{1,2}\.\d{3} %", share)
    expect(reader.page.get_by_test_id("verdict")).to_have_text(re.compile(r"missing|lack"))
    expect(reader.page.get_by_test_id("simulated")).to_contain_text("SIMULATED")
    assert reader.page.title() == "[SIMULATED] Quality · fulltape"
    assert reader.complaints == []


def test_rows_are_sorted_filtered_and_kept(reader: Reader, tmp_path: Path) -> None:
    names = reader.page.get_by_test_id("quality").locator("tbody th")
    reader.page.get_by_role("button", name="Instrument").click()
    expect(reader.page.get_by_role("columnheader", name="Instrument")).to_have_attribute("aria-sort", "ascending")
    assert names.all_inner_texts() == sorted(names.all_inner_texts())
    reader.page.keyboard.press("/")
    reader.page.keyboard.type("eth")
    expect(names).to_have_text(["ETH-USD.COINBASE"])
    with reader.page.expect_download() as download:
        reader.page.get_by_role("button", name="Save CSV").click()
    download.value.save_as(tmp_path / "q.csv")
    assert download.value.suggested_filename == "fulltape-simulated-quality.csv"
    with (tmp_path / "q.csv").open(newline="") as file:
        kept = list(csv.DictReader(file))
    assert [one["instrument"] for one in kept] == ["ETH-USD.COINBASE"]
    assert 0 <= float(kept[0]["completeness"]) <= 100
    reader.page.get_by_role("button", name="31 d").click()
    expect(reader.page).to_have_url(re.compile("#31$"))
    assert reader.complaints == []


def test_holes_are_listed_as_the_ledger_has_them(market: Market, reader: Reader) -> None:
    def holes() -> list[str]:
        stretches = answer_of(market.url, "coverage", instrument=BTC, order="desc", limit="100")["coverage"]
        return [one["state"] for one in stretches if one["channel"] == "trades" and one["state"] != "COMPLETE"]

    market.lose(0.5)
    reader.becomes(lambda: bool(holes()))
    market.lose(0)
    reader.page.get_by_role("button", name="Now").click()
    listed = reader.page.get_by_test_id("holes")
    expect(listed).to_contain_text(re.compile("refilled|not connected|trades missing"))
    row(reader, BTC).get_by_role("link").click()
    expect(reader.page).to_have_url(re.compile(f"/#{BTC}/1m$"))
