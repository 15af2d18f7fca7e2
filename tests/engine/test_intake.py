"""The intake: bounded, in order, told when it is full."""

from __future__ import annotations

import asyncio

import pytest
from tests.engine.machine import CONNECTION, NOON, down

from fulltape.engine.intake import Intake
from fulltape.records.frames import Chunk, Connection, SessionEvent

OTHER = Connection("COINBASE-2", "COINBASE")


async def take(
    intake: Intake, *, wait_s: float = 0.0, flush_s: float = 0.0, enough: int = 100
) -> list[list[bytes] | str]:
    """Return what is taken: payloads of chunks, kinds of events."""
    items = await intake.take(wait_s=wait_s, flush_s=flush_s, enough=enough)
    assert all(isinstance(item, Chunk | SessionEvent) for item in items)
    return [
        item.payloads if isinstance(item, Chunk) else item.kind.value
        for item in items
        if isinstance(item, Chunk | SessionEvent)
    ]


async def test_frames_of_one_connection_come_together_and_everything_in_order() -> None:
    intake = Intake(100)
    for connection, payload in ((CONNECTION, b"1"), (CONNECTION, b"2"), (OTHER, b"3"), (CONNECTION, b"4")):
        intake.frame(connection, payload, NOON)
    intake.event(down())
    intake.frame(CONNECTION, b"5", NOON + 1)
    assert (intake.queued, intake.oldest) == (5, NOON)
    assert await take(intake) == [[b"1", b"2"], [b"3"], [b"4"], "disconnected", [b"5"]]
    assert (intake.queued, intake.oldest) == (0, None)
    assert await take(intake) == []


async def test_chunks_are_small_enough_to_be_decoded_in_turn_with_other_work() -> None:
    intake = Intake(10_000)
    payloads = [str(number).encode() for number in range(10_000)]
    for payload in payloads:
        intake.frame(CONNECTION, payload, NOON)
    first, second, third = await take(intake)
    assert [len(first), len(second), len(third)] == [4_096, 4_096, 1_808]
    assert [*first, *second, *third] == payloads


async def test_an_event_alone_is_taken() -> None:
    intake = Intake(100)
    intake.event(down())
    assert intake.oldest is None
    assert await take(intake) == ["disconnected"]


@pytest.mark.parametrize("frames", [[b""] * 3, [b"x" * 4_096 * 3]])
async def test_it_is_full_by_frames_or_by_bytes_until_taken(frames: list[bytes]) -> None:
    intake = Intake(3)
    for frame in frames[:-1]:
        intake.frame(CONNECTION, frame, NOON)
    is_full = [intake.is_full]
    intake.frame(CONNECTION, frames[-1], NOON)
    assert [*is_full, intake.is_full] == [False, True]
    waiting = asyncio.create_task(intake.drained())
    await asyncio.sleep(0)
    assert not waiting.done()
    assert await take(intake, flush_s=60, enough=1_000) == [frames]
    await waiting
    assert not intake.is_full


async def test_a_first_frame_and_then_enough_wake_the_taker() -> None:
    intake = Intake(100)
    taking = asyncio.create_task(take(intake, wait_s=60, flush_s=60, enough=2))
    await asyncio.sleep(0)
    intake.frame(CONNECTION, b"1", NOON)
    for _ in range(5):
        await asyncio.sleep(0)
    assert not taking.done()
    intake.frame(CONNECTION, b"2", NOON)
    assert await taking == [[b"1", b"2"]]


async def test_enough_that_waits_already_is_taken_at_once() -> None:
    intake = Intake(100)
    for _ in range(5):
        intake.frame(CONNECTION, b"", NOON)
    assert await take(intake, wait_s=60, flush_s=60, enough=5) == [[b""] * 5]


async def test_closing_wakes_the_taker_and_gives_what_is_left() -> None:
    intake = Intake(100)
    taking = asyncio.create_task(take(intake, wait_s=60))
    await asyncio.sleep(0)
    intake.frame(CONNECTION, b"1", NOON)
    intake.close()
    assert intake.is_closed
    assert await taking == [[b"1"]]
    assert await take(intake, wait_s=60) == []
