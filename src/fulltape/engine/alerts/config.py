"""The parts of the configuration that say what an alert is, and who is told."""

from __future__ import annotations

import enum
import re
import types
from collections.abc import Mapping
from typing import Annotated, Final

import msgspec

from fulltape.errors import ConfigError, did_you_mean
from fulltape.operators.figures import FIGURES
from fulltape.records import DEPTHS

Limit = Annotated[float, msgspec.Meta(ge=-1e18, le=1e18)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=86_400)]
_NAME: Final = re.compile(r"[A-Za-z0-9][\w-]{0,63}", re.ASCII)
_VARIABLE: Final = re.compile(r"[A-Z_][A-Z0-9_]{0,127}", re.ASCII)


class RuleKind(enum.StrEnum):
    """What an alert is about."""

    MOVE = "move"
    OPPORTUNITY = "opportunity"
    RISK = "risk"
    OTHER = "other"


class RuleConfig(msgspec.Struct, frozen=True, kw_only=True):
    """When an alert is raised: a figure of `fulltape.operators.figures` is past one of three thresholds.

    ``beyond`` is of the absolute value. It must hold for ``for_s``, is cleared at ``clear`` (the threshold unless
    told), and is not raised again for an instrument within ``cooldown_s``. ``instruments`` are ids, products or
    patterns of them; empty means all.
    """

    figure: str = ""
    kind: RuleKind = RuleKind.OTHER
    above: Limit | None = None
    below: Limit | None = None
    beyond: Limit | None = None
    clear: Limit | None = None
    instruments: tuple[str, ...] = ()
    for_s: Seconds = 0.0
    cooldown_s: Seconds = 300.0
    enabled: bool = True


DEFAULT_RULES: Final[Mapping[str, RuleConfig]] = types.MappingProxyType(
    {
        "fast_move": RuleConfig(figure="change_5m", kind=RuleKind.MOVE, beyond=3.0, clear=1.5, cooldown_s=900.0),
        "crossed_venues": RuleConfig(
            figure="crossed_bp", kind=RuleKind.OPPORTUNITY, above=10.0, clear=5.0, for_s=2.0, cooldown_s=300.0
        ),
        "wild": RuleConfig(figure="realised_volatility", kind=RuleKind.RISK, above=5.0, clear=2.5, cooldown_s=900.0),
        "not_received": RuleConfig(figure="is_down", kind=RuleKind.RISK, above=0.0, for_s=30.0, cooldown_s=300.0),
        "trades_missing": RuleConfig(
            figure="missing_trades", kind=RuleKind.RISK, above=0.0, for_s=60.0, cooldown_s=300.0
        ),
    }
)


class AlertsConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The rules by name; naming any replaces all defaults. Records that come after ``news_s`` raise nothing."""

    enabled: bool = True
    news_s: Annotated[float, msgspec.Meta(gt=0, le=86_400)] = 60.0
    rules: Mapping[str, RuleConfig] = DEFAULT_RULES


class TargetConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Who is told, and of what: alerts of these kinds, rules and instruments (empty: all), their ends if ``cleared``.

    The address is an Apprise URL. It holds secrets, so the file only names the environment variable that has it.
    Alerts older than ``max_age_s`` are not sent any more.
    """

    url_variable: str = ""
    kinds: tuple[RuleKind, ...] = ()
    rules: tuple[str, ...] = ()
    instruments: tuple[str, ...] = ()
    cleared: bool = True
    max_age_s: Annotated[float, msgspec.Meta(gt=0, le=30 * 86_400)] = 900.0
    timeout_s: Annotated[float, msgspec.Meta(gt=0, le=600)] = 30.0
    enabled: bool = True


def active_rules(config: AlertsConfig, *, statistics: bool, depths: bool) -> dict[str, RuleConfig]:
    """Return the rules that are evaluated: enabled ones, and of the defaults those whose figures are made."""
    if not config.enabled:
        return {}
    is_default = config.rules == DEFAULT_RULES
    return {
        name: rule
        for name, rule in config.rules.items()
        if rule.enabled and not (is_default and _lacking(rule, statistics=statistics, depths=depths))
    }


def check_alerts(config: AlertsConfig, *, statistics: bool, depths: bool) -> None:
    """Refuse rules that can never be raised, or always are. Raises ConfigError that names the place."""
    for name, rule in config.rules.items():
        place = f"[alerts.rules.{name}]"
        if not _NAME.fullmatch(name):
            raise ConfigError(f"{place}: a rule's name has letters, digits, _ and -, and 64 of them at most")
        if rule.figure not in FIGURES:
            raise ConfigError(
                f"{place} figure: there is no {rule.figure!r}{did_you_mean(rule.figure, FIGURES)}; "
                "docs/alerts.md lists the figures"
            )
        _check_thresholds(place, rule)
        lacking = _lacking(rule, statistics=statistics, depths=depths)
        if lacking and rule.enabled and config.enabled and config.rules != DEFAULT_RULES:
            raise ConfigError(f"{place} figure: {rule.figure} is not made: set {lacking}")


def check_targets(targets: Mapping[str, TargetConfig], rules: Mapping[str, RuleConfig]) -> None:
    """Refuse targets that cannot be told anything. Raises ConfigError that names the place, never an address."""
    for name, target in targets.items():
        place = f"[notify.{name}]"
        if not _NAME.fullmatch(name):
            raise ConfigError(f"{place}: a target's name has letters, digits, _ and -, and 64 of them at most")
        if not _VARIABLE.fullmatch(target.url_variable):
            raise ConfigError(
                f"{place} url_variable: not the name of an environment variable; the address itself holds secrets and "
                "does not belong into the file: put it into a variable such as FULLTAPE_PHONE_URL, and name that here"
            )
        for rule in target.rules:
            if rule not in rules:
                raise ConfigError(f"{place} rules: there is no rule {rule!r}{did_you_mean(rule, rules)}")


def _check_thresholds(place: str, rule: RuleConfig) -> None:
    given = {key: getattr(rule, key) for key in ("above", "below", "beyond") if getattr(rule, key) is not None}
    if len(given) != 1:
        raise ConfigError(f"{place}: give exactly one of above, below and beyond, not {' and '.join(given) or 'none'}")
    ((key, threshold),) = given.items()
    if key == "beyond" and threshold < 0:
        raise ConfigError(f"{place} beyond: of the absolute value, so it cannot be below 0")
    if rule.clear is None:
        return
    if FIGURES[rule.figure].is_event:
        raise ConfigError(f"{place} clear: {rule.figure} tells of events, which end by themselves: leave it out")
    if (key == "below" and rule.clear < threshold) or (key != "below" and rule.clear > threshold):
        side = "above" if key == "below" else "below"
        raise ConfigError(f"{place} clear: {rule.clear:g} must be {side} the threshold of {threshold:g}, or equal it")
    if key == "beyond" and rule.clear < 0:
        raise ConfigError(f"{place} clear: of the absolute value, so it cannot be below 0")


def _lacking(rule: RuleConfig, *, statistics: bool, depths: bool) -> str:
    """Return what must be set for the rule's figure to be made, or nothing."""
    figure = FIGURES[rule.figure]
    if figure.needs_statistics and not statistics:
        return "[statistics] enabled = true"
    if figure.source == DEPTHS.name and not depths:
        return "[statistics] depth_every_s to 1 or more"
    return ""
