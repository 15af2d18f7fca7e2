"""Errors say what to do."""

from __future__ import annotations

import pytest

from fulltape import errors
from fulltape.errors import FulltapeError, MalformedFrame, TransientError, did_you_mean


@pytest.mark.parametrize("name", ["ConfigError", "TransientError", "MalformedFrame", "FatalError"])
def test_every_error_is_one_of_ours_and_in_the_tree_of_the_docstring(name: str) -> None:
    assert issubclass(getattr(errors, name), FulltapeError)
    assert errors.__doc__ is not None
    assert name in errors.__doc__


def test_a_malformed_frame_has_a_word_to_count_by() -> None:
    bare, full = MalformedFrame("bad_json"), MalformedFrame("bad_json", "at 7")
    assert (str(bare), bare.reason, bare.detail) == ("bad_json", "bad_json", "")
    assert (str(full), full.reason, full.detail) == ("bad_json: at 7", "bad_json", "at 7")


def test_a_transient_error_tells_how_long_to_wait() -> None:
    assert TransientError("busy").retry_after_s is None
    assert TransientError("busy", retry_after_s=2.5).retry_after_s == 2.5


def test_did_you_mean() -> None:
    assert did_you_mean("coinbsae", ["coinbase", "kraken"]) == " (did you mean 'coinbase'?)"
    assert did_you_mean("zzz", ["coinbase"]) == ""
