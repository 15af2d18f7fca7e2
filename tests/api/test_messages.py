"""Messages as the bytes that go to clients."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from fulltape.api.messages import Text


def received(data: bytes) -> Frame:
    """Return the one frame that a client reads."""
    client = ClientProtocol(parse_uri("ws://127.0.0.1/"), state=State.OPEN, max_size=None)
    client.receive_data(data)
    [frame] = client.events_received()
    assert isinstance(frame, Frame)
    return frame


@given(st.text())
@example("Zürich ₿")
def test_a_client_reads_the_text_that_was_framed(text: str) -> None:
    frame = received(Text(text).frame)
    assert (frame.opcode, frame.fin, bytes(frame.data).decode()) == (Opcode.TEXT, True, text)


@pytest.mark.parametrize("length", [0, 125, 126, 65_535, 65_536, 300_000])
def test_every_form_of_length_is_read(length: int) -> None:
    assert received(Text("x" * length).frame).data == b"x" * length


def test_all_clients_share_one_frame() -> None:
    text = Text("tape")
    assert text.frame is text.frame
    assert text == "tape"
