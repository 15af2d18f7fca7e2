"""The distribution page: what stands on it is what the API says, and what NumPy and pandas make of the trades."""

from __future__ import annotations

import csv
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.e2e.pages import Reader, answer_of, reading, rows_of, serving_imports

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install 'fulltape[test]'")
from playwright.sync_api import Browser, Locator, expect  # noqa: E402

pytestmark = pytest.mark.e2e

BTC, ETH = "BTC-USD.COINBASE", "ETH-USD.COINBASE"
START, END = "2024-11-20T14:00", "2024-11-20T15:30"
RANGE = f"instrument={BTC}&start={START}&end={END}"


def write_trades(file: Path) -> None:
    """Write 2,000 trades of an hour and a half, one in five at the moment of the one before, and a few others."""
    random = Random(8)
    start = pd.Timestamp(START)
    moments = sorted(random.uniform(0.0, 5_400.0) for _ in range(2_000))
    with file.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(("event_time", "instrument", "trade_id", "price", "size"))
        for number, moment in enumerate(moments, 1):
            at = start + pd.Timedelta(seconds=moments[number - 2] if number % 5 == 0 else moment)
            price = round(66_000.0 + 3 * (number % 97) - random.random(), 2)
            writer.writerow(
                (f"{at.isoformat()}Z", BTC, number, price, round(random.lognormvariate(-6.0, 2.0) + 1e-6, 6))
            )
        writer.writerows((f"{START}:0{n}Z", ETH, 5_000 + n, 3_000 + n, 1) for n in range(3))


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("distribution")
    write_trades(folder / "trades.csv")
    with serving_imports(folder, "trades") as url:
        yield url


@pytest.fixture
def reader(url: str, browser: Browser) -> Iterator[Reader]:
    with reading(browser, f"{url}/distribution/#{RANGE}") as reader:
        expect(summary(reader)).to_contain_text("2,000")
        yield reader


@pytest.fixture(scope="module")
def trades(url: str) -> pd.DataFrame:
    """What is stored, in the order of the tape."""
    query = (
        f"SELECT trade_id, event_time, price, size FROM trades WHERE instrument = '{BTC}' "
        "ORDER BY event_time, trade_id::BIGINT"
    )
    rows = pd.DataFrame(rows_of(url, query), columns=["trade_id", "time", "price", "size"])
    return rows.assign(time=pd.to_datetime(rows["time"]))


def summary(reader: Reader) -> Locator:
    return reader.page.get_by_test_id("summary")


def panel(reader: Reader, title: str) -> Locator:
    return reader.page.get_by_role("region", name=title)


def saved(reader: Reader, title: str) -> pd.DataFrame:
    """Return the rows of the file that a panel saves."""
    with reader.page.expect_download() as download:
        panel(reader, title).get_by_role("button", name="Save CSV").click()
    return pd.read_csv(download.value.path())


def figures_of(url: str) -> Any:
    query = {"instrument": BTC, "start": f"{START}:00Z", "end": f"{END}:00Z", "bins": "40"}
    return answer_of(url, "distribution", **query)["distribution"]


