"""The dashboard as a reader uses it: `fulltape up --sim`, its simulated venue on real sockets, a real Chromium."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from tests.e2e.pages import TOKEN, Reader, answer_of, reading, running

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install 'fulltape[test]'")
from playwright.sync_api import Browser, Locator, Page, Response, WebSocketRoute, expect  # noqa: E402

pytestmark = pytest.mark.e2e

BTC, ETH = "BTC-USD.COINBASE", "ETH-USD.COINBASE"


@dataclass
class Scene:
    """Where the page is, and how to make the venue misbehave."""

    url: str
    rest: str

    def set_faults(self, **faults: bool) -> None:
        """Change the simulated venue's faults."""
        request = urllib.request.Request(
            f"{self.rest}/sim/faults",
            data=json.dumps(faults).encode(),
            headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=240) as answer:
            assert answer.status == 200


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with running(tmp_path_factory.mktemp("dashboard"), "up", "--sim", "--port", "0") as up:
        url = up.address()
        yield Scene(url, faults_address(up.process.pid, url))


def faults_address(process: int, url: str) -> str:
    """Return where the simulated venue inside a process listens for faults: the port that serves nobody else."""
    with urllib.request.urlopen(f"{url}/api/v1/status", timeout=240) as answer:
        feed = json.load(answer)["feeds"][0]["url"]
    known = {urlsplit(url).port, urlsplit(feed).port}
    connections = psutil.Process(process).net_connections("tcp")
    ports = {c.laddr.port for c in connections if c.status == psutil.CONN_LISTEN} - known
    assert len(ports) == 1
    return f"http://127.0.0.1:{ports.pop()}"


@pytest.fixture
def reader(scene: Scene, browser: Browser) -> Iterator[Reader]:
    with reading(browser, scene.url) as reader:
        expect(reader.page.get_by_test_id(f"watch-{BTC}")).to_be_visible()
        yield reader


def test_prices_move_and_say_that_they_are_simulated(reader: Reader) -> None:
    row = reader.page.get_by_test_id(f"watch-{BTC}")
    expect(row.get_by_test_id("price")).to_have_text(re.compile(r"^[\d,]+\.\d\d$"))
    reader.changes(row.get_by_test_id("price").inner_text)
    expect(row.get_by_test_id("age")).to_have_text(re.compile(r"^\d s$"))
    expect(reader.page.get_by_test_id("simulated")).to_contain_text("SIMULATED")
    expect(reader.page.get_by_test_id("simulated")).to_be_in_viewport()
    assert reader.page.title().startswith("[SIMULATED]")
    assert reader.complaints == []


def test_a_newcomer_sees_moving_candles_in_the_dark(reader: Reader) -> None:
    page = reader.page
    expect(page).to_have_url(re.compile(rf"#{re.escape(BTC)}/1m$"))
    expect(page.get_by_test_id("interval-1m")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.keyboard.press("t")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "light")


def test_an_instrument_that_is_not_there_gives_way_and_the_page_says_so(scene: Scene, browser: Browser) -> None:
    with reading(browser, f"{scene.url}#NO-SUCH.THING/1m") as reader:
        page = reader.page
        expect(page.get_by_test_id("missing")).to_have_text(
            f"There is no instrument NO-SUCH.THING here. This is {BTC}.", use_inner_text=True
        )
        page.get_by_test_id(f"watch-{ETH}").click()
        expect(page.get_by_role("heading", name="ETH-USD")).to_be_visible()
        expect(page.get_by_test_id("missing")).to_have_count(0)


def test_a_phone_shows_prices_and_the_ribbon_wherever_it_is_scrolled_to(reader: Reader) -> None:
    page = reader.page
    page.set_viewport_size({"width": 390, "height": 844})
    expect(page.get_by_test_id("legend")).to_be_in_viewport()
    page.get_by_role("heading", name="Trades").scroll_into_view_if_needed()
    page.mouse.move(195, 400)
    page.mouse.wheel(0, 5_000)
    expect(page.get_by_test_id("simulated")).to_be_in_viewport(ratio=1)
    expect(page.get_by_role("navigation", name="Feeds")).not_to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_candles_and_tape_are_live(reader: Reader) -> None:
    legend = reader.page.get_by_test_id("legend")
    expect(legend).to_contain_text(re.compile(r"O\s*[\d,.]+\s*H\s*[\d,.]+\s*L\s*[\d,.]+\s*C\s*[\d,.]+"))
    reader.changes(legend.inner_text)
    newest = reader.page.get_by_test_id("tape").locator("tbody tr").first
    expect(newest).to_contain_text(re.compile(r"\d\d:\d\d:\d\d\.\d{3}"))
    reader.changes(newest.inner_text)
    assert reader.page.get_by_test_id("chart").locator("canvas").count() > 0
    assert reader.complaints == []


