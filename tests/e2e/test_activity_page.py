"""The activity page: what stands on it is what the API says, and a recount of the stored trades."""

from __future__ import annotations

import csv
import datetime as dt
import json
import re
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.e2e.pages import Reader, reading, rows_of, serving_imports

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install 'fulltape[test]'")
from playwright.sync_api import Browser, Locator, expect  # noqa: E402

pytestmark = pytest.mark.e2e

BTC, ETH, SOL = "BTC-USD.COINBASE", "ETH-USD.COINBASE", "SOL-USDT.KRAKEN"
SYMBOLS = {"XBTUSD": BTC, "ETHUSD": ETH, "SOLUSDT": SOL}
HOUR_S = 3_600


def time_text(seconds: float) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def write_trades(file: Path, now: float) -> None:
    """Write trades of the 14 hours up to ``now``, most of them recent, some at the very edges of hours."""
    random = Random(5)
    rows = []
    for number in range(3_000):
        instrument, price = ((BTC, 66_000.0), (ETH, 3_000.0), (SOL, 140.0))[number % 7 % 3]
        at = now - random.random() ** 2 * 14 * HOUR_S
        if number % 10 == 0:
            at = at // HOUR_S * HOUR_S - random.choice((0.0, 1e-6))
        size = round(random.lognormvariate(0.0, 2.0), 6) + 1e-6
        rows.append((at, instrument, number + 1, round(price * random.gauss(1.0, 0.001), 2), size))
    with file.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(("event_time", "instrument", "trade_id", "price", "size"))
        writer.writerows((time_text(at), *row) for at, *row in sorted(rows))


def write_quotes(file: Path, now: float) -> None:
    random = Random(6)
    with file.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(("event_time", "instrument", "bid", "bid_size", "ask", "ask_size"))
        for number in range(400):
            bid = round(66_000.0 + random.gauss(0.0, 20.0), 2)
            writer.writerow((time_text(now - 400 + number), BTC, bid, 1, round(bid + random.random() + 0.01, 2), 1))
        writer.writerow((time_text(now - 9), ETH, 2_999.5, 1, 3_000.25, 1))


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("activity")
    now = time.time()
    write_trades(folder / "trades.csv", now)
    write_quotes(folder / "quotes.csv", now)
    with serving_imports(folder, "trades", "quotes") as url:
        yield url


@pytest.fixture
def reader(url: str, browser: Browser) -> Iterator[Reader]:
    with reading(browser, f"{url}/activity/") as reader:
        expect(reader.page.get_by_test_id("totals")).to_be_visible()
        yield reader


def compat(url: str, call: str, **query: Any) -> Any:
    with urllib.request.urlopen(f"{url}/compat/{call}?{urlencode(query)}", timeout=240) as answer:
        return json.load(answer)


def panel(reader: Reader, title: str) -> Locator:
    return reader.page.get_by_role("region", name=title)


def cells(table: Locator) -> dict[str, list[str]]:
    """Return the texts of a table's rows by their heading, as they all are at one moment."""
    rows: list[list[str]] = table.locator("tbody tr").evaluate_all(
        "rows => rows.map(row => [...row.cells].map(c => c.innerText.trim()))"
    )
    return {row[0]: row[1:] for row in rows}


def number(text: str) -> float:
    return float(text.replace(",", ""))


def saved(reader: Reader, where: Locator) -> tuple[str, list[dict[str, str]]]:
    """Press the panel's button; return the file's name and rows."""
    with reader.page.expect_download() as download:
        where.get_by_role("button", name="Save CSV").click()
    with Path(download.value.path()).open(newline="") as file:
        return download.value.suggested_filename, list(csv.DictReader(file))


def recount(url: str, start: str, hours: int = 1) -> dict[str, tuple[int, float]]:
    """Count and value the stored trades of some hours by symbol."""
    query = (
        f"SELECT instrument, count(*), sum(price * size) FROM trades WHERE event_time >= TIMESTAMP '{start}' "
        f"AND event_time < TIMESTAMP '{start}' + INTERVAL {hours} HOUR GROUP BY instrument"
    )
    found = {row[0]: (row[1], row[2]) for row in rows_of(url, query)}
    return {symbol: found[instrument] for symbol, instrument in SYMBOLS.items() if instrument in found}


