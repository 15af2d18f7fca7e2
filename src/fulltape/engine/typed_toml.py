"""TOML into typed structs: what the types do not know is refused, with its place and the nearest name."""

from __future__ import annotations

import enum
import tomllib
import typing
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import msgspec

from fulltape.errors import ConfigError, did_you_mean

Kind = TypeVar("Kind", bound=msgspec.Struct)

_SECRET_WORDS = ("key", "secret", "passphrase", "password", "token")


def read(text: str, kind: type[Kind]) -> Kind:
    """Return what a TOML text says. Raises ConfigError that names the place and what to change."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"not TOML: {error}") from None
    for problem in _unknown(data, kind, ()):
        raise ConfigError(problem)
    try:
        return msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        raise ConfigError(_placed(str(error))) from None


def _unknown(value: object, kind: Any, place: tuple[str, ...]) -> Iterator[str]:
    """Yield what the types do not know, each with its place: keys, and members of closed vocabularies."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if isinstance(value, dict) and isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        hints = typing.get_type_hints(kind, include_extras=True)
        for key, inner in value.items():
            if key in hints:
                yield from _unknown(inner, hints[key], (*place, key))
            else:
                yield f"{_spell(*place, key)}: unknown key{_advice(key, hints)}"
    elif isinstance(value, dict) and origin is not None and issubclass(origin, Mapping):
        for key, inner in value.items():
            yield from _unknown(inner, arguments[1], (*place, key))
    elif isinstance(value, list) and origin is tuple:
        for i, inner in enumerate(value):
            yield from _unknown(inner, arguments[0], (*place[:-1], f"{place[-1]}[{i}]"))
    elif isinstance(value, str) and isinstance(kind, type) and issubclass(kind, enum.StrEnum):
        choices = [member.value for member in kind]
        if value not in choices:
            yield f"{_spell(*place)}: {value!r} is none of {', '.join(choices)}{did_you_mean(value, choices)}"


def _advice(key: str, known: Mapping[str, Any]) -> str:
    if any(word in key.lower() for word in _SECRET_WORDS):
        return "; secrets come from the environment only, see docs/operations.md"
    return did_you_mean(key, known) or f" (known: {', '.join(known)})"


def _placed(message: str) -> str:
    """Turn msgspec's ``Expected `int` - at `$.server.port``` into ``[server] port: Expected `int```."""
    what, _, where = message.partition(" - at `$")
    path = where.rstrip("`").lstrip(".").replace("[...]", "")
    return f"{_spell(*path.split('.'))}: {what}" if path else what


def _spell(*place: str) -> str:
    return f"[{'.'.join(place[:-1])}] {place[-1]}" if len(place) > 1 else f"[{place[0]}]"