def test_instrument_and_interval_are_chosen_by_mouse_and_by_key(reader: Reader) -> None:
    page = reader.page
    page.get_by_test_id(f"watch-{ETH}").click()
    expect(page).to_have_url(re.compile(rf"#{re.escape(ETH)}/1m$"))
    expect(page.get_by_test_id(f"watch-{ETH}")).to_have_attribute("aria-current", "true")
    expect(page.get_by_role("heading", name="ETH-USD")).to_be_visible()

    page.get_by_test_id("interval-1m").click()
    expect(page.get_by_test_id("interval-1m")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_test_id("legend")).to_contain_text("VWAP")
    page.keyboard.press("3")
    expect(page).to_have_url(re.compile(rf"#{re.escape(ETH)}/5m$"))
    expect(page.get_by_test_id("interval-5m")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_test_id("legend")).to_contain_text(re.compile(r"\d\d:\d[05]:00"))

    page.reload()
    expect(page.get_by_role("heading", name="ETH-USD")).to_be_visible()
    expect(page.get_by_test_id("interval-5m")).to_have_attribute("aria-pressed", "true")
    page.go_back()
    expect(page).to_have_url(re.compile(r"/1m$"))
    assert reader.complaints == []


def test_the_stretch_that_is_shown_is_chosen_and_older_candles_come(reader: Reader) -> None:
    page = reader.page
    expect(page.get_by_test_id("legend")).to_contain_text("VWAP")
    first = page.get_by_test_id("chart").screenshot()

    def is_older(answer: Response) -> bool:
        return "/api/v1/candles?" in answer.url and BTC in answer.url

    with page.expect_response(is_older) as answer:
        page.get_by_test_id("chart").hover()
        for _ in range(40):
            page.keyboard.press("-")
    assert answer.value.ok
    reader.becomes(lambda: page.get_by_test_id("chart").screenshot() != first)
    page.keyboard.press("End")
    reader.changes(page.get_by_test_id("legend").inner_text)
    assert reader.complaints == []


def test_feed_light_turns_when_the_venue_hangs_and_back(scene: Scene, reader: Reader) -> None:
    light = reader.page.locator("[data-testid^='feed-']").first
    expect(light).to_have_attribute("data-state", "live")
    # New connections are turned away too, or the program would be well again before a reader could look.
    scene.set_faults(hang=True, refuse=True)
    try:
        expect(light).to_have_attribute("data-state", re.compile("^(stale|down)$"))
        expect(light).to_contain_text(re.compile("stale|down"))
        age = reader.page.get_by_test_id(f"watch-{BTC}").get_by_test_id("age")
        expect(age).to_have_text(re.compile(r"^([5-9]|\d\d) s$"))
    finally:
        scene.set_faults(hang=False, refuse=False)
    expect(light).to_have_attribute("data-state", "live")
    reader.changes(reader.page.get_by_test_id(f"watch-{BTC}").get_by_test_id("price").inner_text)


def test_a_lost_stream_is_said_and_resumed(reader: Reader) -> None:
    page = reader.page
    requests: list[str] = []
    streams: list[WebSocketRoute] = []
    is_away = False

    def between(stream: WebSocketRoute) -> None:
        if is_away:
            stream.close(code=1013)
            return
        server = stream.connect_to_server()
        streams.append(stream)

        def pass_on(message: str | bytes) -> None:
            requests.append(str(message))
            server.send(message)

        stream.on_message(pass_on)

    page.route_web_socket(re.compile("/api/v1/stream$"), between)
    page.reload()
    expect(page.get_by_test_id(f"watch-{BTC}")).to_be_visible()
    expect(page.get_by_test_id("tape").locator("tbody tr").first).to_be_visible()
    assert len(requests) == 2
    assert all("since" not in json.loads(request) for request in requests)

    is_away = True
    for stream in streams:
        stream.close(code=4008, reason="too slow: resume with since")
    expect(page.get_by_test_id("offline")).to_contain_text(re.compile(r"What you see is \d+ s old"))
    requests.clear()
    is_away = False
    expect(page.get_by_test_id("offline")).to_be_hidden()
    assert requests
    assert all(json.loads(request)["since"] > 0 for request in requests)
    reader.changes(page.get_by_test_id(f"watch-{BTC}").get_by_test_id("price").inner_text)


def test_the_tape_is_asked_in_sql(reader: Reader) -> None:
    page = reader.page
    page.get_by_role("link", name="SQL").click()
    expect(page.get_by_test_id("simulated")).to_contain_text("SIMULATED")
    page.get_by_role("button", name="trades", exact=True).click()
    expect(page.get_by_role("cell", name="aggressor_side")).to_be_visible()

    page.get_by_role("button", name="Trades and turnover of the last hour").click()
    expect(page.get_by_role("cell", name=BTC)).to_be_visible()
    expect(page.get_by_role("status")).to_have_text(re.compile(r"^\d+ rows in \d+ ms$"))
    with page.expect_download() as download:
        page.get_by_role("button", name="Save csv").click()
    assert BTC in Path(download.value.path()).read_text()
    assert reader.complaints == []

    page.get_by_label("Query").fill("DELETE FROM trades")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("alert").filter(has_text="one SELECT")).to_be_visible()