def hours_before_now(count: int) -> str:
    return dt.datetime.fromtimestamp(time.time() // HOUR_S * HOUR_S - count * HOUR_S, dt.UTC).strftime("%F %T")


def test_six_hours_are_those_of_the_api_and_of_a_recount(url: str, reader: Reader) -> None:
    table = reader.page.get_by_test_id("totals")

    def shown() -> dict[str, tuple[int, float]]:
        return {symbol: (int(number(count)), number(volume)) for symbol, (count, volume) in cells(table).items()}

    def counted() -> dict[str, tuple[int, Any]]:
        return {
            symbol: (count, pytest.approx(value, abs=0.006))
            for symbol, (count, value) in recount(url, hours_before_now(6), 6).items()
        }

    # An hour may end while the test runs: then the page follows within its pace.
    reader.becomes(lambda: shown() == counted())
    assert set(shown()) == set(SYMBOLS)

    def is_saved() -> bool:
        counts = compat(url, "transactions_count_last_6_hours")["count"]
        volumes = compat(url, "trade_volume_last_6_hours")["count"]
        name, rows = saved(reader, panel(reader, "The last 6 completed hours"))
        assert name == "fulltape-6-hours.csv"
        kept = [(row["symbol"], int(row["total_transaction_count"]), float(row["total_trade_volume"])) for row in rows]
        told = [
            (symbol, count["total_transaction_count"], volumes[symbol]["total_trade_volume"])
            for symbol, count in sorted(counts.items(), key=lambda one: -one[1]["total_transaction_count"])
        ]
        return kept == told

    reader.becomes(is_saved)
    assert reader.complaints == []


def test_hours_are_utc_and_as_many_as_wanted(url: str, reader: Reader) -> None:
    page, where = reader.page, panel(reader, "By the hour")
    where.get_by_role("slider", name="Hours").fill("3")
    expect(page).to_have_url(re.compile(r"#hours=3$"))
    heads = page.get_by_test_id("hours").locator("thead th")
    expect(heads).to_have_count(4)
    starts = [int(number(text[:2])) for text in heads.all_inner_texts()[1:]]
    assert starts == [(starts[0] + place) % 24 for place in range(3)]
    hour = dt.datetime.fromtimestamp(time.time() // HOUR_S * HOUR_S - HOUR_S, dt.UTC)
    assert starts[-1] in {hour.hour, (hour.hour - 1) % 24}
    expect(heads.last).to_have_attribute(
        "title", re.compile(rf"{starts[-1]:02}:00:00 UTC \(here \d+ \w+ \d+ \d\d:00:00\)")
    )

    rows: list[dict[str, str]] = []

    def same() -> bool:
        stats = compat(url, "hourly_stats_last_12_hours", n_hours=3)["stats"]
        told = [
            (one["hour_start"], symbol, one["transaction_count"], one["total_trade_volume"])
            for symbol, hours in stats.items()
            for one in hours
        ]
        name, rows[:] = saved(reader, where)
        assert (name, len(rows)) == ("fulltape-3-hours.csv", 9)
        of_btc = [f"{int(row['transaction_count']):,}" for row in rows if row["symbol"] == "XBTUSD"]
        return cells(page.get_by_test_id("hours"))["XBTUSD"] == of_btc and sorted(told) == [
            (row["hour_start"], row["symbol"], int(row["transaction_count"]), float(row["total_trade_volume"]))
            for row in rows
        ]

    reader.becomes(same)
    for row in rows:
        start = row["hour_start"].replace("T", " ").removesuffix("+00:00")
        count, value = recount(url, start)[row["symbol"]]
        assert int(row["transaction_count"]) == count
        assert float(row["total_trade_volume"]) == pytest.approx(value, rel=1e-9)
    assert reader.complaints == []


def test_the_call_behind_a_panel_can_be_copied(url: str, reader: Reader) -> None:
    reader.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    expect(reader.page.get_by_test_id("api")).to_contain_text(f"{url}/")
    panel(reader, "By the hour").get_by_role("button", name="Copy the call behind By the hour").click()
    line = reader.page.evaluate("navigator.clipboard.readText()")
    assert line == f"curl '{url}/compat/hourly_stats_last_12_hours?n_hours=12'"
    done = subprocess.run(["/bin/sh", "-c", line], check=True, capture_output=True, text=True)
    assert set(json.loads(done.stdout)["stats"]) == set(SYMBOLS)


def test_minutes_and_largest_volumes(url: str, reader: Reader) -> None:
    page = reader.page
    minutes = panel(reader, "The last minutes").get_by_role("spinbutton", name="Minutes")
    minutes.fill("90")
    trades = page.get_by_test_id("recent")

    def counted() -> str:
        answer = compat(url, "transactions_in_last_n_min", symbol=BTC, n_minutes=90)["number_of_trades"]
        end = dt.datetime.fromtimestamp(time.time() // 60 * 60, dt.UTC).strftime("%F %T")
        query = (
            f"SELECT count(*) FROM trades WHERE instrument = '{BTC}' AND event_time < TIMESTAMP '{end}' "
            f"AND event_time >= TIMESTAMP '{end}' - INTERVAL 90 MINUTE"
        )
        return f"{answer:,}" if rows_of(url, query) == [[answer]] else "a minute has ended meanwhile"

    reader.becomes(lambda: trades.inner_text() == counted())
    for wrong in ("0", "1441", "-5", ""):
        minutes.fill(wrong)
        expect(minutes).to_have_attribute("aria-invalid", "true")
        expect(page).to_have_url(re.compile("minutes=90"))
    minutes.blur()
    expect(minutes).to_have_value("90")

    top = panel(reader, "Largest volumes")
    top.get_by_role("spinbutton", name="Top").fill("2")
    table = page.get_by_test_id("top")
    expect(table.locator("tbody tr")).to_have_count(2)

    def is_shown() -> bool:
        """The hour ends with this minute: another may have begun since the page has asked."""
        first, second = compat(url, "top_n_highest_volumes", top_n=2)["top_symbols"]
        kept = [float(row["total_volume"]) for row in saved(reader, top)[1]]
        return kept == [first["total_volume"], second["total_volume"]] and cells(table) == {
            "1": [first["symbol"], f"{first['total_volume']:,.2f}"],
            "2": [second["symbol"], f"{second['total_volume']:,.2f}"],
        }

    reader.becomes(is_shown)
    assert reader.complaints == []


def test_prices_have_a_spread_and_its_share_of_the_bid(url: str, reader: Reader) -> None:
    page = reader.page
    for instrument in (BTC, ETH):
        price = compat(url, "current_price", symbol=instrument)
        bid, ask = price["Buy price"], price["Sell price"]
        texts = page.get_by_test_id(f"price-{instrument}").locator("td").all_inner_texts()
        assert [number(text) for text in texts[:3]] == [bid, ask, pytest.approx(ask - bid)]
        assert number(texts[3]) == pytest.approx(100 * (ask - bid) / bid, abs=5e-5)
    expect(page.get_by_test_id("quotes")).to_have_attribute("data-points", "300")
    page.keyboard.press("j")
    expect(page).to_have_url(re.compile(rf"instrument={re.escape(ETH)}"))
    expect(page.get_by_test_id("quotes")).to_have_attribute("data-points", "1")
    expect(page.get_by_test_id("quote")).to_contain_text("2,999.5")
    expect(panel(reader, "The last minutes")).to_contain_text(f"of {ETH}")
    page.reload()
    expect(page.get_by_role("combobox", name="Instrument")).to_have_value(ETH)
    assert reader.complaints == []


def test_a_silent_market_is_said_to_be_one(reader: Reader) -> None:
    expect(reader.page.get_by_test_id("simulated")).to_be_hidden()
    assert reader.page.title() == "Activity · fulltape"
    reader.page.goto(reader.page.url + "#instrument=NO-SUCH.THING")
    expect(panel(reader, "Bid and ask")).to_contain_text("There is no instrument NO-SUCH.THING")
    assert reader.complaints == []


def test_quotes_are_live_and_simulated_ones_say_so(simulated: str, browser: Browser) -> None:
    with reading(browser, f"{simulated}/activity/#instrument={BTC}") as reader:
        page = reader.page
        expect(page.get_by_test_id("quotes")).to_have_attribute("data-points", re.compile(r"^\d+$"))
        quote = page.get_by_test_id("quote")
        expect(quote).to_contain_text(re.compile(r"Bid\s*[\d,]+\.\d\d\s*Ask\s*[\d,]+\.\d\d"))
        reader.changes(quote.inner_text)
        canvas = page.get_by_test_id("quotes").locator("canvas")
        expect(canvas).to_be_visible()
        reader.changes(lambda: str(canvas.evaluate("canvas => canvas.toDataURL()")))
        expect(page.get_by_test_id("simulated")).to_be_in_viewport()
        assert page.title() == "[SIMULATED] Activity · fulltape"
        top = panel(reader, "Largest volumes")
        expect(top.get_by_role("button", name="Save CSV")).to_be_enabled()
        assert saved(reader, top)[0] == "fulltape-simulated-top-volumes.csv"

        page.keyboard.press("l")
        expect(page.get_by_role("button", name="log")).to_have_attribute("aria-pressed", "true")
        expect(page).to_have_url(re.compile("scale=logarithmic"))
        page.keyboard.press("t")
        expect(page.locator("html")).to_have_attribute("data-theme", "light")
        page.set_viewport_size({"width": 420, "height": 900})
        # Canvases follow the window a moment later.
        reader.becomes(lambda: page.evaluate("document.documentElement.scrollWidth") <= 420)
        expect(page.get_by_test_id("simulated")).to_be_in_viewport()
        assert reader.complaints == []
