"""Kernels: plain Python loops over columns that numba compiles.

They run uncompiled too (``NUMBA_DISABLE_JIT=1``), with the same results, and hold no reference to Python objects.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import numba

P = ParamSpec("P")
R = TypeVar("R")


def inline(function: Callable[P, R]) -> Callable[P, R]:
    """Make ``function`` a kernel that is copied into the kernels that call it.

    For the small inner parts: numba passes a tuple of arrays by value, some hundred words a call.
    """
    return cast("Callable[P, R]", numba.njit(cache=True, nogil=True, inline="always")(function))


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile ``function`` on its first call, keep the machine code on disk, release the GIL while it runs."""
    return cast("Callable[P, R]", numba.njit(cache=True, nogil=True)(function))
