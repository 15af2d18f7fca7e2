"""Pages beside each other: they agree on the instrument, and on what their addresses mean to somebody else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.pages import Reader, reading, serving

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install 'fulltape[test]'")
from playwright.sync_api import Browser, expect  # noqa: E402

pytestmark = pytest.mark.e2e

ETH, SOL = "ETH-USD.COINBASE", "SOL-USD.COINBASE"
NOBODY_THERE = """
[store]
path = "tape.duckdb"
[venues.coinbase]
url = "ws://127.0.0.1:9"
rest_url = "http://127.0.0.1:9"
"""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("together"), "--sim") as url:
        yield url


def go_to(reader: Reader, page: str) -> None:
    reader.page.get_by_role("navigation", name="Pages").get_by_role("link", name=page).click()


def test_every_page_begins_with_the_instrument_of_the_last(url: str, browser: Browser) -> None:
    with reading(browser, f"{url}/#{ETH}/1m") as reader:
        expect(reader.page.get_by_role("heading", name="ETH-USD")).to_be_visible()
        for page in ("Books", "Activity", "Distribution"):
            go_to(reader, page)
            expect(reader.page.get_by_label("Instrument")).to_have_value(ETH)
        reader.page.get_by_label("Instrument").select_option(SOL)
        go_to(reader, "Overview")
        expect(reader.page).to_have_url(re.compile(f"#{SOL}/"))
        go_to(reader, "Live")
        expect(reader.page.get_by_role("heading", name="SOL-USD")).to_be_visible()
        tomorrow = reader.page.context.new_page()
        tomorrow.goto(f"{url}/books/")
        expect(tomorrow.get_by_label("Instrument")).to_have_value(SOL)
        assert reader.complaints == []


def test_the_live_page_tells_the_zone_of_its_times(url: str, browser: Browser) -> None:
    with reading(browser, f"{url}/#{ETH}/1m") as reader:
        expect(reader.page.get_by_test_id("zone")).to_have_text(re.compile(r"Times in UTC\+[12]"))
        reader.page.get_by_test_id("interval-1d").click()
        expect(reader.page.get_by_test_id("zone")).to_have_text("Days of UTC")
        expect(reader.page.get_by_text(re.compile(r"24 h volume.* ETH"))).to_be_visible()


def test_a_link_brings_a_query_and_does_not_run_it(url: str, browser: Browser) -> None:
    with reading(browser, f"{url}/sql/") as reader:
        reader.page.get_by_label("Query").fill("SELECT 6 * 7 AS answer -- 100 %")
        reader.page.keyboard.press("Control+Enter")
        expect(reader.page.get_by_role("cell", name="42")).to_be_visible()
        link = reader.page.url
    with reading(browser, link) as reader:
        expect(reader.page.get_by_label("Query")).to_have_value("SELECT 6 * 7 AS answer -- 100 %")
        expect(reader.page.get_by_role("button", name="Run")).to_be_enabled()
        expect(reader.page.get_by_role("cell", name="42")).to_have_count(0)
        reader.page.set_viewport_size({"width": 390, "height": 844})
        expect(reader.page.get_by_role("button", name="Run")).to_be_in_viewport()


def test_a_file_of_rows_says_that_it_is_cut_and_made_up(url: str, browser: Browser) -> None:
    with reading(browser, f"{url}/sql/") as reader:
        reader.page.get_by_label("Query").fill("SELECT range AS n FROM range(10_001)")
        reader.page.keyboard.press("Control+Enter")
        expect(reader.page.get_by_text("Save the file to have the first 10,000")).to_be_visible()
        with reader.page.expect_download() as download:
            reader.page.get_by_role("button", name="Save csv").click()
        assert download.value.suggested_filename == "fulltape-simulated-rows.csv"
        assert len(Path(download.value.path()).read_text().splitlines()) == 10_001
        expect(reader.page.get_by_text("saved (there are more rows than the limit lets through)")).to_be_visible()


def test_every_window_says_that_its_prices_are_made_up(url: str, browser: Browser) -> None:
    for path in ("", "overview/", "books/", "activity/", "distribution/", "quality/", "alerts/", "topics/", "sql/"):
        with reading(browser, f"{url}/{path}") as reader:
            expect(reader.page).to_have_title(re.compile(r"^\[SIMULATED\] .*fulltape$"))


def test_an_empty_database_is_not_loading_for_ever(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "nobody.toml").write_text(NOBODY_THERE)
    with serving(tmp_path, "--config", "nobody.toml", "--live") as url:
        with reading(browser, url) as reader:
            expect(reader.page.get_by_test_id("legend")).to_contain_text("No candle yet: COINBASE-1 is down.")
        for path, text in (("overview", "No price has come yet."), ("books", "No instrument has a quote yet")):
            with reading(browser, f"{url}/{path}/") as reader:
                panel = reader.page.get_by_role("region", name=path.title(), exact=True)
                expect(panel).to_contain_text(text)
                expect(reader.page.get_by_text("Loading")).to_have_count(0)
                bad = reader.page.get_by_test_id("bad-feeds")
                expect(bad).to_contain_text("Nothing new comes from COINBASE-1 (down).")
                assert reader.complaints == []
