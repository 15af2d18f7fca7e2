"""Sessions against a real WebSocket server on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from random import Random

import msgspec
import pytest
from tests.ports import silent_port
from tests.venues.server import ListSink, raw_server, shake_hands, venue_server
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from fulltape.clock import SECOND_NS, ManualClock
from fulltape.errors import ConfigError
from fulltape.records.frames import SessionEvent
from fulltape.records.status import FeedState
from fulltape.venues.base import Acknowledged, Channel, Control, Credentials, Invited, Keepalive, Refused, Subscription
from fulltape.venues.coinbase import Coinbase
from fulltape.venues.session import Session, SessionConfig

pytestmark = pytest.mark.integration

NOW = 1_700_000_000 * SECOND_NS
WANTED = Subscription((Channel.TRADES, Channel.TICKERS), ("BTC-USD", "ETH-USD"))
CONFIRMED = Acknowledged({channel: frozenset(WANTED.symbols) for channel in WANTED.channels})


def session_to(url: str, sink: ListSink, **changes: object) -> Session:
    quick = {"backoff_base_s": 0.01, "silence_s": 5.0, "close_timeout_s": 0.3}
    config = SessionConfig(name="COINBASE-1", url=url, subscription=WANTED, **{**quick, **changes})  # type: ignore[arg-type]
    return Session(Coinbase(), config, sink, ManualClock(NOW), Random(1))


@contextlib.asynccontextmanager
async def running(session: Session) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(session.run())
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def becomes(condition: Callable[[], bool]) -> None:
    """Wait for what has no event to wait for: the session's own state."""
    async with asyncio.timeout(120):
        while not condition():  # noqa: ASYNC110 - a session offers its state, not an event
            await asyncio.sleep(0.005)


async def silence(silence_s: float) -> None:
    """Return when a connection that nobody speaks on, made now, has been given up for that."""
    witness = ListSink()
    async with venue_server(idle) as url, running(session_to(url, witness, silence_s=silence_s)):
        await witness.until(lambda: "disconnected" in witness.order)


def answering(*controls: Control, to: Callable[[], Session]) -> Callable[[ServerConnection], Awaitable[None]]:
    """Return a venue that lets a session find these in its frames as soon as that has subscribed."""

    async def handler(connection: ServerConnection) -> None:
        await connection.recv()
        for control in controls:
            to().handle(control)
        await connection.wait_closed()

    return handler


async def subscribed(session: Session) -> None:
    await becomes(lambda: "subscribing" in session.status().detail)


async def idle(connection: ServerConnection) -> None:
    await connection.wait_closed()


async def test_subscribes_at_once_and_passes_text_and_binary_on_in_order(sink: ListSink) -> None:
    received: list[dict[str, object]] = []

    async def handler(connection: ServerConnection) -> None:
        received.append(json.loads(await connection.recv()))
        await connection.send('{"n":1}')
        await connection.send(b'{"n":2}')
        await connection.wait_closed()

    async with venue_server(handler) as url:
        session = session_to(url, sink)
        async with running(session):
            await sink.until(lambda: len(sink.frames) == 2)
            assert session.status().state is FeedState.CONNECTING
            session.handle(CONFIRMED)
            status = session.status()
        assert status.state is FeedState.LIVE
        assert (status.frames, status.bytes, status.simulated, status.last_frame_age_s) == (2, 14, False, 0.0)
        assert status.instruments == ("BTC-USD.COINBASE", "ETH-USD.COINBASE")
    assert received == [
        {"type": "subscribe", "product_ids": ["BTC-USD", "ETH-USD"], "channels": ["matches", "ticker", "heartbeat"]}
    ]
    assert sink.payloads == [b'{"n":1}', b'{"n":2}']
    assert [ingest for _, _, ingest in sink.frames] == [NOW, NOW]
    assert sink.order == ["connected", "frame", "frame", "disconnected"]
    assert sink.events[-1].detail == "stopped"


class Talkative(Coinbase):
    """A venue that wants several messages, and not too fast."""

    def subscribe_frames(self, subscription: Subscription, credentials: Credentials | None, now_ns: int) -> list[bytes]:
        return [b"one", b"two", b"three"]


