"""Messages through the real Apprise to a real HTTP server, and that no secret gets into a log."""

from __future__ import annotations

import asyncio
import logging
import socket

import pytest
from tests.engine.alerts.hook import hooked

from fulltape.engine.alerts.messenger import AppriseMessenger
from fulltape.errors import ConfigError, TransientError


@pytest.mark.integration
async def test_a_message_arrives_whole() -> None:
    async with hooked() as hook:
        await asyncio.to_thread(AppriseMessenger(hook.url).send, "Title *é*", "one\ntwo <b>&amp;")
        (message,) = hook.taken
    assert message == ("/t0ken", "Title *é*", "one\ntwo <b>&amp;")


@pytest.mark.integration
@pytest.mark.parametrize("status", [500, 401, 302])
async def test_a_refusal_tells_its_status_and_no_secret(status: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with hooked(status) as hook:
        messenger = AppriseMessenger(hook.url)
        with pytest.raises(TransientError, match=f"status {status}") as caught:
            await asyncio.to_thread(messenger.send, "t", "b")
    said = caplog.text + str(caught.value) + repr(messenger)
    assert "t0ken" not in said
    assert "s3cret" not in said


@pytest.mark.integration
def test_nobody_there_is_told_without_the_address(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        messenger = AppriseMessenger(f"json://u:s3cret@127.0.0.1:{unused.getsockname()[1]}/t0ken")
        with pytest.raises(TransientError, match=r"^nobody took the message$"):
            messenger.send("t", "b")
    assert "t0ken" not in caplog.text
    assert "s3cret" not in caplog.text


def test_what_a_plugin_raises_becomes_an_error_without_its_text(monkeypatch: pytest.MonkeyPatch) -> None:
    messenger = AppriseMessenger("json://127.0.0.1:1/t0ken")

    def explode(**_: object) -> bool:
        raise ValueError("json://127.0.0.1:1/t0ken")

    monkeypatch.setattr(messenger._service, "notify", explode)
    with pytest.raises(TransientError, match=r"^sending failed with ValueError$") as caught:
        messenger.send("t", "b")
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("url", ["", "t0ken", "nosuch://t0ken@host", "json://"])
def test_an_address_that_is_none_is_refused_without_being_repeated(url: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(ConfigError, match="holds no address that Apprise knows") as caught:
        AppriseMessenger(url)
    assert "t0ken" not in caplog.text + str(caught.value)


def test_one_address_a_target() -> None:
    with pytest.raises(ConfigError, match="several addresses"):
        AppriseMessenger("json://127.0.0.1:1/a, json://127.0.0.1:2/b")