def test_an_endless_query_is_stopped_by_its_reader(reader: Reader) -> None:
    page = reader.page
    page.get_by_role("link", name="SQL").click()
    page.get_by_label("Query").fill("SELECT count(*) FROM range(90000000000000)")
    page.keyboard.press("Control+Enter")
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("alert").filter(has_text="Stopped.")).to_be_visible()
    page.get_by_label("Query").fill("SELECT 40 + 2 AS answer")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("cell", name="42")).to_be_visible()


def test_without_kafka_the_page_of_topics_says_how_to_switch_it_on(reader: Reader) -> None:
    page = reader.page
    page.get_by_role("link", name="Topics").click()
    expect(page.get_by_role("heading", name="Nothing is published to Kafka")).to_be_visible()
    expect(page.get_by_text("fulltape up --kafka 127.0.0.1:9092")).to_be_visible()
    assert reader.complaints == []


def test_indicators_are_chosen_equal_the_api_and_are_kept(scene: Scene, reader: Reader) -> None:
    page = reader.page
    expect(page.get_by_test_id("legend")).to_contain_text("VWAP")
    page.keyboard.press("i")
    dialog = page.get_by_role("dialog", name="Indicators")
    for name, period in (("RSI", "7"), ("EMA", "12")):
        dialog.get_by_label("Indicator").select_option(name)
        dialog.get_by_label("period").fill("0")
        expect(dialog.get_by_text("period must be a whole number from 2 to 1000.")).to_be_visible()
        expect(dialog.get_by_role("button", name="Add")).to_be_disabled()
        dialog.get_by_label("period").fill(period)
        dialog.get_by_role("button", name="Add").click()
        expect(dialog.get_by_role("listitem").filter(has_text=f"{name} {period}")).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()

    scene.set_faults(hang=True, refuse=True)  # a market that stands still is the same in the page and in the API
    try:
        for key, query in (
            ("RSI(period=7)", {"name": "RSI", "period": "7"}),
            ("EMA(period=12)", {"name": "EMA", "period": "12"}),
        ):
            reader.becomes(lambda key=key, query=query: shown(page, key) == served(scene.url, page, key, query))  # type: ignore[misc]
    finally:
        scene.set_faults(hang=False, refuse=False)
    # Candles, volume, the RSI in a pane of its own, and the axis; the mean is drawn over the candles.
    expect(page.get_by_test_id("chart").locator("table tr").filter(has=page.locator("canvas"))).to_have_count(4)

    page.reload()
    expect(page).to_have_url(re.compile(r"/1[ms]/RSI\(period=7\);EMA\(period=12\)$"))
    expect(study(page, "RSI(period=7)").locator("b")).to_have_text(re.compile(r"^\d+\.\d\d$"))
    page.goto(scene.url)
    expect(study(page, "EMA(period=12)").locator("b")).to_have_text(re.compile(r"^[\d,]+\.\d\d$"))
    page.get_by_role("button", name="Remove RSI 7").click()
    expect(study(page, "RSI(period=7)")).to_have_count(0)
    page.go_back()
    expect(study(page, "RSI(period=7)")).to_be_visible()
    assert reader.complaints == []


def test_an_indicator_that_cannot_be_had_says_why_and_one_that_is_not_streamed_comes(
    scene: Scene, reader: Reader
) -> None:
    page = reader.page
    page.goto(f"{scene.url}/#{BTC}/1m/OBV;SMA(period=1000);RSIX(period=3)")
    page.reload()
    expect(study(page, "OBV").locator("b")).to_have_text(re.compile(r"^\S+ BTC$"))
    expect(study(page, "RSIX(period=3)")).to_contain_text("unknown indicator 'RSIX'")
    expect(study(page, "SMA(period=1000)")).to_contain_text("not enough candles yet")


def study(page: Page, key: str) -> Locator:
    """Return what the legend has of an indicator."""
    return page.get_by_test_id(f"study-{key}")


def shown(page: Page, key: str) -> str:
    """Return the newest value that the page shows of an indicator."""
    return study(page, key).locator("b").inner_text()


def served(url: str, page: Page, key: str, query: dict[str, str]) -> str:
    """Return what the API says of the candle that the page shows an indicator of, as the page writes it.

    Nothing if that candle has just become another one.
    """
    start = study(page, key).get_attribute("data-start")
    (interval,) = re.findall(r"/(1[ms])/", page.url)
    answer = answer_of(url, "indicators", instrument=BTC, interval=interval, order="desc", limit="1000", **query)
    values = [row[answer["outputs"][0]] for row in answer["indicators"] if row["start"] == start]
    return f"{values[0]:,.2f}" if values else ""
