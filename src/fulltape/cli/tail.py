"""``tail``: live records of a running fulltape, as they are committed."""

from __future__ import annotations

import asyncio
import csv
import enum
import io
import os
from typing import Annotated, Any, Final

import msgspec
import typer

from fulltape.cli.output import Format, on_screen, tell, tell_simulated, text_of
from fulltape.cli.token import token_header
from fulltape.errors import ConfigError, TransientError

_OPEN_TIMEOUT_S: Final = 5.0
_MAX_MESSAGE: Final = 64 << 20
_REFUSED: Final = (401, 403)


class Kind(enum.StrEnum):
    """The kinds of record that the stream carries."""

    TRADES = "trades"
    CANDLES = "candles"
    QUOTES = "quotes"
    LAST = "last"
    COVERAGE = "coverage"
    ALERTS = "alerts"
    STATS = "stats"
    COINS = "coins"
    WINDOWS = "windows"
    ACTIVITY_BARS = "activity_bars"
    QUOTE_STATS = "quote_stats"
    DEPTHS = "depths"
    INDICATORS = "indicators"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(tail)


def tail(
    instruments: Annotated[
        list[str] | None, typer.Argument(help="Such as BTC-USD.COINBASE; all of them if none is named.")
    ] = None,
    kind: Annotated[list[Kind] | None, typer.Option("--kind", help="What to follow: trades unless named.")] = None,
    interval: Annotated[list[str] | None, typer.Option("--interval", help="Which candles: 1m unless named.")] = None,
    indicator: Annotated[
        list[str] | None, typer.Option("--indicator", help="Which indicators: RSI(period=14)@5m. Names instruments.")
    ] = None,
    url: Annotated[str, typer.Option("--url", help="Where fulltape runs.")] = "http://127.0.0.1:8000",
    count: Annotated[int, typer.Option("--count", "-n", min=0, help="Leave after so many records; 0 never.")] = 0,
    form: Annotated[Format, typer.Option("--format", help="table: a line for each; csv; json.")] = Format.TABLE,
) -> None:
    """Print records of a running fulltape as they come."""
    wanted = {
        "op": "subscribe",
        "instruments": instruments or ["*"],
        "kinds": [str(one) for one in kind or [Kind.INDICATORS if indicator else Kind.TRADES]],
        "intervals": interval or ["1m"],
        **({"indicators": indicator} if indicator else {}),
    }
    printer = _Printer(form, count)
    try:
        asyncio.run(_follow(_stream_of(url), wanted, printer))
    except KeyboardInterrupt:
        raise typer.Exit from None


class _Printer:
    """Prints records, a line each, until there are enough."""

    def __init__(self, form: Format, count: int) -> None:
        self._form = form
        self._left = count or None
        self._headed: set[str] = set()

    @property
    def is_done(self) -> bool:
        return self._left == 0

    def take(self, kind: str, records: list[dict[str, Any]]) -> None:
        for record in records[: self._left]:
            typer.echo(self._line(kind, record))
        if self._left is not None:
            self._left -= min(self._left, len(records))

    def _line(self, kind: str, record: dict[str, Any]) -> str:
        if self._form is Format.JSON:
            return msgspec.json.encode({"kind": kind, **record}).decode()
        if self._form is Format.CSV:
            rows = [record.values()] if kind in self._headed else [record, record.values()]
            self._headed.add(kind)
            text = io.StringIO()
            csv.writer(text, lineterminator="\n").writerows(rows)
            return text.getvalue().removesuffix("\n")
        return "  ".join([kind, *(f"{name}={text_of(value)}" for name, value in record.items() if value is not None)])


async def _follow(url: str, wanted: dict[str, Any], printer: _Printer) -> None:
    from websockets.asyncio.client import connect
    from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

    try:
        async with connect(
            url,
            open_timeout=_OPEN_TIMEOUT_S,
            max_size=_MAX_MESSAGE,
            proxy=None,
            additional_headers=token_header(os.environ),
        ) as socket:
            await socket.send(msgspec.json.encode(wanted).decode())
            async for text in socket:
                _show(msgspec.json.decode(text), wanted, printer)
                if printer.is_done:
                    return
    except InvalidURI:
        raise ConfigError(f"not an address: {url}; they look like http://127.0.0.1:8000") from None
    except BrokenPipeError:
        raise  # ours, not the server's: `main` knows that the reader of our output has seen enough
    except InvalidStatus as error:
        if error.response.status_code not in _REFUSED:
            raise ConfigError(f"no fulltape answers at {url} ({error}): give its address with --url") from None
        raise ConfigError(f"refused: {_detail(error.response.body)}") from None
    except (OSError, InvalidHandshake) as error:
        raise ConfigError(
            f"no fulltape answers at {url} ({error}): start it with `fulltape up`, or give --url"
        ) from None
    except ConnectionClosed as error:
        raise TransientError(f"the connection was lost: {error}") from None
    raise TransientError("fulltape has stopped")


def _detail(body: bytes | bytearray) -> str:
    """Return what a problem document says, or all of it if it is none."""
    try:
        return str(msgspec.json.decode(body)["detail"])
    except (msgspec.DecodeError, KeyError, TypeError):
        return body.decode("utf-8", "replace")


def _show(message: dict[str, Any], wanted: dict[str, Any], printer: _Printer) -> None:
    match message["type"]:
        case "error":
            raise ConfigError(message["detail"])
        case "snapshot":
            if message["simulated"]:
                tell_simulated()
            if Kind.CANDLES in wanted["kinds"]:
                _tell_of_absent(wanted["intervals"], message.get("candles", []))
            if on_screen():
                tell("following; Ctrl-C ends it")
        case "commit":
            for kind in wanted["kinds"]:
                printer.take(kind, message.get(kind, []))


def _tell_of_absent(intervals: list[str], candles: list[dict[str, Any]]) -> None:
    """Say which candles may never come: only those of intervals that are stored are made as trades come."""
    from fulltape.records.interval import parse_interval

    stored = {parse_interval(candle["interval"]) for candle in candles}
    for interval in intervals:
        if parse_interval(interval) not in stored:
            tell(
                f"no candle of {interval} is stored yet: followed can be [candles] intervals of the configuration; any "
                "other is made when it is asked for, by GET /api/v1/candles"
            )


def _stream_of(url: str) -> str:
    base = url.rstrip("/")
    if base.startswith("http"):
        base = "ws" + base.removeprefix("http")
    return f"{base}/api/v1/stream"
