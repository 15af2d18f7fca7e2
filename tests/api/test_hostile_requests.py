"""Requests that nobody sends by mistake: none gives a 500, none reaches a file, none takes what it asks for."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gzip
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from litestar.routes import HTTPRoute
from tests.api.scene import BTC, Api, FakeBackend, Server, call, candle, last, minute, quote, trade

from fulltape.api.app import create_app
from fulltape.api.config import ApiConfig

NUMBERS = [
    "-1",
    "0",
    "1e308",
    "-1e308",
    "NaN",
    "inf",
    "-inf",
    "1" * 400,
    "0x10",
    "\uff11\uff12",
    "1_000",
    "+5",
    " 7 ",
    "",
    "null",
]
TEXTS = [
    "\x00",
    "%00",
    "a\r\nX-Injected: 1",
    "../../etc/passwd",
    "..\\..\\windows",
    "\u202e\ufeff\u0000",
    "'; DROP TABLE trades; --",
    "${jndi:ldap://x}",
    "<script>",
    "x" * 5_000,
    "9999999999999999999999999999999999999d",
    "-1m",
    "1e9y",
    "0s",
    "*",
    ",,,,",
    "2026-13-45T99:99:99Z",
    "9999-12-31T23:59:59.999999999Z",
    "-9999-01-01T00:00:00Z",
    "1800000000",
    "\udcff",
]
OUTSIDE = [
    "/../secret.txt",
    "/%2e%2e/secret.txt",
    "/..%2fsecret.txt",
    "/%2e%2e%2fsecret.txt",
    "/%252e%252e/secret.txt",
    "/..%5csecret.txt",
    "/..%c0%afsecret.txt",
    "/assets/../../secret.txt",
    "/assets/..%2f..%2fsecret.txt",
    "/assets/%2e%2e/%2e%2e/secret.txt",
    "//secret.txt",
    "/./../secret.txt",
    "/secret.txt%00.html",
    "/assets%00/../secret.txt",
    "/%ff%fe",
    "/" + "a/" * 2_000,
    "/" + "a" * 300,
]


@pytest.fixture
async def filled(backend: FakeBackend) -> AsyncIterator[Api]:
    """An application with a little of everything, and the calls of older systems at the root too."""
    await backend.commit(trade(1), trade(2), quote(1), candle(minute(0)), last(1))
    async with call(backend, compat_at_root=True) as api:
        yield api


def reads(backend: FakeBackend) -> dict[str, list[str]]:
    """Return the parameters of every call that reads and ends."""
    app = create_app(backend, static_dir=None, config=ApiConfig(compat_at_root=True))
    paths = app.openapi_schema.paths or {}
    found: dict[str, list[str]] = {}
    for route in app.routes:
        operation = getattr(paths.get(route.path_format), "get", None)
        if isinstance(route, HTTPRoute) and operation is not None and not route.path_format.endswith("/events"):
            names = [parameter.name for parameter in operation.parameters or () if hasattr(parameter, "name")]
            found[route.path_format] = [name for name in names if "-" not in name]
    return found


USUAL = {
    "instrument": BTC,
    "instruments": f"{BTC},ETH-USD.COINBASE",
    "interval": "1m",
    "name": "SMA",
    "basis": "ticks",
    "threshold": "10",
}


async def check(api: Api, path: str, query: httpx.QueryParams) -> None:
    answer = await api.http.get(path, params=query)
    told = (path, str(query)[:200], answer.text[:200])
    assert answer.status_code < 500 or answer.status_code == 503, told
    assert "x-injected" not in answer.headers, told
    assert "Traceback" not in answer.text, told


@pytest.mark.slow
async def test_no_value_of_any_parameter_of_any_call_is_a_mistake_of_ours(backend: FakeBackend, filled: Api) -> None:
    calls = reads(backend)
    assert len(calls) > 30
    for path, names in calls.items():
        usual = {name: USUAL[name] for name in names if name in USUAL}
        for name in names:
            for value in (*NUMBERS, *TEXTS):
                address = path.replace("{" + name + "}", "x") if "{" + name + "}" in path else path
                encoded = {**usual, name: value.encode("utf-8", "surrogateescape").decode("latin-1")}
                await check(filled, address, httpx.QueryParams(encoded))


async def test_parameters_that_come_twice_or_in_no_encoding(backend: FakeBackend, filled: Api) -> None:
    for path, names in reads(backend).items():
        for name in names:
            twice = await filled.http.get(f"{path}?{name}=1m&{name}=1h")
            broken = await filled.http.get(f"{path}?{name}=%ff%fe%80&%ff=%00")
            assert {twice.status_code, broken.status_code} <= {200, 400, 404, 422, 503}, (path, name)


async def test_no_path_reaches_a_file_outside(backend: FakeBackend, tmp_path: Path) -> None:
    folder = tmp_path / "dashboard"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html>")
    (tmp_path / "secret.txt").write_text("secret")
    async with call(backend, static_dir=folder) as api:
        for path in OUTSIDE:
            for root in ("", "/schema", "/api/v1/venues", "/compat"):
                answer = await api.http.get(httpx.URL("http://localhost" + root + path))
                assert answer.status_code < 500, path
                assert answer.text != "secret", path


@pytest.mark.parametrize(
    ("path", "body", "kind"),
    [
        ("/api/v1/sql", b'{"query": "SELECT 1"' + b" " * 60_000, "application/json"),
        ("/api/v1/sql", b"[" * 30_000 + b"]" * 30_000, "application/json"),
        ("/api/v1/sql", b'{"query":' + b'{"a":' * 10_000 + b"1" + b"}" * 10_001, "application/json"),
        ("/api/v1/sql", b'{"query": "\xff\xfe"}', "application/json"),
        ("/api/v1/sql", b'{"query": "\\ud800"}', "application/json"),
        ("/api/v1/sql", b'{"query": "SELECT 1", "query": "SELECT 2", "x": 1}', "application/json"),
        ("/api/v1/sql", b'{"query": 1e999}', "application/json"),
        ("/api/v1/sql", '{"query": "SELECT 1"}'.encode("utf-16"), "application/json"),
        ("/api/v1/sql", b'{"query": "SELECT 1"}', "application/json; charset=utf-16"),
        ("/api/v1/sql", b"query=SELECT+1", "application/x-www-form-urlencoded"),
        ("/api/v1/sql", b"--x\r\n\r\n", "multipart/form-data; boundary=x"),
        ("/api/v1/sql", b"<x/>", "application/xml"),
        ("/api/v1/sql", b"\x80", ""),
        ("/compat/grafana/query", b"[" * 30_000, "application/json"),
        ("/compat/grafana/query", b'{"range": {"from": "x", "to": 1e999}, "targets": [null]}', "application/json"),
        ("/compat/grafana/query", b'{"targets": "\xff"}', "application/json"),
        ("/compat/grafana/variable", b"null", "application/json"),
        ("/compat/grafana/metrics", b"0", "application/json"),
    ],
)
async def test_bodies_that_are_none_are_refused(path: str, body: bytes, kind: str, filled: Api) -> None:
    answer = await filled.http.post(path, content=body, headers={"Content-Type": kind})
    assert 200 <= answer.status_code < 500, answer.text
    assert "Traceback" not in answer.text


async def test_packed_bodies_are_not_unpacked(filled: Api) -> None:
    bomb = gzip.compress(b'{"query": "' + b" " * 50_000_000 + b'"}')
    for name in ("gzip", "br", "zstd", "deflate", "gzip, gzip"):
        headers = {"Content-Type": "application/json", "Content-Encoding": name}
        answer = await filled.http.post("/api/v1/sql", content=bomb[:60_000], headers=headers)
        assert answer.status_code in (400, 413, 415), name


def cursor(*values: int) -> str:
    return base64.urlsafe_b64encode(struct.pack(">qqq", *values)).decode()


async def test_forged_cursors_give_a_page_or_a_refusal(filled: Api) -> None:
    most, least = (1 << 63) - 1, -(1 << 63)
    forged = [cursor(*values) for values in ((most, 0, 0), (least, 0, 0), (0, most, least), (0, -1, -1), (1, 10**9, 0))]
    forged += [
        "",
        "=",
        "A" * 32,
        "A" * 31,
        "\x00",
        "é" * 8,
        cursor(0, 1, 0) + "A",
        cursor(0, 1, 0).rstrip("="),
        "-_" * 16,
    ]
    for kind in ("trades", "quotes", "coverage", "stats", "coins"):
        for text in forged:
            answer = await filled.get(f"/api/v1/{kind}", instrument=BTC, cursor=text)
            assert answer.status_code in (200, 400), (kind, text, answer.text)


async def test_unknown_instruments_are_answered_with_the_nearest(filled: Api) -> None:
    answer = await filled.get("/api/v1/trades", instrument="BTC-USB.COINBASE")
    assert answer.status_code == 404
    assert BTC in answer.json()["detail"]


async def test_a_product_is_answered_with_its_instruments(filled: Api) -> None:
    detail = (await filled.get("/api/v1/trades", instrument="btc-usd")).json()["detail"]
    assert detail == f"unknown instrument 'btc-usd'; the nearest are {BTC}"


@pytest.mark.parametrize(
    ("path", "query", "says"),
    [
        (
            "candles",
            {"instrument": BTC, "interval": "1min"},
            "interval: not '1min', but a whole number of s, m, h, d or w",
        ),
        ("flow", {"instrument": BTC, "interval": "30s"}, "interval: not '30s', but a whole number of m, h, d or w"),
        (
            "movers",
            {"period": "24h"},
            "there is no '24h' (did you mean '4h'?); there are 1m, 5m, 15m, 1h, 4h, 1d, 7d, 30d",
        ),
        ("movers", {"top": "ten"}, "top: "),
        ("trades", {"instrument": BTC, "order": "down"}, "order: there is no 'down'; there are asc, desc"),
        (
            "events",
            {"instruments": BTC, "kinds": "trade"},
            "'trade' - at `$.kinds[0]`; there are trades, candles, quotes",
        ),
        ("candles", {"interval": "1m"}, "'instrument'"),
    ],
)
async def test_what_a_parameter_may_be_is_said(path: str, query: dict[str, str], says: str, filled: Api) -> None:
    answer = await filled.get(f"/api/v1/{path}", **query)
    assert answer.status_code == 400
    assert says in answer.json()["detail"]
    assert "regex" not in answer.text


RAW = [
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n\r\n",
    b"GET http://evil.example/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET / HTTP/9.9\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET /\x00 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET /\xff HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"get / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"CONNECT evil.example:443 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"TRACE / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"POST /api/v1/sql HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n",
    b"POST /api/v1/sql HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999999999999999999\r\n\r\n{",
    b"POST /api/v1/sql HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /api/v1/sql HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n",
    b"POST /api/v1/sql HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: gzip\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: a\x00b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n X: folded\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"\x00" * 100,
    b"SSH-2.0-x\r\n",
]


@pytest.mark.integration
async def test_what_is_not_http_ends_its_own_connection_only(server: Server) -> None:
    for said in RAW:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(said)
        writer.write_eof()
        async with asyncio.timeout(120):
            answer = await reader.read(1 << 16)
        writer.close()
        assert answer == b"" or not answer.startswith(b"HTTP/1.1 5"), (said, answer[:200])
        assert b"evil.example" not in answer or b" 403 " in answer[:20], said
        assert (await server.get("/api/v1/status")).status_code == 200


_HOST = b"Host: 127.0.0.1\r\n"
_POST = b"POST /api/v1/sql HTTP/1.1\r\n" + _HOST
_HIDDEN = b"GET /health HTTP/1.1\r\n" + _HOST + b"\r\n"
SMUGGLING = {
    "both lengths": _POST + b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" % (5 + len(_HIDDEN)),
    "both, turned": _POST + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5c\r\n",
    "two lengths": _POST + b"Content-Length: 0\r\nContent-Length: %d\r\n\r\n" % len(_HIDDEN),
    "a list of lengths": _POST + b"Content-Length: 0, %d\r\n\r\n" % len(_HIDDEN),
    "a signed length": _POST + b"Content-Length: +%d\r\n\r\n" % len(_HIDDEN),
    "a length in hex": _POST + b"Content-Length: 0x0\r\n\r\n",
    "a space in a name": _POST + b"Transfer-Encoding : chunked\r\nContent-Length: 0\r\n\r\n",
    "no chunks after all": _POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "two encodings": _POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "an unknown one": _POST + b"Transfer-Encoding: xchunked\r\n\r\n",
    "a control character": _POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n",
    "a folded header": _POST + b"X: a\r\n Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n",
    "lines without CR": _POST.replace(b"\r\n", b"\n") + b"Content-Length: 0\n\n",
    "lines without LF": _POST + b"X: a\rTransfer-Encoding: chunked\r\n\r\n",
    "a negative chunk": _POST + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n",
    "a chunk that ends with LF": _POST + b"Transfer-Encoding: chunked\r\n\r\n0;\n\r\n\r\n",
    "a space before a chunk": _POST + b"Transfer-Encoding: chunked\r\n\r\n 0\r\n\r\n",
}
"""Requests whose end two servers could see at different places: behind a proxy a second one would hide in the first."""


@pytest.mark.integration
@pytest.mark.parametrize("name", SMUGGLING)
async def test_no_request_hides_in_another(name: str, server: Server) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(SMUGGLING[name] + _HIDDEN)
    said = b""
    async with asyncio.timeout(120):
        with contextlib.suppress(ConnectionError):
            while piece := await reader.read(1 << 16):
                said += piece
    writer.close()
    assert (said.count(b"HTTP/1.1 "), said[:13]) == (1, b"HTTP/1.1 400 ")
