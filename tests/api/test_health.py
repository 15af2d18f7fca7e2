"""Health, readiness and metrics."""

from __future__ import annotations

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.api.scene import Api, FakeBackend, Server, feed, receive, subscribe, target, trade

from fulltape.errors import FatalError
from fulltape.records.status import FeedState, LogState, LogStatus, RecordingStatus, Wait


async def test_healthy(api: Api) -> None:
    answer = await api.get("/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize("state", list(FeedState))
async def test_health_names_the_bad_feed(state: FeedState, backend: FakeBackend, api: Api) -> None:
    backend.feeds = (feed("COINBASE-1"), feed("COINBASE-2", state, "silent for 12 s"))
    answer = await api.get("/health")
    if state in (FeedState.STALE, FeedState.DOWN, FeedState.REFUSED):
        bad = [{"feed": "COINBASE-2", "state": state.value, "detail": "silent for 12 s"}]
        assert (answer.status_code, answer.json()) == (503, {"status": "bad", "bad": bad})
    else:
        assert answer.status_code == 200


async def test_a_stopped_engine_is_bad_and_not_ready(backend: FakeBackend, api: Api) -> None:
    backend.error = "disk full"
    bad = [{"feed": "engine", "state": "stopped", "detail": "disk full"}]
    assert (await api.get("/health")).json()["bad"] == bad
    answer = await api.get("/ready")
    assert (answer.status_code, answer.json()["detail"]) == (503, "the engine has stopped: disk full")


async def test_ready_once_the_store_can_be_read(backend: FakeBackend, api: Api) -> None:
    backend.break_reader = FatalError("newer format")
    answer = await api.get("/ready")
    assert (answer.status_code, answer.json()["detail"]) == (503, "the store cannot be read: newer format")
    backend.break_reader = None
    assert (await api.get("/ready")).json() == {"status": "ok"}


async def test_metrics_say_what_the_status_says(backend: FakeBackend, api: Api) -> None:
    backend.number = 42
    polled = msgspec.structs.replace(feed("LIVECOINWATCH-1"), credits_left=9_120)
    backend.feeds, backend.targets = (feed(state=FeedState.DOWN), polled), (target(),)
    answer = await api.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    assert all(name.startswith("fulltape_") for name in families)
    values = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in families.values()
        for sample in family.samples
    }
    assert values["fulltape_engine_commits_total",] == 42
    assert values["fulltape_engine_commit_seconds",] == 0.004
    assert values["fulltape_engine_records_total", "trades"] == 90
    assert values["fulltape_engine_rejected_frames_total", "malformed_json"] == 1
    assert values["fulltape_engine_up",] == 1
    assert values["fulltape_feed_state", "COINBASE", "COINBASE-1", "down"] == 1
    assert values["fulltape_feed_state", "COINBASE", "COINBASE-1", "live"] == 0
    assert values["fulltape_feed_received_frames_total", "COINBASE", "COINBASE-1"] == 10
    assert values["fulltape_feed_credits", "COINBASE", "LIVECOINWATCH-1"] == 9_120
    assert ("fulltape_feed_credits", "COINBASE", "COINBASE-1") not in values
    assert values["fulltape_engine_late_alerts_total",] == 3
    assert values["fulltape_engine_id_resets_total",] == 6
    assert values["fulltape_engine_stale_candles_total",] == 7
    assert values["fulltape_engine_early_trades_total",] == 8
    assert values["fulltape_notify_messages_total", "phone"] == 4
    assert values["fulltape_notify_alerts_total", "phone"] == 9
    assert values["fulltape_notify_failures_total", "phone"] == 2
    assert values["fulltape_notify_old_alerts_total", "phone"] == 1
    assert values["fulltape_notify_waiting_alerts", "phone"] == 5
    assert values["fulltape_stream_clients",] == 0
    assert not [name for name, *_ in values if "_wait_" in name]
    assert values["fulltape_build_info", "1", "false"] == 1


async def test_metrics_of_kafka_are_there_while_it_is_on(backend: FakeBackend, api: Api) -> None:
    assert "fulltape_kafka" not in (await api.get("/metrics")).text
    backend.kafka = LogStatus(
        servers=("127.0.0.1:9092",),
        state=LogState.WAITING,
        commit=40,
        lag_commits=2,
        records={"trades": 7},
        transactions=3,
        failures=1,
        too_long=0,
        detail="no broker answers",
    )
    text = (await api.get("/metrics")).text
    assert 'fulltape_kafka_state{state="waiting"} 1.0' in text
    assert 'fulltape_kafka_state{state="live"} 0.0' in text
    assert "fulltape_kafka_lag_commits 2.0" in text
    assert 'fulltape_kafka_records_total{kind="trades"} 7.0' in text
    assert "fulltape_kafka_failures_total 1.0" in text
    status = (await api.get("/api/v1/status")).json()["kafka"]
    assert (status["state"], status["commit"], status["detail"]) == ("waiting", 40, "no broker answers")


async def test_what_becomes_of_raw_frames_is_told_while_they_are_recorded(backend: FakeBackend, api: Api) -> None:
    assert (await api.get("/api/v1/status")).json()["recording"] is None
    assert "fulltape_recording" not in (await api.get("/metrics")).text
    backend.recording = RecordingStatus(lines=5, bytes=900, dropped=2, detail="nothing is recorded: no space")
    told = (await api.get("/api/v1/status")).json()["recording"]
    assert told == {"lines": 5, "bytes": 900, "dropped": 2, "detail": "nothing is recorded: no space"}
    text = (await api.get("/metrics")).text
    assert "fulltape_recording_up 0.0" in text
    assert "fulltape_recording_lines_total 5.0" in text
    assert "fulltape_recording_bytes_total 900.0" in text
    assert "fulltape_recording_dropped_lines_total 2.0" in text


@pytest.mark.integration
async def test_metrics_tell_how_long_commits_take_to_reach_clients(backend: FakeBackend, server: Server) -> None:
    backend.commit_wait = Wait(0.02, 0.3)
    async with server.stream() as socket:
        await subscribe(socket, "trades")
        await receive(socket, "snapshot")
        await backend.commit(trade(1))
        await receive(socket, "commit")
        await receive(socket, "status")  # the message before it is counted
    text = (await server.get("/metrics")).text
    found = {
        line.split()[0]: float(line.split()[1]) for line in text.splitlines() if "_wait_p" in line and line[0] != "#"
    }
    assert found["fulltape_engine_commit_wait_p50_seconds"] == 0.02
    assert found["fulltape_engine_commit_wait_p99_seconds"] == 0.3
    assert 0.0 < found["fulltape_stream_wait_p50_seconds"] <= found["fulltape_stream_wait_p99_seconds"]
    assert (await server.get("/api/v1/status")).json()["engine"]["commit_wait"] == {"p50_s": 0.02, "p99_s": 0.3}
