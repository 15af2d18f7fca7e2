"""A client of a running fulltape: the tape as Arrow tables, and a stream that goes on by itself.

It knows the API and nothing of the program behind it. `docs/client.md` shows all of it.
"""

from __future__ import annotations

from fulltape.client.client import HERE, Client
from fulltape.client.errors import Busy, ClientError, CutWarning, Refused, Unreachable
from fulltape.client.following import Update

__all__ = ["HERE", "Busy", "Client", "ClientError", "CutWarning", "Refused", "Unreachable", "Update"]
