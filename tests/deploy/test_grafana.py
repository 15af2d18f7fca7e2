"""What Grafana is given: data sources and dashboards of the right form, whose every query is answered rightly."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest
import yaml
from tests.api.scene import EmptyStores, backend_over, call
from tests.deploy.dashboards import GRAFANA, Dashboard, Panel, Rows, dashboard, interpolated, names_in
from tests.e2e.programs import start, started, waited

from fulltape.api.compat.grafana import INTERVALS
from fulltape.records.interval import parse_interval
from fulltape.records.status import FeedState, LogState, LogStatus

NAMES = ("health", "market")
FULLTAPE = {"type": "yesoreyeram-infinity-datasource", "uid": "fulltape"}
PROMETHEUS = {"type": "prometheus", "uid": "fulltape-metrics"}
GRAFANAS_OWN = {"__from", "__to", "__rate_interval"}
PATIENCE_S = 300.0
TRADED = ("BTC-USD.COINBASE", "DOGE-USD.COINBASE")


def read_yaml(path: str) -> Any:
    return yaml.safe_load((GRAFANA / "provisioning" / path).read_text(encoding="utf-8"))


def test_data_sources_are_provisioned() -> None:
    told = read_yaml("datasources/fulltape.yaml")
    assert set(told) == {"apiVersion", "prune", "datasources"}
    assert told["apiVersion"] == 1
    sources = {source["uid"]: source for source in told["datasources"]}
    for source in sources.values():
        assert set(source) == {"name", "uid", "type", "access", "url", "isDefault", "editable", "jsonData"}
        assert (source["access"], source["editable"]) == ("proxy", False)
    assert {uid: source["type"] for uid, source in sources.items()} == {
        one["uid"]: one["type"] for one in (FULLTAPE, PROMETHEUS)
    }
    fulltape = sources["fulltape"]
    assert fulltape["jsonData"]["allowedHosts"] == [fulltape["url"]]
    assert fulltape["jsonData"]["customHealthCheckUrl"].removeprefix(fulltape["url"]) == "/compat/grafana/"


def test_dashboards_are_provisioned() -> None:
    told = read_yaml("dashboards/fulltape.yaml")
    assert set(told) == {"apiVersion", "providers"}
    (provider,) = told["providers"]
    assert provider["type"] == "file"
    assert provider["options"]["path"] == "/etc/grafana/dashboards"
    assert sorted(path.stem for path in (GRAFANA / "dashboards").iterdir()) == list(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_dashboard_has_grafanas_form(name: str) -> None:
    shown = dashboard(name)
    assert len({panel.id for panel in shown.panels}) == len(shown.panels)
    assert shown.refresh in shown.timepicker.refresh_intervals
    for panel in shown.panels:
        assert panel.rows() or panel.queries()
        assert 0 <= panel.gridPos.x < panel.gridPos.x + panel.gridPos.w <= 24
        assert len({target["refId"] for target in panel.targets}) == len(panel.targets)
        source = {"type": panel.datasource.type, "uid": panel.datasource.uid}
        assert all(target["datasource"] == source for target in panel.targets)
        assert source == (FULLTAPE if panel.rows() else PROMETHEUS)
        assert not [other.id for other in shown.panels if other.id < panel.id and overlap(other, panel)]


def overlap(one: Panel, other: Panel) -> bool:
    a, b = one.gridPos, other.gridPos
    return a.x < b.x + b.w and b.x < a.x + a.w and a.y < b.y + b.h and b.y < a.y + a.h


@pytest.mark.parametrize("name", NAMES)
def test_every_variable_that_is_used_exists(name: str) -> None:
    shown = dashboard(name)
    there = GRAFANAS_OWN | {variable.name for variable in shown.templating.list}
    for panel in shown.panels:
        assert set(names_in(panel.title + json.dumps(panel.targets))) <= there


def test_the_market_has_the_older_dashboards_variables_and_panels() -> None:
    shown = dashboard("market")
    interval = shown.variable("Interval")
    assert [option.value for option in interval.options] == interval.query.split(",")  # type: ignore[union-attr]
    assert tuple(option.value for option in interval.options) == INTERVALS
    assert [option.value for option in interval.options if option.selected] == [interval.current["value"]] == ["5m"]
    assert [panel.type for panel in shown.panels[:2]] == ["timeseries", "candlestick"]
    fields = shown.panels[1].options["fields"]
    assert fields == {name: name for name in ("open", "high", "low", "close", "volume")}
    assert set(fields) <= {column.text for column in shown.panels[1].rows()[0].columns}
    assert shown.refresh == "5s"


@dataclass(frozen=True)
class Tape:
    """A running fulltape whose market has ended: what it answered, and what it stored."""

    answers: Mapping[str, Any]
    metrics: str
    database: Path
    began_ms: int
    ended_ms: int

    def trades(self, product: str) -> list[tuple[int, float, float]]:
        """Return time (ms), price and size of the stored trades, in order."""
        query = """SELECT epoch_ns(event_time) // 1000000, price, size FROM trades WHERE instrument = ?
                   ORDER BY event_time, length(trade_id), trade_id"""
        with duckdb.connect(str(self.database), read_only=True) as stored:
            return stored.execute(query, [product]).fetchall()


def requests(shown: Dashboard, began_ms: int, ended_ms: int) -> Iterator[str]:
    """Yield every request of every panel, for every value of its variables."""
    asked = [query for panel in shown.panels for query in panel.rows()]
    for product in TRADED:
        for interval in INTERVALS:
            values = {"product": product, "Interval": interval, "__from": str(began_ms), "__to": str(ended_ms)}
            yield from dict.fromkeys(query.request(values) for query in asked)


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Tape:
    """Some minutes of simulated trades, stored by the real program, and its answers once the market has ended."""
    folder = tmp_path_factory.mktemp("grafana")
    with ExitStack() as stack:

        def run(name: str, *arguments: str) -> tuple[subprocess.Popen[bytes], Path]:
            process, log = start(folder, name, *arguments)
            stack.callback(process.wait)
            stack.callback(process.kill)
            return process, log

        symbols = ("--symbol", "BTC-USD", "--symbol", "DOGE-USD")
        sim, log = run("sim", "sim", "--port", "0", *symbols, "--config-out", "sim.toml")
        started(log, "now run", sim)
        config = (folder / "sim.toml").read_text()
        # What is refilled could come while the questions are asked.
        quiet = "simulated = true\n[history]\nwarm_bars = 0\nrefill_hours = 0"
        (folder / "sim.toml").write_text(config.replace("simulated = true", quiet))
        began_ms = time.time_ns() // 10**6 - 6 * 60_000
        past, _ = run("past", "backfill", "BTC-USD.COINBASE", "--from", "4m", "--trades", "--config", "sim.toml")
        assert past.wait(1_200) == 0
        up, log = run("up", "up", "--config", "sim.toml", "--port", "0")
        url = started(log, r"http://\S+", up)[0]
        with httpx.Client(base_url=url, timeout=120, trust_env=False) as client:
            return seen(client, sim, up, folder / "fulltape-sim.duckdb", began_ms)


def seen(
    client: httpx.Client, sim: subprocess.Popen[bytes], up: subprocess.Popen[bytes], database: Path, began_ms: int
) -> Tape:
    def status() -> dict[str, Any]:
        told: dict[str, Any] = client.get("/api/v1/status").json()
        return told

    waited(status, lambda told: told["engine"]["records"].get("trades", 0) > 50, PATIENCE_S)
    sim.send_signal(signal.SIGTERM)
    waited(status, has_come_to_rest, PATIENCE_S)
    shown = dashboard("market")
    variable = shown.variable("product").query
    assert not isinstance(variable, str)
    ended_ms = time.time_ns() // 10**6
    asked = ["/compat/grafana/", variable.infinityQuery.request({})]
    asked += requests(shown, began_ms, ended_ms)
    answers = {request: client.get(request).raise_for_status().json() for request in asked}
    metrics = client.get("/metrics").raise_for_status().text
    up.send_signal(signal.SIGTERM)
    assert up.wait(240) == 0
    return Tape(answers, metrics, database, began_ms, ended_ms)


def has_come_to_rest(status: dict[str, Any]) -> bool:
    """Return whether the venue is gone and all that came of it is committed."""
    engine = status["engine"]
    return (status["feeds"][0]["state"], engine["queued_frames"], engine["lag_s"]) == ("down", 0, 0)


def columns_of(query: Rows, rows: list[dict[str, Any]]) -> None:
    """Check that rows have what the columns select, in the type that they say."""
    kinds: dict[str, type | tuple[type, ...]] = {"string": str, "number": (int, float), "timestamp_epoch": int}
    assert rows
    for row in rows:
        for column in query.columns:
            assert isinstance(row[column.selector], kinds[column.type])


@pytest.mark.e2e
@pytest.mark.slow
def test_every_query_of_the_market_is_answered_with_its_columns_and_the_right_figures(tape: Tape) -> None:
    shown = dashboard("market")
    variable = shown.variable("product").query
    assert not isinstance(variable, str)
    found = tape.answers[variable.infinityQuery.request({})]
    columns_of(variable.infinityQuery, found)
    named = {row["__value"]: row["__text"] for row in found}
    for product in TRADED:
        assert named[product] == f"{product} SIMULATED"
        trades = tape.trades(product)
        assert trades
        for interval in INTERVALS:
            values = {
                "product": product,
                "Interval": interval,
                "__from": str(tape.began_ms),
                "__to": str(tape.ended_ms),
            }
            for query in (query for panel in shown.panels for query in panel.rows()):
                rows = tape.answers[query.request(values)]
                columns_of(query, rows)
                check_figures(rows, trades, parse_interval(interval) * 1_000)


def check_figures(rows: list[dict[str, Any]], trades: list[tuple[int, float, float]], length_ms: int) -> None:
    """Recompute every row from the stored trades of its window; each trade is in exactly one."""
    counted = 0
    for row in rows:
        mine = [trade for trade in trades if row["time"] <= trade[0] < row["time"] + length_ms]
        prices = [price for _, price, _ in mine]
        counted += len(mine)
        if "mean" in row:
            assert row["mean"] == pytest.approx(sum(prices) / len(prices), rel=1e-12)
            continue
        told = (row["open"], row["high"], row["low"], row["close"], row["trades"])
        assert told == (prices[0], max(prices), min(prices), prices[-1], len(prices))
        assert row["volume"] == pytest.approx(sum(size for _, _, size in mine), rel=1e-12)
    assert counted == len(trades)
    assert all(later["time"] - row["time"] >= length_ms for row, later in pairwise(rows))


@pytest.mark.e2e
@pytest.mark.slow
def test_minutes_of_the_past_are_windows_of_their_own(tape: Tape) -> None:
    """The check above means something only if there is more than one window."""
    (panel, *_) = dashboard("market").panels
    values = {"product": "BTC-USD.COINBASE", "Interval": "1m", "__from": str(tape.began_ms), "__to": str(tape.ended_ms)}
    assert len(tape.answers[panel.rows()[0].request(values)]) >= 4


@pytest.mark.e2e
@pytest.mark.slow
def test_every_metric_of_the_health_dashboard_is_told(tape: Tape) -> None:
    there = set(re.findall(r"^# TYPE (\w+) ", tape.metrics, re.MULTILINE))
    read = [name for panel in dashboard("health").panels for query in panel.queries() for name in query.metrics]
    assert len(read) > 20
    assert {name for name in read if not name.startswith("fulltape_kafka_")} <= there
    for panel in dashboard("health").panels:
        for query in panel.queries():
            check_labels(query.expr + query.legendFormat, query.metrics, tape.metrics)


async def test_every_metric_of_kafka_is_told_where_there_is_one(empty_stores: EmptyStores) -> None:
    kafka = LogStatus(
        servers=("127.0.0.1:9092",),
        state=LogState.LIVE,
        commit=1,
        lag_commits=1,
        records={"trades": 2},
        transactions=1,
        failures=3,
        too_long=0,
        detail="",
    )
    with backend_over(empty_stores) as backend:
        backend.kafka = kafka
        async with call(backend) as api:
            metrics = (await api.get("/metrics")).text
    there = set(re.findall(r"^# TYPE (\w+) ", metrics, re.MULTILINE))
    queries = [query for panel in dashboard("health").panels for query in panel.queries()]
    of_kafka = [query for query in queries if "fulltape_kafka_" in query.expr]
    assert len(of_kafka) > 2
    for query in of_kafka:
        assert set(query.metrics) <= there
        check_labels(query.expr + query.legendFormat, query.metrics, metrics)


def check_labels(text: str, names: list[str], metrics: str) -> None:
    """Check that the labels which a query groups by and shows are those of its metrics, where these have samples."""
    wanted = set(re.findall(r"\{\{(\w+)\}\}", text)) | set(re.findall(r"by \((\w+)\)", text))
    for name in names:
        samples = re.findall(rf"^{name}\{{(.*?)\}} ", metrics, re.MULTILINE)
        assert all(wanted <= set(re.findall(r"(\w+)=", sample)) for sample in samples)


def test_feeds_are_drawn_in_the_states_that_there_are() -> None:
    (feeds,) = (panel for panel in dashboard("health").panels if panel.type == "state-timeline")
    (query,) = feeds.queries()
    numbers = {
        state: int(number) for number, state in re.findall(r'(\d+) \* fulltape_feed_state\{state="(\w+)"\}', query.expr)
    }
    assert numbers == {state.value: number for number, state in enumerate(FeedState) if number}
    (mapping,) = feeds.fieldConfig["defaults"]["mappings"]
    assert {int(number): told["text"] for number, told in mapping["options"].items()} == dict(
        enumerate(state.value for state in FeedState)
    )


def test_a_variable_that_does_not_exist_is_noticed() -> None:
    assert interpolated("a=$x&b=${y:text}", {"x": "1", "y": "2"}) == "a=1&b=2"
    with pytest.raises(KeyError):
        interpolated("${z}", {})
