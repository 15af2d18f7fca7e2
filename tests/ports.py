"""Ports of this machine for tests: one where nobody listens, and some for a program that is told its own."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Final

GIVEN_OUT: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
FIRST: Final = 10_240


@contextlib.contextmanager
def silent_port() -> Iterator[int]:
    """Hold a port without listening: whoever connects is refused, and nobody else is given it meanwhile."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield int(held.getsockname()[1])


def free_ports(count: int) -> list[int]:
    """Return ports that nobody uses, below those that the system gives to connections and to whoever wants any.

    So they are still free when the program they are for has started, and when it starts once more.
    """
    lowest = int(GIVEN_OUT.read_text().split()[0]) if GIVEN_OUT.is_file() else FIRST
    chance, ports = Random(), list[int]()
    with contextlib.ExitStack() as stack:
        while len(ports) < count:
            one = stack.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                one.bind(("127.0.0.1", chance.randrange(FIRST, lowest) if lowest > FIRST else 0))
                ports.append(int(one.getsockname()[1]))
    return ports
