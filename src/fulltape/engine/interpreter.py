"""How Python itself is set for a process that takes frames by the thousand."""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import Iterator
from typing import Final

SWITCH_S: Final = 0.0002
"""How long a thread may keep the interpreter while others wait; for `sys.setswitchinterval`.

Python's own 5 ms make the store's thread, which needs the interpreter for microseconds between two calls of the
database, wait for the parser each time. Measured in turn on 2 busy cores: 360 k and 311 k trades/s with 5 ms, 400 k
and 363 k with 0.2 ms.
"""
YOUNG_OBJECTS: Final = 50_000
"""How many new containers call for the collector of cycles; for `gc.set_threshold`.

A book message is a list of a tuple a level, none of them in a cycle: with Python's own 700 the collector runs several
times a call. Measured on book messages: Kraken 142 k/s with 700, 257 k/s with 50,000 and 258 k/s without a collector;
BitMEX 577 k/s, 764 k/s and 762 k/s.
"""


@contextlib.contextmanager
def tuned() -> Iterator[None]:
    """Run the block with the interpreter set for it; what was made before is taken to live until its end."""
    sys.setswitchinterval(SWITCH_S)
    gc.freeze()  # the oldest generation is then small: a look at all of it stopped everything for 60 to 100 ms
    gc.set_threshold(YOUNG_OBJECTS, 10, 10)
    try:
        yield
    finally:
        gc.unfreeze()  # or libraries complain at exit of what was never given back
