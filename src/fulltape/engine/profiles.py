"""Profiles: ready configurations, one for each published system that fulltape replaces."""

from __future__ import annotations

import importlib.resources
from importlib.resources.abc import Traversable
from typing import Final

from fulltape.errors import ConfigError, did_you_mean

_SUFFIX: Final = ".toml"


def names() -> list[str]:
    """Return the names of all profiles."""
    return sorted(file.name.removesuffix(_SUFFIX) for file in _folder().iterdir() if file.name.endswith(_SUFFIX))


def text(name: str) -> str:
    """Return the commented configuration of a profile. Raises ConfigError that names the nearest one."""
    known = names()
    if name not in known:
        raise ConfigError(f"no profile {name!r}{did_you_mean(name, known)}; there are: {', '.join(known)}")
    return (_folder() / f"{name}{_SUFFIX}").read_text(encoding="utf-8")


def _folder() -> Traversable:
    return importlib.resources.files("fulltape.engine") / "profiles"
