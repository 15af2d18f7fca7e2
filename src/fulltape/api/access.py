"""Who may do what: a token in the request's headers, a scope on each call. Never a token in an address."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from litestar.connection import ASGIConnection
from litestar.exceptions import NotAuthorizedException, PermissionDeniedException
from litestar.handlers.base import BaseRouteHandler
from litestar.openapi.spec import Components, SecurityScheme
from litestar.types import Guard

from fulltape.api.config import ApiConfig
from fulltape.api.tokens import Keyring, Scope, hash_of

CHALLENGE: Final = {"WWW-Authenticate": "Bearer"}
"""The header that every 401 carries."""
STREAM_PROTOCOL: Final = "fulltape"
"""The subprotocol that a browser offers beside the one that carries its token, and that the server chooses."""
OPEN_TO_ALL: Final = {"open_to_all": True}
"""A handler's ``opt`` for what needs no token even where reading does: files without data, and probes."""
SECURED: Final[list[dict[str, list[str]]]] = [{"token": []}]
"""A handler's ``security`` for the OpenAPI document."""
SECURITY: Final = Components(
    security_schemes={
        "token": SecurityScheme(type="http", scheme="bearer", description="Made by `fulltape token create`.")
    }
)
_BEARER: Final = "bearer"
_TOKEN_PROTOCOL: Final = "bearer."


@dataclass(frozen=True, slots=True)
class Grant:
    """What a request may do, and whether a token says so."""

    scope: Scope | None
    by_token: bool
    holds: Callable[[], bool] = lambda: True
    """Whether it still may: a stream can outlive its token."""
    who: str = ""
    """Who asks, as far as that can be told: the hash of a token or another machine's address; empty on this machine."""

    def check(self, wanted: Scope) -> None:
        """Raise NotAuthorizedException for want of a token, PermissionDeniedException if its scope is less."""
        if self.scope is not None and self.scope.covers(wanted):
            return
        make = f"`fulltape token create --scope {wanted}` makes one"
        if self.by_token:
            raise PermissionDeniedException(f"needs scope {wanted}, the token has {self.scope}: {make} that does")
        raise NotAuthorizedException(
            f"needs a token of scope {wanted}: send it as `Authorization: Bearer ...`; {make}", headers=CHALLENGE
        )


ANYBODY: Final = Grant(Scope.READ, by_token=False)
"""What nobody has to prove."""


class Access:
    """Tells what a request may do by the token it carries. Raises ConfigError for a token file that is none."""

    def __init__(self, config: ApiConfig) -> None:
        self._keyring = Keyring(config.tokens)
        self._without_token = Grant(None if config.read_needs_token else Scope.READ, by_token=False)

    def grant(self, authorizations: Iterable[str], subprotocols: Iterable[str]) -> Grant:
        """Return what a request with these headers may do.

        Raises NotAuthorizedException for a token that is not known. Other schemes than Bearer are not ours to judge: a
        proxy in front may ask for a password.
        """
        parts = (value.partition(" ") for value in authorizations)
        presented = [secret.strip() for scheme, _, secret in parts if scheme.lower() == _BEARER]
        presented += [name.removeprefix(_TOKEN_PROTOCOL) for name in subprotocols if name.startswith(_TOKEN_PROTOCOL)]
        if not presented:
            return self._without_token
        digest = hash_of(presented[0])
        scope = self._keyring.scope_of_hash(digest) if len(presented) == 1 else None
        if scope is None:
            detail = (
                "the token is not known: it was revoked, or is not whole; `fulltape token list` shows what there is"
            )
            raise NotAuthorizedException(detail, headers=CHALLENGE)
        return Grant(scope, by_token=True, holds=lambda: self._keyring.scope_of_hash(digest) is not None, who=digest)


def requires(wanted: Scope) -> Guard:
    """Return a guard that answers 401 or 403 to requests that are not granted ``wanted``."""

    def guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        if wanted is Scope.READ and OPEN_TO_ALL.keys() <= handler.opt.keys():
            return
        grant: Grant = connection.auth
        grant.check(wanted)

    return guard