def test_figures_are_those_of_the_api_and_of_the_trades(url: str, reader: Reader, trades: pd.DataFrame) -> None:
    figures, size = figures_of(url), np.sort(trades["size"].to_numpy())
    share = np.r_[0.0, np.cumsum(size)] / size.sum()
    gini = 1 - 2 * np.trapezoid(share, dx=1 / len(size))
    assert figures["gini"] == pytest.approx(gini, rel=1e-9)
    largest = size[-len(size) // 5 :].sum() / size.sum()
    assert figures["pareto_share"] == pytest.approx(largest, rel=1e-9)
    texts = summary(reader).locator("dd").all_inner_texts()
    assert texts == ["2,000", f"{size.sum():.7g}", f"{np.median(size):.4g}", f"{gini:.3f}", f"{100 * largest:.1f} %"]

    whiskers = [f"{size[0]:.3g}", f"{figures['whiskers'][1]:.3g}"]
    low, middle, high = np.quantile(size, [0.25, 0.5, 0.75])
    reached = size[size <= high + 1.5 * (high - low)].max()
    assert whiskers[1] == f"{reached:.3g}"
    box = reader.page.get_by_test_id("box").locator("dd").all_inner_texts()
    expected = [size[0], size[0], low, middle, high, reached, size[-1]]
    assert [float(text) for text in box] == [pytest.approx(value, rel=5e-3) for value in expected]
    outliers = int((size > high + 1.5 * (high - low)).sum())
    expect(panel(reader, "Sizes")).to_contain_text(f"{outliers} beyond the whiskers")

    lorenz = saved(reader, "Who makes the volume")
    assert lorenz["share_of_volume"].tolist() == figures["lorenz"]
    assert lorenz["share_of_volume"][50] == pytest.approx(size[:1_000].sum() / size.sum(), rel=1e-9)
    assert reader.complaints == []


def test_histograms_count_every_trade_and_every_pause(url: str, reader: Reader, trades: pd.DataFrame) -> None:
    figures = figures_of(url)
    pauses = trades["time"].diff().dt.total_seconds()[1:]
    assert (pauses == 0).sum() == figures["pauses"]["zeros"] > 0
    expect(panel(reader, "Pauses")).to_contain_text(f"{figures['pauses']['zeros']} of no length are left out")
    for title, name, values in (
        ("Sizes", "sizes", trades["size"].to_numpy()),
        ("Pauses", "pauses", pauses[pauses > 0].to_numpy()),
    ):
        rows = saved(reader, title)
        columns = list(rows.columns)
        edges = [*rows[columns[0]], rows[columns[1]].iloc[-1]]
        assert edges == figures[name]["edges"]
        assert rows["trades"].tolist() == figures[name]["counts"]
        assert rows["trades"].sum() == len(values)
        within = np.searchsorted(np.sort(values), [edges[10] * (1 - 1e-12), edges[30] * (1 - 1e-12)])
        assert rows["trades"][10:30].sum() == within[1] - within[0]
    assert reader.complaints == []


def test_volumes_and_means_are_those_of_pandas(reader: Reader, trades: pd.DataFrame) -> None:
    volumes = saved(reader, "Volume by time")
    minutes = trades.set_index("time")["size"].resample("1min").sum()
    assert pd.to_datetime(volumes["start"]).tolist() == minutes.index.tolist()
    assert volumes["volume"].tolist() == pytest.approx(minutes.tolist(), rel=1e-9)
    for what in ("price", "size"):
        means = saved(reader, f"Mean {what} of 50 trades")[f"mean_{what}"]
        every = trades[what].rolling(50).mean().to_numpy()[49:]
        at = np.linspace(0, len(every) - 1, 1_000).round().astype(int)
        assert means.tolist() == pytest.approx(every[at].tolist(), rel=1e-9)
    assert reader.complaints == []


def test_the_ten_largest_trades(reader: Reader, trades: pd.DataFrame) -> None:
    largest = trades.assign(value=trades["price"] * trades["size"]).nlargest(10, "value")
    assert saved(reader, "The ten largest trades")["trade_id"].tolist() == largest["trade_id"].astype(int).tolist()
    table = reader.page.get_by_test_id("largest")
    expect(table.locator("tbody tr")).to_have_count(10)
    first = largest.iloc[0]
    texts = table.locator("tbody tr").first.locator("td").all_inner_texts()
    assert texts[1] == first["time"].isoformat(sep=" ", timespec="milliseconds")[:23]
    assert [float(text.replace(",", "")) for text in texts[3:6]] == [
        first["price"], first["size"], pytest.approx(first["value"], abs=0.006),
    ]  # fmt: skip


def test_other_times_are_chosen_and_said(reader: Reader) -> None:
    page = reader.page
    span = page.get_by_test_id("span")
    expect(span).to_have_text(f"{BTC} · 2024-11-20 14:00:00 to 2024-11-20 15:30:00 UTC")
    expect(page.get_by_test_id("flaws")).to_contain_text("not followed")
    until = page.get_by_label("to", exact=True)
    until.fill("2024-11-20 13:00")
    until.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("the earlier one first")
    until.fill("2024-11-20 14:45")
    until.press("Enter")
    expect(span).to_contain_text("14:00:00 to 2024-11-20 14:45:00 UTC")
    expect(page.get_by_role("alert")).to_have_count(0)

    # The last hour is empty, and the newest trade is a click away.
    page.keyboard.press("Escape")
    page.get_by_role("button", name="1h", exact=True).click()
    expect(page.get_by_role("status")).to_contain_text("No trades of")
    page.get_by_role("button", name="Show the 1h up to the newest one").click()
    expect(span).to_contain_text("2024-11-20 14:")
    expect(panel(reader, "Sizes").locator("canvas")).to_be_visible()
    assert reader.complaints == []


def test_few_trades_and_other_instruments(url: str, reader: Reader) -> None:
    page = reader.page
    page.get_by_role("combobox", name="Instrument").select_option(ETH)
    expect(summary(reader)).to_contain_text("Volume, ETH")
    expect(panel(reader, "Mean price of 50 trades")).to_contain_text("Only 3 of the 50 trades")
    line = page.get_by_text(re.compile("^curl ")).inner_text()
    done = subprocess.run(["/bin/sh", "-c", line], check=True, capture_output=True, text=True)
    answer = json.loads(done.stdout)
    assert (answer["instrument"], answer["end"][:16], answer["distribution"]["trades"]) == (ETH, END, 3)
    page.locator("body").press("k")
    expect(page).to_have_url(re.compile("instrument=DOT-USD.COINBASE"))
    expect(page.get_by_role("status")).to_contain_text("No trades of DOT-USD.COINBASE")
    page.goto(f"{url}/distribution/#instrument=NO-SUCH.THING")
    page.reload()
    expect(page.get_by_role("alert")).to_contain_text("unknown instrument 'NO-SUCH.THING'")


def test_simulated_trades_say_so_and_are_renewed(simulated: str, browser: Browser) -> None:
    with reading(browser, f"{simulated}/distribution/#instrument={BTC}&period=15m") as reader:
        page = reader.page
        expect(panel(reader, "Sizes").locator("canvas")).to_be_visible()
        expect(page.get_by_test_id("simulated")).to_be_in_viewport()
        assert page.title() == "[SIMULATED] Distribution · fulltape"
        count = summary(reader).locator("dd").first
        reader.changes(count.inner_text)
        page.keyboard.press("t")
        expect(page.locator("html")).to_have_attribute("data-theme", "light")
        page.set_viewport_size({"width": 420, "height": 900})
        # Canvases follow the window a moment later.
        reader.becomes(lambda: page.evaluate("document.documentElement.scrollWidth") <= 420)
        assert reader.complaints == []
