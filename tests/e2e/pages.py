"""Pages of the dashboard as a reader uses them: the real program, a real Chromium, and what it complained of."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.e2e.programs import FULLTAPE, end, start, started

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install 'fulltape[test]'")
from playwright.sync_api import Browser, Page  # noqa: E402

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
TOKEN = "the-e2e-test"
PATIENCE_S = 240.0
"""How long a page may take to show something, on a machine that has much else to do."""

sync_api.expect.set_options(timeout=PATIENCE_S * 1000)

VIEWPORT = {"width": 1440, "height": 900}
# Nobody listens there: only what was imported is on the page.
NO_FEED = """
[store]
path = "tape.duckdb"
[venues.coinbase]
url = "ws://127.0.0.1:9"
rest_url = "http://127.0.0.1:9"
"""


@dataclass
class Program:
    """A fulltape command that runs, and what it has written so far."""

    process: subprocess.Popen[bytes]
    log: Path

    def find(self, pattern: str) -> str:
        """Wait until the program has written something that matches, and return the first group."""
        return started(self.log, pattern, self.process)[1]

    def address(self) -> str:
        """Wait until the program serves, and return its address."""
        return self.find(r"fulltape runs: (http://127\.0\.0\.1:\d+)\b")


@contextlib.contextmanager
def running(folder: Path, *arguments: str) -> Iterator[Program]:
    """Run ``fulltape`` with arguments in a folder, and end it as Ctrl-C does."""
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "FULLTAPE_SIM_TOKEN": TOKEN, "COLUMNS": "200"}
    process, log = start(folder, arguments[0], *arguments, environment=environment)
    try:
        yield Program(process, log)
    finally:
        end(process)


@contextlib.contextmanager
def serving(folder: Path, *arguments: str) -> Iterator[str]:
    """Run ``fulltape up`` on a port of its own, and yield its address."""
    with running(folder, "up", *arguments, "--port", "0") as up:
        yield up.address()


@contextlib.contextmanager
def simulating(folder: Path, *arguments: str) -> Iterator[Path]:
    """Run ``fulltape sim``, and yield the configuration, ``sim.toml``, that follows it."""
    with running(folder, "sim", *arguments, "--port", "0", "--config-out", "sim.toml") as sim:
        sim.find(r"(up --config)")
        yield folder / "sim.toml"


@contextlib.contextmanager
def serving_imports(folder: Path, *kinds: str) -> Iterator[str]:
    """Import the CSV files of these kinds that lie in a folder, and serve nothing but them."""
    (folder / "fulltape.toml").write_text(NO_FEED)
    for kind in kinds:
        bring = [str(FULLTAPE), "import", f"{kind}.csv", "--kind", kind, "--db", "tape.duckdb"]
        subprocess.run(bring, cwd=folder, check=True, capture_output=True)
    with serving(folder, "--config", "fulltape.toml", "--live") as url:
        yield url


@dataclass
class Reader:
    """A page, and everything it complained of."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    def changes(self, read: Callable[[], str], timeout_s: float = PATIENCE_S) -> str:
        """Wait until what is read becomes something else, and return it."""
        before, deadline = read(), time.monotonic() + timeout_s
        while (now := read()) == before:
            assert time.monotonic() < deadline, f"still {before!r} after {timeout_s:g} s"
            self.page.wait_for_timeout(50)
        return now

    def becomes(self, is_so: Callable[[], bool], timeout_s: float = PATIENCE_S) -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + timeout_s
        while not is_so():
            assert time.monotonic() < deadline, f"not so after {timeout_s:g} s"
            self.page.wait_for_timeout(200)


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Run a browser, or skip without one."""
    if CHROMIUM is None:
        pytest.skip("needs chromium: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS, timeout=PATIENCE_S * 1_000)
        yield browser
        browser.close()


@contextlib.contextmanager
def reading(browser: Browser, url: str) -> Iterator[Reader]:
    """Open a page in a browser that has never seen it, and note its complaints."""
    context = browser.new_context(viewport=VIEWPORT, timezone_id="Europe/Berlin")  # type: ignore[arg-type]
    page = context.new_page()
    page.set_default_timeout(PATIENCE_S * 1000)
    reader = Reader(page)
    page.on("pageerror", lambda error: reader.complaints.append(str(error)))
    page.on("console", lambda said: reader.complaints.append(said.text) if said.type == "error" else None)
    try:
        page.goto(url)
        yield reader
    finally:
        context.close()


def answer_of(url: str, call: str, **query: str) -> Any:
    """Return what the API at ``url`` answers to a call."""
    with urllib.request.urlopen(f"{url}/api/v1/{call}?{urlencode(query)}", timeout=PATIENCE_S) as answer:
        return json.load(answer)


def rows_of(url: str, query: str) -> list[list[Any]]:
    """Return the rows that the API at ``url`` answers to SQL."""
    request = urllib.request.Request(
        f"{url}/api/v1/sql", data=json.dumps({"query": query}).encode(), headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
        rows: list[list[Any]] = json.load(answer)["rows"]
        return rows
