"""What the configuration may say of alerts and targets, and how mistakes are named."""

from __future__ import annotations

import re

import pytest

from fulltape.cli.wiring import alerts
from fulltape.engine.alerts.config import DEFAULT_RULES, RuleConfig
from fulltape.engine.config import Config
from fulltape.errors import ConfigError
from fulltape.operators.alerts import AlertRule
from fulltape.records import AlertKind, Origin


def rule(text: str) -> str:
    return f"[alerts.rules.x]\n{text}"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (rule("above = 1"), "[alerts.rules.x] figure: there is no ''"),
        (rule("figure = 'change_5n'\nabove = 1"), "no 'change_5n' (did you mean 'change_5m'?); docs/alerts.md lists"),
        (rule("figure = 'price'"), "[alerts.rules.x]: give exactly one of above, below and beyond, not none"),
        (rule("figure = 'price'\nabove = 1\nbelow = 2"), "give exactly one of above, below and beyond, not above and"),
        (rule("figure = 'price'\nabove = nan"), "[alerts.rules] above: Expected `float` >= -1e+18"),
        (rule("figure = 'price'\nabove = inf"), "[alerts.rules] above: Expected `float` <= 1e+18"),
        (rule("figure = 'price'\nbeyond = -1"), "[alerts.rules.x] beyond: of the absolute value"),
        (rule("figure = 'price'\nbeyond = 1\nclear = -1"), "[alerts.rules.x] clear: of the absolute value"),
        (rule("figure = 'price'\nabove = 1\nclear = 2"), "clear: 2 must be below the threshold of 1"),
        (rule("figure = 'price'\nbelow = 1\nclear = 0"), "clear: 0 must be above the threshold of 1"),
        (rule("figure = 'trade_value'\nabove = 1\nclear = 0"), "clear: trade_value tells of events"),
        (rule("figure = 'price'\nabove = 1\nkind = 'mov'"), "kind: 'mov' is none of move, opportunity, risk, other"),
        (rule("figure = 'price'\nabove = 1\nfor_s = -1"), "for_s: Expected `float` >= 0"),
        (rule("figure = 'price'\nabov = 1"), "[alerts.rules.x] abov: unknown key (did you mean 'above'?)"),
        ("[alerts.rules.'a b']\nfigure = 'price'\nabove = 1", "[alerts.rules.a b]: a rule's name has letters"),
        ("[alerts]\nnews_s = 0", "[alerts] news_s: Expected `float` > 0"),
        (
            "[statistics]\nenabled = false\n" + rule("figure = 'price'\nabove = 1"),
            "[alerts.rules.x] figure: price is not made: set [statistics] enabled = true",
        ),
        (
            "[statistics]\ndepth_every_s = 0\n" + rule("figure = 'book_imbalance'\nabove = 1"),
            "book_imbalance is not made: set [statistics] depth_every_s",
        ),
        ("[notify.phone]", "[notify.phone] url_variable: not the name of an environment variable"),
        (
            "[notify.phone]\nurl_variable = 'A'\nrules = ['wilt']",
            "[notify.phone] rules: there is no rule 'wilt' (did you",
        ),
        ("[notify.phone]\nurl_variable = 'A'\nkinds = ['rsk']", "kinds[0]: 'rsk' is none of"),
        ("[notify.'a b']\nurl_variable = 'A'", "[notify.a b]: a target's name has letters"),
        ("[notify.phone]\nurl = 'json://t0ken@host'", "[notify.phone] url: unknown key (known: url_variable,"),
    ],
)
def test_a_mistake_is_named_with_its_place(text: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(complaint)) as caught:
        Config.parse(text)
    assert "t0ken" not in str(caught.value)


def test_an_address_in_the_file_is_refused_and_not_repeated() -> None:
    with pytest.raises(ConfigError, match="the address itself holds secrets") as caught:
        Config.parse("[notify.phone]\nurl_variable = 'json://t0ken@host'")
    assert "t0ken" not in str(caught.value)


def test_the_defaults_tell_of_a_move_an_opportunity_and_risks() -> None:
    made = alerts(Config(), Origin.LIVE)
    assert {one.kind for one in made.rules} == {AlertKind.MOVE, AlertKind.OPPORTUNITY, AlertKind.RISK}
    assert made.rules[0] == AlertRule(
        name="fast_move", figure="change_5m", kind=AlertKind.MOVE, beyond=3.0, clear=1.5, cooldown_s=900.0
    )


def test_a_rule_that_is_named_replaces_the_defaults_and_can_be_switched_off() -> None:
    text = rule("figure = 'price'\nbelow = 5\ninstruments = ['BTC-*']\nfor_s = 2") + "\n[alerts.rules.y]\n"
    made = alerts(Config.parse(text + "figure = 'price'\nabove = 9\nenabled = false"), Origin.REPLAY)
    (one,) = made.rules
    assert (one.name, one.below, one.instruments, one.for_s, one.cooldown_s) == ("x", 5.0, ("BTC-*",), 2.0, 300.0)
    assert made.origin is Origin.REPLAY


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("[alerts]\nenabled = false", set()),
        ("[statistics]\nenabled = false", {"not_received", "trades_missing"}),
        ("[statistics]\ndepth_every_s = 0", set(DEFAULT_RULES)),
    ],
)
def test_defaults_whose_figures_are_not_made_are_left_out(text: str, left: set[str]) -> None:
    assert {one.name for one in alerts(Config.parse(text), Origin.LIVE).rules} == left


def test_every_key_of_a_rule_gets_to_the_operator() -> None:
    assert set(RuleConfig.__struct_fields__) - {"enabled"} == set(AlertRule.__struct_fields__) - {"name"}
