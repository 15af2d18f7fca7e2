"""What parsers of rows share."""

from __future__ import annotations

from functools import partial

import msgspec
import pytest

from fulltape.errors import ConfigError, MalformedFrame
from fulltape.records import Array
from fulltape.venues.base import Channel, Parsed, Reject, RestRequest, Subscription, answer_frame
from fulltape.venues.feed import (
    Confirmed,
    FeedParser,
    RowsDecoder,
    check_subscription,
    decode_frame,
    ignore,
    split_answer,
    spread,
)
from fulltape.venues.registry import venue


class Row(msgspec.Struct):
    price: float


def test_a_bad_row_does_not_spoil_its_neighbours() -> None:
    parsed = Parsed()
    rows = RowsDecoder(Row).decode(b'[{"price":"1.5"},{"price":"x"},3,{"price":2}]', 7, parsed)
    assert rows == [Row(1.5), Row(2.0)]
    assert [(reject.frame, reject.reason) for reject in parsed.rejects] == [(7, "bad_field"), (7, "bad_field")]
    with pytest.raises(MalformedFrame, match="bad_field"):
        RowsDecoder(Row).decode(b"{}", 7, parsed)


def test_a_frame_is_no_json_or_has_a_bad_field() -> None:
    decode = msgspec.json.Decoder(Row).decode
    assert decode_frame(decode, b'{"price":1}') == Row(1.0)
    for payload, reason in ((b"{", "malformed_json"), (b'{"price":[]}', "bad_field"), (b"\xff", "malformed_json")):
        with pytest.raises(MalformedFrame) as caught:
            decode_frame(decode, payload)
        assert caught.value.reason == reason


def test_confirmations_add_up() -> None:
    confirmed = Confirmed()
    confirmed.add(Channel.TRADES, ["A"])
    assert confirmed.add(Channel.TRADES, ["B"]).channels == {Channel.TRADES: {"A", "B"}}
    assert confirmed.remove(Channel.TRADES, ["A"]).channels == {Channel.TRADES: {"B"}}
    assert confirmed.remove(Channel.BOOK, ["A"]).channels == {Channel.TRADES: {"B"}}
    assert confirmed.remove(Channel.TRADES, ["B"]).channels == {}


def test_no_count_is_not_a_kind_of_frame() -> None:
    parsed = Parsed()
    ignore("bar", parsed, 0)
    ignore("pong", parsed)
    ignore("pong", parsed, 2)
    assert parsed.ignored == {"pong": 3}


def test_an_answer_has_a_path_and_a_body() -> None:
    assert split_answer(b"GET /a?b=c\nx\ny") == ("/a?b=c", b"x\ny")
    with pytest.raises(MalformedFrame, match="malformed_answer"):
        split_answer(b"GET /a")


def test_an_answer_s_frame_says_what_was_asked() -> None:
    question = RestRequest("/coins/map", method="POST", body=b'{"codes":["BTC"]}')
    assert answer_frame(question, b"[]\n") == b'POST /coins/map {"codes":["BTC"]}\n[]\n'
    assert split_answer(answer_frame(question, b"[]\n")) == ('/coins/map {"codes":["BTC"]}', b"[]\n")
    assert answer_frame(RestRequest("/depth", {"symbol": "A/B"}), b"{}") == b"GET /depth?symbol=A%2FB\n{}"
    for bad in (b"PUT /a\n", b"GET a\n", b"\xff /a\n"):
        with pytest.raises(MalformedFrame, match="malformed_answer"):
            split_answer(bad)


def test_what_a_venue_has_not_is_refused_before_connecting() -> None:
    spec = venue("okx").spec
    check_subscription(spec, Subscription((Channel.STATUS,), ()), without=(Channel.STATUS,))
    with pytest.raises(ConfigError, match="at least one symbol"):
        check_subscription(spec, Subscription((Channel.TRADES,), ()))
    with pytest.raises(ConfigError, match="OKX has no channel rfq"):
        check_subscription(spec, Subscription((Channel.RFQ,), ("BTC-USDT",)))


class One(msgspec.Struct, tag="one"):
    number: int


class Two(msgspec.Struct, tag="two"):
    number: int


class Feed(FeedParser):
    """Takes the numbers of frames apart by type; one that is odd is read with care."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, list[int], list[int], list[int]]] = []
        takers = (((One,), partial(self._take, "one")), ((Two,), partial(self._take, "two")))
        super().__init__(msgspec.json.Decoder(One | Two).decode, takers)

    def read(self, frame: int, payload: bytes, parsed: Parsed) -> One | None:
        if payload == b"odd":
            return One(-frame)
        if payload == b"nothing":
            return None
        raise MalformedFrame("bad_field", payload.decode())

    def _take(self, kind: str, messages: list[One | Two], frames: Array, received: Array, parsed: Parsed) -> None:
        self.taken.append((kind, [message.number for message in messages], frames.tolist(), received.tolist()))


def test_a_frame_that_is_odd_stays_in_its_place() -> None:
    one, two = b'{"type":"one","number":7}', b'{"type":"two","number":8}'
    feed = Feed()
    parsed = feed.parse([b"odd", one, b"bad", b"nothing", two, one, b"odd"], list(range(10, 17)))
    assert feed.taken == [("one", [0, 7, 7, -6], [0, 1, 5, 6], [10, 11, 15, 16]), ("two", [8], [4], [14])]
    assert parsed.rejects == [Reject(2, "bad_field", "bad")]


def test_frames_of_one_kind_are_taken_together() -> None:
    feed = Feed()
    feed.parse([b'{"type":"two","number":1}', b'{"type":"two","number":2}'], [5, 6])
    feed.parse([], [])
    assert feed.taken == [("two", [1, 2], [0, 1], [5, 6])]


@pytest.mark.parametrize(
    ("lists", "rows", "owners"),
    [([], [], []), ([[1], [2]], [1, 2], [0, 1]), ([[], [1, 2]], [1, 2], [1, 1]), ([[1, 2], []], [1, 2], [0, 0])],
)
def test_rows_know_their_message(lists: list[list[int]], rows: list[int], owners: list[int]) -> None:
    spread_out, places = spread(lists)
    assert (spread_out, places.tolist()) == (rows, owners)
