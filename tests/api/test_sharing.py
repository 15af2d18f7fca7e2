"""Equal questions share one answer that is never older than the question."""

from __future__ import annotations

import asyncio

import pytest

from fulltape.api.sharing import Shared


class Work:
    """Counts calls; each ends when the test lets it."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.gate = asyncio.Event()
        self.error: Exception | None = None

    async def __call__(self, key: str) -> int:
        self.calls.append(key)
        number = len(self.calls)
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return number


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_questions_before_the_work_begins_share_it() -> None:
    work = Work()
    shared = Shared(work)
    early = [asyncio.create_task(shared.get("a")) for _ in range(3)]
    other = asyncio.create_task(shared.get("b"))
    await settle()
    late = [asyncio.create_task(shared.get("a")) for _ in range(3)]
    await settle()
    assert work.calls == ["a", "b"]
    work.gate.set()
    assert await asyncio.gather(*early, other, *late) == [1, 1, 1, 2, 3, 3, 3]
    assert work.calls == ["a", "b", "a"]


async def test_one_who_leaves_takes_nothing_from_the_others() -> None:
    work = Work()
    shared = Shared(work)
    leaver, stayer = (asyncio.create_task(shared.get("a")) for _ in range(2))
    await settle()
    leaver.cancel()
    work.gate.set()
    assert await stayer == 1


async def test_a_failure_reaches_everybody_and_is_not_kept() -> None:
    work = Work()
    work.error = ValueError("broken")
    work.gate.set()
    shared = Shared(work)
    results = await asyncio.gather(shared.get("a"), shared.get("a"), return_exceptions=True)
    assert [type(result) for result in results] == [ValueError, ValueError]
    work.error = None
    assert await shared.get("a") == 2


async def test_a_question_after_a_failed_one_waits_for_it() -> None:
    work = Work()
    work.error = ValueError("broken")
    shared = Shared(work)
    first = asyncio.create_task(shared.get("a"))
    await settle()
    second = asyncio.create_task(shared.get("a"))
    await settle()
    work.gate.set()
    for task in (first, second):
        with pytest.raises(ValueError, match="broken"):
            await task
    assert work.calls == ["a", "a"]
