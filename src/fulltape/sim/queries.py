"""Reading the figures and times in a query."""

from __future__ import annotations

from collections.abc import Mapping

from fulltape.clock import parse_rfc3339


def whole(query: Mapping[str, str], name: str, default: int) -> int:
    """Return a whole number, ``default`` if it is not given. Raises ValueError."""
    text = query.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 20):
        raise ValueError(f"{name} must be a whole number")
    return int(text)


def moment(query: Mapping[str, str], name: str, default: int) -> int:
    """Return an ISO 8601 time in ns, ``default`` if it is not given; without a zone it is UTC. Raises ValueError."""
    text = query.get(name, "")
    if not text:
        return default
    day, _, time = text.partition("T")
    return parse_rfc3339(f"{day}T{time or '00:00:00'}{'' if time.endswith('Z') else 'Z'}")
