"""A dashboard that may be read with a token only: it asks for one, keeps it as long as wanted, and never shows it."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.pages import reading, serving, simulating
from tests.e2e.programs import FULLTAPE

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install 'fulltape[test]'")
from playwright.sync_api import Browser, Page, expect  # noqa: E402

pytestmark = pytest.mark.e2e

BTC = "BTC-USD.COINBASE"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("token")


@pytest.fixture(scope="module")
def closed(folder: Path) -> Iterator[str]:
    """A dashboard's address where reading needs a token."""
    with simulating(folder):
        settings = folder / "closed.toml"
        settings.write_text("[server]\nread_needs_token = true\n" + (folder / "sim.toml").read_text())
        with serving(folder, "--config", "closed.toml") as url:
            yield url


def run(folder: Path, *arguments: str) -> str:
    command = [str(FULLTAPE), "token", *arguments, "--config", "closed.toml"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout


def made(folder: Path, name: str) -> str:
    """Return the secret of a new token that may read."""
    told = run(folder, "create", "--scope", "read", "--name", name)
    found = re.search(r"ft_[\w-]+", told)
    assert found is not None, told
    return found[0]


@pytest.fixture(scope="module")
def token(folder: Path, closed: str) -> str:
    return made(folder, "reader")


def give(page: Page, text: str) -> None:
    page.get_by_label("Token", exact=True).fill(text)
    page.get_by_role("button", name="Use it").click()


def addresses(page: Page) -> list[str]:
    """Return every address that the page asks for, in a list that grows."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("websocket", lambda socket: asked.append(socket.url))
    return asked


def test_the_live_page_asks_and_then_shows_the_market(closed: str, token: str, browser: Browser) -> None:
    with reading(browser, closed) as reader:
        page = reader.page
        asked = addresses(page)
        dialog = page.get_by_role("dialog", name="This fulltape wants a token")
        expect(dialog).to_be_visible()
        expect(page.get_by_label("Token", exact=True)).to_be_focused()
        give(page, "not a token")
        expect(dialog.get_by_role("alert")).to_contain_text("begins with ft_")
        give(page, "ft_" + "x" * 43)
        expect(dialog.get_by_role("alert")).to_contain_text("does not know the token")
        give(page, token)
        expect(dialog).to_be_hidden()
        price = page.get_by_test_id(f"watch-{BTC}").get_by_test_id("price")
        expect(price).to_have_text(re.compile(r"^[\d,]+\.\d\d$"))
        reader.changes(price.inner_text)
        assert any(address.startswith("ws://") for address in asked)
        assert not any(token in address or "bearer" in address for address in asked)
        assert token not in page.url
        kept = json.loads(page.evaluate("JSON.stringify([{...sessionStorage}, {...localStorage}])"))
        assert token in kept[0].values()
        assert token not in kept[1].values()

        page.get_by_role("link", name="SQL").click()
        expect(page.get_by_role("button", name="trades", exact=True)).to_be_visible()
        expect(page.get_by_test_id("simulated")).to_be_visible()


def test_a_closed_question_can_be_opened_again(closed: str, token: str, browser: Browser) -> None:
    with reading(browser, closed) as reader:
        page = reader.page
        page.goto(f"{closed}/sql/")
        expect(page.get_by_role("dialog")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_be_hidden()
        expect(page.get_by_test_id("needs-token")).to_contain_text("without a token")
        page.get_by_role("button", name="Give a token").click()
        give(page, token)
        expect(page.get_by_role("button", name="trades", exact=True)).to_be_visible()
        expect(page.get_by_test_id("needs-token")).to_be_hidden()


def test_a_token_is_remembered_by_choice_until_it_is_forgotten(closed: str, token: str, browser: Browser) -> None:
    with reading(browser, f"{closed}/sql/") as reader:
        page = reader.page
        page.get_by_label("Remember it").check()
        give(page, token)
        expect(page.get_by_role("button", name="trades", exact=True)).to_be_visible()
        other = page.context.new_page()
        other.goto(f"{closed}/sql/")
        expect(other.get_by_role("button", name="trades", exact=True)).to_be_visible()
        other.get_by_role("button", name="Forget token").click()
        expect(other.get_by_role("dialog")).to_be_visible()
        assert token not in other.evaluate("JSON.stringify([{...sessionStorage}, {...localStorage}])")


def test_a_revoked_token_is_asked_for_again(folder: Path, closed: str, token: str, browser: Browser) -> None:
    with reading(browser, f"{closed}/books/") as reader:
        page = reader.page
        give(page, made(folder, "short-lived"))
        expect(page.get_by_test_id("bid")).to_have_text(re.compile(r"^[\d,]+\.\d\d$"))
        run(folder, "revoke", "short-lived")
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_role("alert")).to_contain_text("does not know the token")
        give(page, token)
        expect(dialog).to_be_hidden()
        reader.changes(page.get_by_test_id("bid").inner_text)