async def test_several_messages_keep_to_the_venues_pace() -> None:
    received: list[tuple[float, str | bytes]] = []
    connected = 0.0

    class Timed(ListSink):
        def event(self, event: SessionEvent) -> None:
            nonlocal connected
            connected = connected or asyncio.get_running_loop().time()
            super().event(event)

    async def handler(connection: ServerConnection) -> None:
        async for message in connection:
            received.append((asyncio.get_running_loop().time(), message))

    async with venue_server(handler) as url:
        config = SessionConfig(name="COINBASE-1", url=url, subscription=WANTED, close_timeout_s=0.3)
        async with running(Session(Talkative(), config, Timed(), ManualClock(NOW), Random(1))):
            await becomes(lambda: len(received) == 3)
    assert [message for _, message in received] == ["one", "two", "three"]
    # From before the first is sent: it may be read late.
    assert received[2][0] - connected >= 1.5 / Talkative.spec.max_messages_per_s


async def test_a_late_answer_of_a_connection_that_is_gone_changes_nothing(sink: ListSink) -> None:
    async with venue_server(idle) as url:
        session = session_to(url, sink, silence_s=0.1, backoff_base_s=30.0)
        async with running(session):
            await becomes(lambda: session.status().detail.startswith("silent") and "trying" in session.status().detail)
            session.handle(CONFIRMED)
            assert session.status().state is FeedState.STALE


async def test_closes_cleanly_when_cancelled(sink: ListSink) -> None:
    codes: list[int | None] = []

    async def handler(connection: ServerConnection) -> None:
        await connection.wait_closed()
        codes.append(connection.close_code)

    async with venue_server(handler) as url:
        async with running(session_to(url, sink)):
            await sink.until(lambda: sink.order == ["connected"])
        await becomes(lambda: codes == [1000])


async def test_close_is_bounded_when_the_venue_does_not_answer(sink: ListSink) -> None:
    async with raw_server(shake_hands) as port, running(session_to(f"ws://127.0.0.1:{port}", sink)) as task:
        await sink.until(lambda: sink.order == ["connected"])
        task.cancel()
        done, _ = await asyncio.wait({task}, timeout=120)  # the venue would keep it waiting for ever
        assert done
    assert sink.order == ["connected", "disconnected"]


async def test_silence_turns_the_light_red_and_reconnects(sink: ListSink) -> None:
    async with venue_server(answering(CONFIRMED, to=lambda: session)) as url:
        session = session_to(url, sink, silence_s=0.1, backoff_base_s=0.5)
        async with running(session):
            await becomes(lambda: session.status().state is FeedState.STALE)
            assert session.status().detail.startswith("silent for 0.1 s")
            await sink.until(lambda: sink.order.count("connected") >= 2)
            assert session.status().reconnects >= 1
    assert sink.events[1].detail == "silent for 0.1 s"


async def test_dropped_connections_are_made_again(sink: ListSink) -> None:
    async def drop(connection: ServerConnection) -> None:
        await connection.send("hello")
        connection.transport.abort()

    async with venue_server(drop) as url:
        session = session_to(url, sink)
        async with running(session):
            await sink.until(lambda: sink.order.count("disconnected") >= 3)
    assert sink.order[:6] == ["connected", "frame", "disconnected"] * 2
    assert sink.events[1].detail == "connection lost"


async def test_says_why_the_venue_closed(sink: ListSink) -> None:
    async def goodbye(connection: ServerConnection) -> None:
        await connection.close(1012, "deploying")

    async with venue_server(goodbye) as url, running(session_to(url, sink)):
        await sink.until(lambda: sink.order[:2] == ["connected", "disconnected"])
    assert sink.events[1].detail == "closed by the venue: 1012 deploying"


async def test_a_frame_of_40_mib_and_fragments_arrive_whole(sink: ListSink) -> None:
    big = b"x" * (40 * 1024 * 1024)

    async def handler(connection: ServerConnection) -> None:
        await connection.send(big)
        await connection.send(["frag", "", "ments"])
        await connection.wait_closed()

    async with venue_server(handler, compression=None) as url, running(session_to(url, sink)):
        await sink.until(lambda: len(sink.frames) == 2)
    assert sink.payloads[0] == big
    assert sink.payloads[1] == b"fragments"


