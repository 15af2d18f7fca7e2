"""Applications that share what is alike in all of them: document, signatures and, over time, routes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest
from litestar import Litestar
from litestar._openapi.plugin import OpenAPIPlugin
from litestar._signature.model import SignatureModel
from litestar.datastructures import State
from litestar.openapi.spec import OpenAPI
from litestar.types import ASGIApp
from litestar.utils.signature import ParsedSignature

from fulltape.api import app
from fulltape.api.services import Services

Source = Callable[[], Services]
Key = tuple[bool, int]


@dataclass
class Lent:
    """The routes of one application at a time, whose services are its own."""

    source: Source
    key: Key
    handler: ASGIApp = field(init=False)

    def services(self) -> Services:
        return self.source()


class Applications:
    """Works out once what is alike. An application that has ended leaves its routes to the next one."""

    def __init__(self) -> None:
        self.build = app._routes
        """Makes routes anew."""
        self._free: dict[Key, list[Litestar]] = {}

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Make every application of this process so."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(app, "_routes", self._routes)
            _share_signatures(patch)
            _share_documents(patch)
            yield

    def free(self, ended: Litestar) -> None:
        """Leave the routes of an application that has ended to another one."""
        if lent := ended.state.get("lent"):
            self._free.setdefault(lent.key, []).append(ended)

    def _routes(self, source: Source, static_dir: Path | None, compat_at_root: bool, max_body_bytes: int) -> Litestar:
        if static_dir is not None:
            return self.build(source, static_dir, compat_at_root, max_body_bytes)
        key = compat_at_root, max_body_bytes
        if not self._free.get(key):
            return self._new(source, key)
        again = self._free[key].pop()
        lent: Lent = again.state.lent
        lent.source, again.asgi_handler = source, lent.handler
        again.state = State()
        again.state.lent = lent
        return again

    def _new(self, source: Source, key: Key) -> Litestar:
        lent = Lent(source, key)
        new = self.build(lent.services, None, *key)
        lent.handler = new.asgi_handler
        new.state.lent = lent
        return new


APPLICATIONS = Applications()
"""Those of this process."""


def _share_documents(patch: pytest.MonkeyPatch) -> None:
    build = OpenAPIPlugin._build_openapi
    documents = dict[frozenset[str], OpenAPI]()

    def one_document(plugin: OpenAPIPlugin) -> OpenAPI:
        calls = frozenset(plugin.included_routes)
        if calls not in documents:
            documents[calls] = build(plugin)
        return documents[calls]

    patch.setattr(OpenAPIPlugin, "_build_openapi", one_document)


def _share_signatures(patch: pytest.MonkeyPatch) -> None:
    parsed, model = ParsedSignature.from_fn, SignatureModel.create
    signatures = dict[Any, ParsedSignature]()
    models = dict[Any, type[SignatureModel]]()

    def one_signature(fn: Any, namespace: dict[str, Any]) -> ParsedSignature:
        if not _is_of_a_module(fn):
            return parsed(fn, namespace)
        if fn not in signatures:
            signatures[fn] = parsed(fn, namespace)
        return signatures[fn]

    def one_model(*, fn: Any, dependency_name_set: set[str], **others: Any) -> type[SignatureModel]:
        if not _is_of_a_module(fn):
            return model(fn=fn, dependency_name_set=dependency_name_set, **others)
        key = fn, frozenset(dependency_name_set)
        if key not in models:
            models[key] = model(fn=fn, dependency_name_set=dependency_name_set, **others)
        return models[key]

    patch.setattr(ParsedSignature, "from_fn", one_signature)
    patch.setattr(SignatureModel, "create", one_model)


def _is_of_a_module(fn: Any) -> bool:
    """Return whether a function is the same for every application: one with a closure may hold its services."""
    return isinstance(fn, FunctionType) and fn.__closure__ is None
