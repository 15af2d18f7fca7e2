"""Which alerts are raised, and who is told of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fulltape.engine.alerts.config import TargetConfig, active_rules
from fulltape.engine.alerts.notifier import Target
from fulltape.engine.config import Config
from fulltape.errors import ConfigError
from fulltape.operators.alerts import AlertConfig, AlertRule
from fulltape.records import AlertKind, Origin


def alerts(config: Config, origin: Origin) -> AlertConfig:
    """Return which alerts to raise."""
    made = config.statistics
    rules = active_rules(config.alerts, statistics=made.enabled, depths=made.depth_every_s > 0)
    return AlertConfig(
        rules=tuple(
            AlertRule(
                name=name,
                figure=rule.figure,
                kind=AlertKind[rule.kind.name],
                above=rule.above,
                below=rule.below,
                beyond=rule.beyond,
                clear=rule.clear,
                instruments=rule.instruments,
                for_s=rule.for_s,
                cooldown_s=rule.cooldown_s,
            )
            for name, rule in rules.items()
        ),
        news_s=config.alerts.news_s,
        depth_every_s=made.depth_every_s,
        origin=origin,
    )


def targets(config: Config, environment: Mapping[str, str]) -> list[Target]:
    """Return who is told of alerts. Raises ConfigError, without the address, for one that is missing or unusable."""
    return [target(name, one, environment) for name, one in config.notify.items() if one.enabled]


def target(name: str, config: TargetConfig, environment: Mapping[str, str]) -> Target:
    """Return one target. Connects to nothing. Raises ConfigError as `targets` does."""
    from fulltape.engine.alerts.messenger import AppriseMessenger

    variable = config.url_variable
    url = environment.get(variable, "").strip()
    if not url:
        raise ConfigError(
            f"[notify.{name}]: the environment variable {variable} is not set: put the target's Apprise address into "
            "it, or set enabled = false"
        )
    try:
        return Target(name, config, AppriseMessenger(url))
    except ConfigError as error:
        raise ConfigError(f"[notify.{name}]: the environment variable {variable} {error}") from None


def marks_path(config: Config) -> Path:
    """Return where it is kept up to where targets have been told of the alerts of a database."""
    return Path(config.store.path).with_suffix(".told.json")