@pytest.mark.parametrize("message", ["y" * 2000, ["y" * 600, "y" * 600]], ids=["frame", "fragments"])
async def test_what_is_too_big_ends_the_connection(sink: ListSink, message: str | list[str]) -> None:
    async def handler(connection: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            await connection.send(message)
        await connection.wait_closed()

    async with venue_server(handler, compression=None) as url, running(session_to(url, sink, max_frame_bytes=1000)):
        await sink.until(lambda: "disconnected" in sink.order)
    assert sink.frames == []
    assert "broke the protocol" in sink.events[1].detail


async def test_garbage_on_the_wire_is_survived(sink: ListSink) -> None:
    async def garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await shake_hands(reader, writer)
        writer.write(b"\xff\xff\x00\x01 this is no frame")

    async with raw_server(garbage) as port, running(session_to(f"ws://127.0.0.1:{port}", sink)):
        await sink.until(lambda: sink.order.count("connected") == 2)
    assert "broke the protocol" in sink.events[1].detail


async def test_a_full_sink_stops_the_reading_and_loses_nothing() -> None:
    sink = ListSink(room=10)
    total, size = 400, 64 * 1024
    sent = 0

    async def flood(connection: ServerConnection) -> None:
        nonlocal sent
        for _ in range(total):
            await connection.send(b"z" * size)
            sent += 1
        await connection.wait_closed()

    async with venue_server(flood, compression=None) as url:
        session = session_to(url, sink, silence_s=1.0)
        async with running(session):
            await sink.until(lambda: len(sink.frames) >= 10)
            # Silence that we asked for is not the venue's: past silence_s the connection is still the first.
            await silence(1.0)
            assert len(sink.frames) < total
            assert sent < total
            assert sink.order.count("connected") == 1
            sink.make_room()
            await sink.until(lambda: len(sink.frames) == total)


async def test_an_unconfirmed_subscription_is_asked_again(sink: ListSink) -> None:
    part = Acknowledged({Channel.TRADES: frozenset(["BTC-USD"])})
    async with venue_server(answering(part, to=lambda: session)) as url:
        session = session_to(url, sink, acknowledge_timeout_s=0.5)
        async with running(session):
            await becomes(lambda: session.status().detail == "not confirmed yet: trades of ETH-USD; tickers")
            assert session.status().state is FeedState.CONNECTING
            await sink.until(lambda: sink.order.count("connected") >= 2)
    assert sink.events[1].detail == "not confirmed in 0.5 s: trades of ETH-USD; tickers"


async def test_a_final_refusal_of_everything_is_retried_slowly(sink: ListSink) -> None:
    refused = Refused("no such product", is_final=True)
    async with venue_server(answering(refused, to=lambda: session)) as url:
        session = session_to(url, sink, acknowledge_timeout_s=0.5, refused_wait_s=600.0)
        async with running(session):
            await becomes(lambda: session.status().state is FeedState.REFUSED)
            await sink.until(lambda: sink.order == ["connected", "disconnected"])
            await becomes(lambda: "trying again in 600.0 s" in session.status().detail)
            assert session.status().state is FeedState.REFUSED
            assert session.status().detail.startswith("no such product")


async def test_a_refusal_of_a_part_keeps_the_rest(sink: ListSink) -> None:
    refused = Refused("ETH-USD is delisted", is_final=True)
    rest = Acknowledged({channel: frozenset(["BTC-USD"]) for channel in WANTED.channels})
    async with venue_server(answering(refused, rest, to=lambda: session)) as url:
        session = session_to(url, sink, acknowledge_timeout_s=0.5)
        async with running(session):
            await becomes(lambda: session.status().state is FeedState.REFUSED)
            await silence(1.0)
            assert sink.order == ["connected"]
            assert session.status().state is FeedState.REFUSED
            assert session.status().detail == "ETH-USD is delisted"
            session.handle(CONFIRMED)
            assert session.status().state is FeedState.LIVE


async def test_a_passing_refusal_reconnects(sink: ListSink) -> None:
    async with venue_server(idle) as url:
        session = session_to(url, sink)
        async with running(session):
            await subscribed(session)
            session.handle(Refused("ErrSlowConsume", is_final=False))
            await sink.until(lambda: sink.order.count("connected") == 2)
    assert sink.events[1].detail == "ErrSlowConsume"


async def test_a_simulated_server_is_known_by_its_header(sink: ListSink) -> None:
    def mark(connection: ServerConnection, request: Request, response: Response) -> None:
        response.headers["Fulltape-Simulated"] = "1"

    async with venue_server(idle, process_response=mark) as url:
        session = session_to(url, sink)
        async with running(session):
            await sink.until(lambda: sink.order == ["connected"])
            await becomes(lambda: session.status().simulated)
    assert sink.events[0].connection.simulated


async def test_an_instrument_can_be_stale_while_its_connection_lives(sink: ListSink) -> None:
    clock = ManualClock(NOW)
    async with venue_server(idle) as url:
        config = SessionConfig(name="COINBASE-1", url=url, subscription=WANTED, close_timeout_s=0.3)
        session = Session(Coinbase(), config, sink, clock, Random(1))
        async with running(session):
            await subscribed(session)
            assert session.status().stale_instruments == ()
            session.handle(CONFIRMED)
            clock.set(NOW + 60 * SECOND_NS)
            session.seen({"BTC-USD": NOW + 59 * SECOND_NS})
            assert session.status().stale_instruments == ("ETH-USD.COINBASE",)


async def test_nobody_there_is_said_and_tried_again(sink: ListSink) -> None:
    with silent_port() as port:
        session = session_to(f"ws://127.0.0.1:{port}", sink)
        async with running(session):
            await becomes(lambda: session.status().reconnects >= 2)
            assert session.status().state is FeedState.DOWN
            assert f"cannot connect to ws://127.0.0.1:{port}" in session.status().detail
    assert sink.order == []


async def test_a_server_that_never_shakes_hands_times_out(sink: ListSink) -> None:
    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pass

    async with raw_server(mute) as port:
        session = session_to(f"ws://127.0.0.1:{port}", sink, connect_timeout_s=0.1)
        async with running(session):
            await becomes(lambda: session.status().reconnects >= 1)
            assert session.status().state is FeedState.DOWN
    assert sink.order == []


async def test_stops_at_once_while_the_venue_keeps_it_waiting(sink: ListSink) -> None:
    asked, gone = asyncio.Event(), asyncio.Event()

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await reader.read()
        gone.set()

    async with raw_server(mute) as port:
        async with running(session_to(f"ws://127.0.0.1:{port}", sink, connect_timeout_s=600)):
            await asked.wait()
        async with asyncio.timeout(120):
            await gone.wait()
    assert sink.order == []


async def test_tls_is_spoken_or_nothing(sink: ListSink) -> None:
    async with raw_server(hang_up) as port:
        session = session_to(f"wss://127.0.0.1:{port}", sink)
        async with running(session):
            await becomes(lambda: session.status().reconnects >= 1)
            assert session.status().state is FeedState.DOWN
            assert not session.status().detail.partition("; trying")[0].endswith(": ")
    assert sink.order == []


async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def test_a_healthy_connection_starts_the_back_off_anew(sink: ListSink) -> None:
    async def drop(connection: ServerConnection) -> None:
        connection.transport.abort()

    async with venue_server(drop) as url:
        session = session_to(url, sink, backoff_base_s=1e-9, backoff_cap_s=3600.0, healthy_s=0.0)
        async with running(session):
            # Without a reset the 60th wait would be up to an hour.
            await sink.until(lambda: sink.order.count("connected") >= 60)


@pytest.mark.parametrize("url", ["https://example.org", "ws-feed.exchange.coinbase.com", ""])
async def test_refuses_an_address_that_is_none(sink: ListSink, url: str) -> None:
    with pytest.raises(ConfigError, match="not a WebSocket address"):
        session_to(url, sink)


async def test_refuses_a_subscription_without_its_key_before_connecting(sink: ListSink) -> None:
    config = SessionConfig(
        name="COINBASE-1", url="ws://127.0.0.1:9", subscription=Subscription((Channel.BOOK_FULL,), ("BTC-USD",))
    )
    with pytest.raises(ConfigError, match="FULLTAPE_COINBASE_KEY"):
        Session(Coinbase(), config, sink, ManualClock(NOW), Random(1))


async def test_sends_what_keeps_the_connection_open(sink: ListSink) -> None:
    class Pinged(Coinbase):
        spec = msgspec.structs.replace(Coinbase.spec, keepalive=Keepalive(b'{"op":"ping"}', 0.05))

    received: list[str | bytes] = []

    async def handler(connection: ServerConnection) -> None:
        async for message in connection:
            received.append(message)

    async with venue_server(handler) as url:
        config = SessionConfig(name="COINBASE-1", url=url, subscription=WANTED, silence_s=0.4)
        async with running(Session(Pinged(), config, sink, ManualClock(NOW), Random(1))):
            await becomes(lambda: received.count('{"op":"ping"}') >= 2)
    assert "subscribe" in str(received[0])


XRP = {"XRP-USD": "XRP-USD.COINBASE"}


@contextlib.asynccontextmanager
async def live(sink: ListSink, **changes: object) -> AsyncIterator[tuple[Session, list[dict[str, object]]]]:
    """Yield a session whose subscription is confirmed, and what it has said."""
    heard: list[dict[str, object]] = []

    async def handler(connection: ServerConnection) -> None:
        async for message in connection:
            heard.append(json.loads(message))
            if len(heard) == 1:
                session.handle(CONFIRMED)

    async with venue_server(handler) as url:
        session = session_to(url, sink, **changes)
        async with running(session):
            await becomes(lambda: session.status().state is FeedState.LIVE)
            yield session, heard


def confirming(*symbols: str, **channels: frozenset[str]) -> Acknowledged:
    named = {Channel(name): listed for name, listed in channels.items()}
    return Acknowledged({channel: frozenset(symbols) for channel in WANTED.channels} | named)


async def test_a_symbol_is_followed_on_the_living_connection(sink: ListSink) -> None:
    async with live(sink) as (session, heard):
        session.follow({**XRP, "BTC-USD": "BTC-USD.COINBASE"})
        session.follow(XRP)
        assert session.status().detail == "not confirmed yet: trades of XRP-USD; tickers of XRP-USD"
        await becomes(lambda: len(heard) == 2)
        session.handle(confirming("BTC-USD", "ETH-USD", "XRP-USD"))
        status = session.status()
    assert (status.state, status.reconnects) == (FeedState.LIVE, 0)
    assert status.instruments == ("BTC-USD.COINBASE", "ETH-USD.COINBASE", "XRP-USD.COINBASE")
    assert heard[1] == {"type": "subscribe", "product_ids": ["XRP-USD"], "channels": ["matches", "ticker", "heartbeat"]}


async def test_a_symbol_is_given_up_in_every_channel_that_brings_it(sink: ListSink) -> None:
    async with live(sink) as (session, heard):
        session.handle(confirming("BTC-USD", "ETH-USD", heartbeats=frozenset({"BTC-USD", "ETH-USD"})))
        session.unfollow(["ETH-USD", "XRP-USD"])
        session.unfollow(["ETH-USD"])
        session.resync("ETH-USD")
        await becomes(lambda: len(heard) == 2)
        session.handle(confirming("BTC-USD"))
        status = session.status()
    assert (status.state, status.instruments) == (FeedState.LIVE, ("BTC-USD.COINBASE",))
    assert heard[1:] == [
        {"type": "unsubscribe", "product_ids": ["ETH-USD"], "channels": ["matches", "ticker", "heartbeat"]}
    ]


async def test_a_symbol_that_is_not_confirmed_does_not_cost_the_connection(sink: ListSink) -> None:
    async with live(sink, acknowledge_timeout_s=0.5) as (session, _):
        session.follow(XRP)
        await becomes(lambda: session.status().state is FeedState.REFUSED)
        status = session.status()
        assert status.detail == "not confirmed in 0.5 s: trades of XRP-USD; tickers of XRP-USD"
        session.unfollow(["XRP-USD"])
        assert session.status().state is FeedState.LIVE
        session.follow(XRP)
        assert session.status().state is FeedState.CONNECTING
    assert status.reconnects == 0
    assert sink.order == ["connected", "disconnected"]


async def test_symbols_of_a_session_that_is_not_connected_are_asked_for_at_the_next_connection(sink: ListSink) -> None:
    heard: list[dict[str, object]] = []

    async def handler(connection: ServerConnection) -> None:
        heard.append(json.loads(await connection.recv()))
        await connection.wait_closed()

    async with venue_server(handler) as url:
        session = session_to(url, sink)
        session.follow({"odd one": "XRP-USD.COINBASE"})
        session.unfollow(["BTC-USD"])
        async with running(session):
            await becomes(lambda: len(heard) == 1)
            assert session.status().instruments == ("ETH-USD.COINBASE", "XRP-USD.COINBASE")
    assert heard[0]["product_ids"] == ["ETH-USD", "odd one"]


class Reserved(Coinbase):
    """A venue that speaks first: it wants to know who asks, and only then what."""

    spec = msgspec.structs.replace(Coinbase.spec, sign_on_frames=1, max_messages_per_s=1_000)

    def subscribe_frames(self, subscription: Subscription, credentials: Credentials | None, now_ns: int) -> list[bytes]:
        return [b"who", *(f"what {symbol}".encode() for symbol in subscription.symbols)]

    def unsubscribe_frames(self, subscription: Subscription) -> list[bytes]:
        return [b"no more"]


def reserved_session(url: str, sink: ListSink, **changes: object) -> Session:
    quick = {"backoff_base_s": 0.001, "close_timeout_s": 0.3, "refused_wait_s": 0.05}
    book = Subscription((Channel.BOOK,), WANTED.symbols)
    config = SessionConfig(name="COINBASE-1", url=url, subscription=book, **{**quick, **changes})  # type: ignore[arg-type]
    return Session(Reserved(), config, sink, ManualClock(NOW), Random(1))


async def test_signs_on_step_by_step_when_the_venue_asks_for_it(sink: ListSink) -> None:
    received: list[str | bytes] = []

    async def handler(connection: ServerConnection) -> None:
        async for message in connection:
            received.append(message)

    async with venue_server(handler) as url:
        session = reserved_session(url, sink)
        async with running(session):
            await subscribed(session)
            assert received == []
            session.handle(Invited(0))
            await becomes(lambda: received == ["who"])
            session.handle(Invited(1))
            await becomes(lambda: received == ["who", "what BTC-USD", "what ETH-USD"])
            session.handle(Acknowledged({Channel.BOOK: frozenset(WANTED.symbols)}))
            assert session.status().state is FeedState.LIVE
            received.clear()
            session.resync("BTC-USD")
            await becomes(lambda: len(received) == 2)
            assert received == ["no more", "what BTC-USD"]


async def test_a_venue_that_hangs_up_after_refusing_is_left_alone_as_long_as_it_wants(sink: ListSink) -> None:
    connections: list[float] = []

    async def handler(connection: ServerConnection) -> None:
        connections.append(asyncio.get_running_loop().time())

    async with venue_server(handler) as url:
        session = reserved_session(url, sink, backoff_base_s=1.0)
        async with running(session):
            await becomes(lambda: "trying again in" in session.status().detail)
            # The refusal is parsed only when the connection is gone already.
            session.handle(Refused("406: another connection", is_final=False, wait_s=0.4))
            assert session.status().detail.startswith("406: another connection")
            before = len(connections)
            await becomes(lambda: len(connections) > before)
    assert connections[before] - connections[before - 1] >= 0.4


async def test_refused_keys_are_said_even_when_the_venue_hangs_up_first(sink: ListSink) -> None:
    async def handler(connection: ServerConnection) -> None:
        await connection.recv()

    async with venue_server(handler) as url:
        session = reserved_session(url, sink)
        async with running(session):
            await subscribed(session)
            session.handle(Refused("402: check THE_KEY", is_final=True, wait_s=60.0))
            session.handle(Invited(0))
            await becomes(lambda: session.status().state is FeedState.REFUSED)
            await becomes(lambda: "trying again in" in session.status().detail)
            assert session.status().detail.startswith("402: check THE_KEY; trying again in ")
            assert session.status().reconnects == 0


async def test_giving_up_what_spoilt_a_subscription_asks_for_the_rest_anew(sink: ListSink) -> None:
    heard: list[dict[str, object]] = []

    async def handler(connection: ServerConnection) -> None:
        async for message in connection:
            heard.append(json.loads(message))

    async with venue_server(handler) as url:
        session = session_to(url, sink)
        async with running(session):
            await becomes(lambda: len(heard) == 1)
            session.handle(Refused("ETH-USD is delisted", is_final=True))
            assert session.status().state is FeedState.REFUSED
            session.unfollow(["ETH-USD"])
            await becomes(lambda: len(heard) == 2)
            assert session.status().state is FeedState.CONNECTING
    assert (heard[1]["type"], heard[1]["product_ids"]) == ("subscribe", ["BTC-USD"])
