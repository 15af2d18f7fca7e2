"""Pollers against a venue that is a script, with time that passes only when they sleep."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Self

import pytest
from tests.venues.server import ListSink

from fulltape.clock import SECOND_NS, ManualClock
from fulltape.errors import ConfigError, TransientError
from fulltape.records.status import FeedState
from fulltape.venues.base import Acknowledged, Channel, Credentials, Refused, RestRequest, Subscription
from fulltape.venues.credits import DAY_S, CreditFile, Credits
from fulltape.venues.livecoinwatch import SPEC, LiveCoinWatch
from fulltape.venues.poller import Poller, Purse
from fulltape.venues.session import SessionConfig

MIDNIGHT = 20_000 * DAY_S * SECOND_NS
WANTED = Subscription((Channel.COINS,), ("BTC-USD", "ETH-USD"))
CAME = Acknowledged({Channel.COINS: frozenset(WANTED.symbols)})


class Script:
    """A venue: counts what is asked; ``answer`` gives its answers, or raises."""

    def __init__(self, credits: Credits, answer: Callable[[RestRequest], object]) -> None:
        self.simulated = False
        self.asked: list[str] = []
        self._credits = credits
        self._answer = answer

    async def get(self, request: RestRequest) -> bytes:
        self._credits.spend(request.credits)
        self.asked.append(request.path)
        return json.dumps(self._answer(request)).encode()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


class Stage:
    """A poller, its venue and its time. ``heard`` is what the parser finds, told at the next sleep."""

    def __init__(self, path: Path, answer: Callable[[RestRequest], object], start: int = MIDNIGHT) -> None:
        self.clock = ManualClock(start)
        self.credits = CreditFile(path / "credits.json", 10_000, self.clock)
        self.venue = Script(self.credits, answer)
        self.sink = ListSink()
        self.slept: list[float] = []
        self.heard: list[Acknowledged | Refused] = []
        self._until = start
        config = SessionConfig(name="LCW-1", url="http://lcw", subscription=WANTED, credentials=Credentials("k"))
        purse = Purse(lambda: self.venue, self.credits)
        self.poller = Poller(LiveCoinWatch(), config, purse, self.sink, self.clock, Random(1), self._sleep)

    async def run(self, until_s: float) -> None:
        """Run until so long after midnight."""
        self._until = MIDNIGHT + int(until_s * SECOND_NS)
        with contextlib.suppress(asyncio.CancelledError):
            await self.poller.run()

    async def _sleep(self, wait_s: float) -> None:
        for control in self.heard:
            self.poller.handle(control)
        self.heard.clear()
        self.slept.append(wait_s)
        self.clock.set(self.clock.now_ns() + int(wait_s * SECOND_NS))
        if self.clock.now_ns() >= self._until:
            raise asyncio.CancelledError


def answers(request: RestRequest) -> object:
    if request.path == "/credits":
        return {"dailyCreditsRemaining": 10_000, "dailyCreditsLimit": 10_000}
    return [{"code": "BTC", "rate": 1.0}, {"code": "ETH", "rate": 2.0}]


async def test_answers_become_frames_of_a_connection(tmp_path: Path) -> None:
    stage = Stage(tmp_path, answers)
    stage.heard = [CAME]
    await stage.run(25)
    assert stage.slept == [10, 10, 10]
    assert stage.sink.order == ["connected", "frame", "frame", "frame", "disconnected"]
    first = stage.sink.payloads[0]
    assert first.startswith(b'POST /coins/map {"currency":"USD","codes":["BTC","ETH"]')
    assert first.endswith(b'\n[{"code": "BTC", "rate": 1.0}, {"code": "ETH", "rate": 2.0}]')
    status = stage.poller.status()
    assert (status.state, status.frames, status.credits_left) == (FeedState.LIVE, 3, 9_997)
    assert status.instruments == ("BTC-USD.LIVECOINWATCH", "ETH-USD.LIVECOINWATCH")


async def test_a_whole_day_never_overspends_and_keeps_the_reserve(tmp_path: Path) -> None:
    stage = Stage(tmp_path, answers)
    stage.credits.spend(4_000)  # as if most of the day's history had been fetched already
    await stage.run(DAY_S)
    assert stage.credits.day_ends_in_s() >= DAY_S - 20
    spent = len(stage.venue.asked)
    assert SPEC.polling is not None
    assert 5_400 < spent <= 6_000 - SPEC.polling.reserve
    assert max(stage.slept) < 20  # spread over the day, not spent in the morning
    assert stage.venue.asked.count("/credits") == 24


async def test_a_restart_in_the_evening_goes_on_with_what_is_left(tmp_path: Path) -> None:
    Stage(tmp_path, answers).credits.spend(9_000)
    stage = Stage(tmp_path, answers, MIDNIGHT + 18 * 3_600 * SECOND_NS)
    await stage.run(18 * 3_600 + 100)
    assert stage.slept[0] == pytest.approx(6 * 3_600 / 499)


async def test_when_the_reserve_is_reached_it_waits_for_midnight(tmp_path: Path) -> None:
    stage = Stage(tmp_path, answers)
    stage.credits.spend(9_500)
    await stage.run(DAY_S + 15)
    assert stage.slept == [DAY_S, 10, 10]
    assert stage.sink.order[0] == "connected"
    assert stage.credits.left() == 10_000 - 2


async def test_the_venues_own_count_is_asked_for_and_believed_if_lower(tmp_path: Path) -> None:
    def lower(request: RestRequest) -> object:
        return {"dailyCreditsRemaining": 500 + 100} if request.path == "/credits" else []

    stage = Stage(tmp_path, lower, MIDNIGHT + 12 * 3_600 * SECOND_NS)
    await stage.run(12 * 3_600 + 1)
    assert stage.slept == [12 * 3_600 / 100]
    assert stage.poller.status().credits_left == 599


async def test_a_count_that_is_none_is_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def odd(request: RestRequest) -> object:
        return {} if request.path == "/credits" else answers(request)

    stage = Stage(tmp_path, odd, MIDNIGHT + 3_600 * SECOND_NS)
    await stage.run(3_601)
    assert stage.venue.asked == ["/credits", "/coins/map"]
    assert "does not say how many credits are left" in caplog.text


async def test_trouble_ends_the_connection_and_is_waited_out(tmp_path: Path) -> None:
    troubles: list[Exception] = [TransientError("LCW: 429", retry_after_s=77.0)]

    def troubled(request: RestRequest) -> object:
        if len(stage.sink.frames) == 1 and troubles:
            raise troubles.pop()
        return answers(request)

    stage = Stage(tmp_path, troubled)
    await stage.run(95)
    assert stage.slept == [10, 77.0, 10]
    assert stage.sink.order == ["connected", "frame", "disconnected", "connected", "frame", "disconnected"]
    assert [event.detail for event in stage.sink.events] == ["", "LCW: 429", "", "stopped"]
    assert stage.poller.status().reconnects == 2


async def test_a_wrong_key_is_asked_again_slowly(tmp_path: Path) -> None:
    def refusing(request: RestRequest) -> object:
        raise ConfigError("LCW: 401 Unauthorized")

    stage = Stage(tmp_path, refusing)
    await stage.run(100)
    assert stage.slept == [60, 60]
    assert stage.poller.status().state is FeedState.REFUSED
    assert stage.sink.order == []


async def test_a_refusal_inside_an_answer_is_heard_late_and_heeded(tmp_path: Path) -> None:
    stage = Stage(tmp_path, answers)
    stage.heard = [Refused("LCW: 401: wrong key", is_final=True)]
    await stage.run(60)
    assert stage.slept == [10, 60]
    assert stage.sink.order == ["connected", "frame", "disconnected"]
    status = stage.poller.status()
    assert status.state is FeedState.REFUSED


async def test_a_coin_that_the_venue_has_not_is_named(tmp_path: Path) -> None:
    stage = Stage(tmp_path, answers)
    stage.heard = [Acknowledged({Channel.COINS: frozenset({"BTC-USD"})})]
    details: list[str] = []
    stage.sink.frame = lambda *_: details.append(stage.poller.status().detail)  # type: ignore[method-assign]
    await stage.run(15)
    assert details == ["asking http://lcw", "the venue does not have ETH-USD"]


async def test_a_coin_without_news_is_stale(tmp_path: Path) -> None:
    stage = Stage(tmp_path, answers)
    found: list[tuple[str, ...]] = []

    def look(*_: Any) -> None:
        stage.poller.seen({"BTC-USD": stage.clock.now_ns()})
        found.append(stage.poller.status().stale_instruments)

    stage.heard = [CAME]
    stage.sink.frame = look  # type: ignore[assignment, method-assign]
    await stage.run(135)
    assert found[0] == ()
    assert found[-1] == ("ETH-USD.LIVECOINWATCH",)


async def test_symbols_come_and_go_while_it_runs(tmp_path: Path) -> None:
    stage = Stage(tmp_path, answers)
    stage.poller.follow(["BTC-USD", "SOL-EUR"])
    stage.poller.unfollow(["ETH-USD"])
    with pytest.raises(ValueError, match="not a LIVECOINWATCH coin"):
        stage.poller.follow(["sol"])
    stage.poller.resync("BTC-USD")
    stage.poller.answer(RestRequest("/x"), b"")
    await stage.run(1)
    assert [json.loads(frame.split(b" ", 2)[2].split(b"\n")[0])["codes"] for frame in stage.sink.payloads] == [
        ["BTC"],
        ["SOL"],
    ]


async def test_a_full_sink_is_waited_for(tmp_path: Path) -> None:
    stage = Stage(tmp_path, answers)
    stage.sink = ListSink(room=0)
    stage.poller = Poller(
        LiveCoinWatch(),
        SessionConfig(name="LCW-1", url="", subscription=WANTED, credentials=Credentials("k")),
        Purse(lambda: stage.venue, stage.credits),
        stage.sink,
        stage.clock,
        Random(1),
        stage._sleep,
    )
    running = asyncio.create_task(stage.run(1))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert stage.sink.order == []
    stage.sink.make_room()
    await running
    assert stage.sink.order == ["connected", "frame", "disconnected"]


def test_without_a_key_it_does_not_begin(tmp_path: Path) -> None:
    clock = ManualClock(MIDNIGHT)
    purse = Purse(lambda: pytest.fail("asked"), CreditFile(tmp_path / "c", 10, clock))
    config = SessionConfig(name="LCW-1", url="", subscription=WANTED)
    with pytest.raises(ConfigError, match="set FULLTAPE_LIVECOINWATCH_KEY"):
        Poller(LiveCoinWatch(), config, purse, ListSink(), clock, Random(1))
