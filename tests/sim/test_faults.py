from __future__ import annotations

import json
from random import Random

import pytest

from fulltape.clock import SECOND_NS
from fulltape.errors import ConfigError
from fulltape.sim.faults import NO_FAULTS, Faults, FaultStream, parse_faults

FRAMES = [json.dumps({"n": i}).encode() for i in range(2_000)]


def stream(faults: Faults, seed: int = 3) -> FaultStream:
    return FaultStream(faults, Random(seed), 0)


def numbers(frames: list[bytes]) -> list[int]:
    return [json.loads(frame)["n"] for frame in frames]


def test_without_faults_nothing_changes() -> None:
    assert stream(NO_FAULTS).apply(FRAMES, 0) == FRAMES


def test_dropped_frames_are_gone_at_about_the_rate() -> None:
    kept = numbers(stream(Faults(drop=0.1)).apply(FRAMES, 0))
    assert kept == sorted(set(kept))
    assert 1_740 < len(kept) < 1_860
    assert stream(Faults(drop=1.0)).apply(FRAMES, 0) == []


def test_duplicates_follow_their_frame() -> None:
    sent = numbers(stream(Faults(duplicate=0.1)).apply(FRAMES, 0))
    assert sent == sorted(sent)
    assert sorted(set(sent)) == list(range(2_000))
    assert 2_140 < len(sent) < 2_260


def test_reordered_frames_come_a_little_late_and_none_is_lost() -> None:
    faulty = stream(Faults(reorder=0.2))
    sent = numbers([frame for i in range(0, 2_000, 10) for frame in faulty.apply(FRAMES[i : i + 10], i)])
    faulty.configure(NO_FAULTS, 0)
    sent += numbers(faulty.apply([b'{"n":2000}'] * 6, 0))
    assert sent != sorted(sent)
    assert sorted(set(sent)) == list(range(2_001))
    late = [max(sent[: place + 1]) - number for place, number in enumerate(sent)]
    assert 0 < max(late) <= 5


def test_delayed_frames_keep_their_order_and_wait() -> None:
    faulty = stream(Faults(delay_ms=100.0))
    assert faulty.apply(FRAMES[:5], 0) == []
    assert faulty.apply(FRAMES[5:10], 50_000_000) == []
    assert faulty.apply([], 100_000_000) == FRAMES[:5]
    faulty.configure(NO_FAULTS, 0)
    assert faulty.apply(FRAMES[10:12], 200_000_000) == FRAMES[5:12]
    assert faulty.apply(FRAMES[12:13], 200_000_000) == FRAMES[12:13]


def test_garbage_is_added_and_takes_nothing_away() -> None:
    sent = stream(Faults(garbage=0.1)).apply(FRAMES, 0)
    real = set(FRAMES)
    assert [frame for frame in sent if frame in real] == FRAMES
    garbage = [frame for frame in sent if frame not in real]
    assert 140 < len(garbage) < 260
    assert b"not json" in garbage
    assert any(real_frame.startswith(b'{"n"') and len(real_frame) < 8 for real_frame in garbage)
    assert b'{"n": -1}' in garbage


def test_what_is_no_json_is_only_cut() -> None:
    frames = [bytes([0x91, number]) for number in range(200)]
    garbage = set(stream(Faults(garbage=1.0, drop=1.0)).apply(frames, 0))
    assert {frame[:1] for frame in garbage if frame[:1] == b"\x91"} == {b"\x91"}
    assert not {frame for frame in garbage if frame[:1] == b"\x91" and len(frame) != 1}


def test_a_hang_loses_what_it_swallows() -> None:
    faulty = stream(Faults(reorder=1.0, delay_ms=10.0))
    faulty.apply(FRAMES[:10], 0)
    faulty.configure(Faults(hang=True), 0)
    hung = [faulty.is_hung]
    assert faulty.apply(FRAMES[10:20], SECOND_NS) == []
    faulty.configure(NO_FAULTS, 0)
    assert [*hung, faulty.is_hung] == [True, False]
    assert faulty.apply(FRAMES[20:30], 2 * SECOND_NS) == FRAMES[20:30]


def test_lives_end_after_about_the_mean() -> None:
    lives = []
    for seed in range(200):
        faulty = stream(Faults(disconnect_every_s=10.0), seed)
        lives.append(next(second for second in range(1_000) if faulty.is_over(second * SECOND_NS)))
    assert 8 < sum(lives) / 200 < 13
    assert not stream(NO_FAULTS).is_over(1 << 62)


def test_a_seed_decides_the_faults() -> None:
    every = Faults(drop=0.1, duplicate=0.1, reorder=0.1, garbage=0.1)
    assert stream(every, 1).apply(FRAMES, 0) == stream(every, 1).apply(FRAMES, 0)
    assert stream(every, 1).apply(FRAMES, 0) != stream(every, 2).apply(FRAMES, 0)


def test_faults_are_read_from_text() -> None:
    assert parse_faults("") == NO_FAULTS
    assert parse_faults("drop=0.01, delay_ms=20,hang") == Faults(drop=0.01, delay_ms=20.0, hang=True)
    assert parse_faults("refuse=false") == NO_FAULTS


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dorp=0.1", "did you mean 'drop'"),
        ("drop=much", "drop"),
        ("drop=1.5", "between 0 and 1"),
        ("drop=nan", "between 0 and 1"),
        ("delay_ms=-1", "delay_ms"),
        ("delay_ms=inf", "delay_ms"),
    ],
)
def test_bad_faults_say_what_is_wrong(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_faults(text)
