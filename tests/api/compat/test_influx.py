"""Line protocol as Telegraf wrote it."""

from __future__ import annotations

from tests.api.scene import BTC, START_NS, Api, FakeBackend, minute, trade
from tests.conformance.samples import coin

from fulltape.clock import SECOND_NS, format_rfc3339
from fulltape.records import Instrument


async def test_prices_are_lines_with_nanoseconds(backend: FakeBackend, api: Api) -> None:
    await backend.commit(trade(2, time=START_NS - 5), trade(1, time=START_NS - 7))
    answer = await api.get("/compat/influx", product=BTC)
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.text.splitlines() == [
        f"kafka_consumer,product={BTC.partition('.')[0]} price=101.0 {START_NS - 7}",
        f"kafka_consumer,product={BTC.partition('.')[0]} price=102.0 {START_NS - 5}",
    ]


async def test_trades_of_one_moment_do_not_overwrite_each_other(backend: FakeBackend, api: Api) -> None:
    """The older system had whole seconds, and one price a second."""
    await backend.commit(*(trade(number, time=START_NS - 9) for number in (1, 2, 3)))
    lines = (await api.get("/compat/influx", product="BTC-USD")).text.splitlines()
    assert [int(line.rpartition(" ")[2]) for line in lines] == [START_NS - 9, START_NS - 8, START_NS - 7]


async def test_a_stretch_is_half_open_and_can_be_cut(backend: FakeBackend, api: Api) -> None:
    await backend.commit(*(trade(number, time=minute(number)) for number in range(1, 6)))
    start, end = format_rfc3339(minute(2)), format_rfc3339(minute(5))
    lines = (await api.get("/compat/influx", product=BTC, start=start, end=end, limit=2)).text.splitlines()
    assert [line.split()[1] for line in lines] == ["price=102.0", "price=103.0"]


async def test_an_hour_before_the_earliest_time_is_asked_for(backend: FakeBackend, api: Api) -> None:
    await backend.commit(trade(1))
    for end in ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59"):
        answer = await api.get("/compat/influx", product=BTC, end=end)
        assert (answer.status_code, answer.text) == (200, "")


async def test_names_are_escaped_and_coins_have_prices(backend: FakeBackend, api: Api) -> None:
    backend.table.add(Instrument("A-USD.POLLED", "POLLED", "a, b=c", "A", "USD"))
    await backend.commit(coin(START_NS - SECOND_NS, instrument="A-USD.POLLED", rate=0.1 + 0.2))
    line = (await api.get("/compat/influx", product="A-USD.POLLED", measurement="prices")).text
    assert line == f"prices,product=a\\,\\ b\\=c price=0.30000000000000004 {START_NS - SECOND_NS}\n"


REFUSED = [
    ("product=nothing", 404),
    ("", 422),
    (f"product={BTC}&limit=0", 422),
    (f"product={BTC}&measurement=a%20b", 422),
    (f"product={BTC}&start=yesterday", 400),
]


async def test_what_cannot_be_asked_is_refused(api: Api) -> None:
    for query, status in REFUSED:
        assert (await api.get(f"/compat/influx?{query}")).status_code == status
