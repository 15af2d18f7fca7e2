"""Running until a signal."""

from __future__ import annotations

import contextlib
import resource
import signal
from collections.abc import Iterator

import pytest

from fulltape.cli.running import heeding_ctrl_c, more_files


def test_ctrl_c_is_heeded_where_a_library_swallows_it() -> None:
    went_on = False
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), heeding_ctrl_c():
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        went_on = True
    assert went_on
    assert signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_is_heeded_where_a_library_makes_it_an_error() -> None:
    with pytest.raises(KeyboardInterrupt), heeding_ctrl_c():
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise RuntimeError("Query interrupted") from None


def test_ctrl_c_ends_what_does_not_swallow_it_at_once() -> None:
    went_on = False
    with pytest.raises(KeyboardInterrupt), heeding_ctrl_c():
        signal.raise_signal(signal.SIGINT)
        went_on = True
    assert not went_on


def test_nothing_happens_without_ctrl_c() -> None:
    with heeding_ctrl_c():
        done = True
    assert done


@pytest.fixture
def files_before() -> Iterator[int]:
    """Have the limit of open files as it was afterwards."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_more_files_may_be_open_as_far_as_the_system_lets(files_before: int) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (500, files_before))
    assert more_files(900) == 900
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 900
    assert more_files(600) == 900  # never fewer than there were
    if files_before != resource.RLIM_INFINITY:
        assert more_files(files_before + 1) == files_before
