"""The alerts page and the notice on the live one: what goes on and what has ended, as it comes and filtered."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.e2e.pages import Reader, answer_of, reading, serving, simulating

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install 'fulltape[test]'")
from playwright.sync_api import Browser, Locator, expect  # noqa: E402

pytestmark = pytest.mark.e2e

RULES = """
[alerts.rules.ticks]
figure = "change_1t"
kind = "move"
beyond = 0.0001
cooldown_s = 2
[alerts.rules.wide]
figure = "spread_bp"
kind = "risk"
above = -1.0
[alerts.rules.cheapest]
figure = "crossed_bp"
kind = "opportunity"
above = -1000.0
instruments = ["BTC-USD"]
cooldown_s = 2
"""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("alerts")
    market = ("--venues", "coinbase,kraken", "--symbol", "BTC-USD", "--symbol", "ETH-USD", "--trades-per-s", "20")
    with simulating(folder, *market):
        with (folder / "sim.toml").open("a") as config:
            config.write(RULES)
        with serving(folder, "--config", "sim.toml") as url:
            yield url


@pytest.fixture
def reader(url: str, browser: Browser) -> Iterator[Reader]:
    with reading(browser, f"{url}/alerts/") as reader:
        expect(rows(reader, "Going on", "wide").first).to_be_visible()
        yield reader
        assert reader.complaints == []


def rows(reader: Reader, part: str, rule: str) -> Locator:
    return reader.page.get_by_role("region", name=part).locator(f"[data-testid=episode][data-rule={rule}]")


def test_what_goes_on_is_what_the_api_says_and_made_up(reader: Reader, url: str) -> None:
    expect(rows(reader, "Going on", "wide")).to_have_count(4)
    active = [row for row in answer_of(url, "alerts/active")["alerts"] if row["rule"] == "wide"]
    assert {row["instrument"] for row in active} == {
        f"{c}-USD.{v}" for c in ("BTC", "ETH") for v in ("COINBASE", "KRAKEN")
    }
    for row in active:
        shown = rows(reader, "Going on", "wide").filter(has_text=row["instrument"])
        expect(shown).to_contain_text(row["detail"])
        expect(shown).to_contain_text("risk")
        expect(shown).to_contain_text("-1 bp")
    expect(reader.page.get_by_text("SIMULATED").first).to_be_visible()
    expect(reader.page.get_by_text("Nobody:")).to_contain_text("[notify.NAME]")


def test_alerts_come_and_end_by_themselves(reader: Reader) -> None:
    ended = rows(reader, "Past", "ticks")
    expect(ended.first).to_be_visible()
    before = ended.count()
    reader.becomes(lambda: ended.count() > before)
    expect(ended.first).to_contain_text("%")
    assert rows(reader, "Past", "wide").count() == 0


def test_kinds_rules_and_instruments_are_filtered(reader: Reader) -> None:
    page, wide, ticks = reader.page, rows(reader, "Going on", "wide"), rows(reader, "Past", "ticks")
    expect(ticks.first).to_be_visible()
    page.get_by_role("button", name="risk").click()
    expect(ticks).to_have_count(0)
    expect(wide).to_have_count(4)
    page.get_by_role("searchbox", name="Instrument").fill("eth-usd.kra")
    expect(wide).to_have_count(1)
    page.get_by_role("button", name="show all").click()
    expect(wide).to_have_count(4)
    page.get_by_role("combobox", name="Rule").select_option("ticks")
    expect(wide).to_have_count(0)
    expect(ticks.first).to_be_visible()


def test_the_live_page_tells_of_a_new_alert_and_leads_here(url: str, browser: Browser) -> None:
    with reading(browser, url) as reader:
        notice = reader.page.get_by_test_id("alert-notice")
        expect(notice).to_be_visible()
        notice.get_by_role("button", name="Dismiss").click()
        expect(notice).to_be_visible()  # the next one
        notice.get_by_role("link").click()
        expect(reader.page).to_have_url(f"{url}/alerts/")
        expect(rows(reader, "Going on", "wide").first).to_be_visible()
        assert reader.complaints == []
