"""The OpenAPI document, and a page made of it that needs no script and no other host."""

from __future__ import annotations

from html import escape
from typing import Any

from litestar import Request
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin, OpenAPIRenderPlugin
from litestar.openapi.spec import (
    OpenAPI,
    OpenAPIFormat,
    OpenAPIMediaType,
    OpenAPIResponse,
    OpenAPIType,
    Parameter,
    Schema,
)

from fulltape import __version__
from fulltape.api.access import SECURITY
from fulltape.api.formats import FORMAT, MEDIA_TYPES

_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>
<style>body{{font:15px/1.5 system-ui;margin:2rem auto;max-width:60rem;padding:0 1rem}}code{{background:#8882}}
table{{border-collapse:collapse}}td,th{{text-align:left;padding:.1rem 1rem .1rem 0;vertical-align:top}}</style>
<body><h1>{title} {version}</h1><p>{description}</p><p><a href="/schema/openapi.json">openapi.json</a></p>{operations}
</body></html>"""


class OperationsPage(OpenAPIRenderPlugin):
    """Lists every call with its parameters."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """Return the page as HTML."""
        info = openapi_schema["info"]
        operations = "".join(
            _operation(path, method, operation)
            for path, methods in sorted(openapi_schema["paths"].items())
            for method, operation in methods.items()
        )
        page = _PAGE.format(
            title=escape(info["title"]),
            version=escape(info["version"]),
            description=escape(info["description"]),
            operations=operations,
        )
        return page.encode()


def openapi_config() -> OpenAPIConfig:
    """Return how the document is made and served below ``/schema``."""
    return OpenAPIConfig(
        title="fulltape",
        version=__version__,
        description="Market data: complete, and provably so. The WebSocket /api/v1/stream is described in docs/api.md.",
        path="/schema",
        components=SECURITY,
        use_handler_docstrings=True,
        render_plugins=[OperationsPage(path="/"), JsonRenderPlugin()],
    )


def document_forms(document: OpenAPI) -> None:
    """Say of every call that takes ``format`` in which other forms than JSON it answers."""
    for path in (document.paths or {}).values():
        for operation in filter(None, (path.get, path.post)):
            names = {parameter.name for parameter in operation.parameters or () if isinstance(parameter, Parameter)}
            answer = (operation.responses or {}).get("200")
            if FORMAT in names and isinstance(answer, OpenAPIResponse) and answer.content is not None:
                binary = OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY))
                answer.content |= dict.fromkeys(MEDIA_TYPES[1:], binary)


def document_what_is_optional(document: OpenAPI) -> None:
    """Say of parameters that may be left out what they are otherwise: a query has no way to say null."""
    for path in (document.paths or {}).values():
        for operation in filter(None, (path.get, path.post)):
            for parameter in operation.parameters or ():
                if isinstance(parameter, Parameter) and isinstance(parameter.schema, Schema):
                    _without_null(parameter.schema)


def _without_null(schema: Schema) -> None:
    said = [one for one in schema.one_of or () if isinstance(one, Schema) and one.type is not OpenAPIType.NULL]
    if len(said) == 1:
        schema.one_of, schema.type, schema.items = None, said[0].type, said[0].items


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    rows = "".join(_parameter(parameter) for parameter in operation.get("parameters", ()))
    table = f"<table><tr><th>parameter<th>type<th>meaning{rows}</table>" if rows else ""
    text = escape(operation.get("description", ""))
    return f"<h2><code>{method.upper()} {escape(path)}</code></h2><p>{text}</p>{table}"


def _parameter(parameter: dict[str, Any]) -> str:
    must = " (required)" if parameter.get("required") else ""
    return (
        f"<tr><td><code>{escape(parameter['name'])}</code>{must}<td>{escape(_type_of(parameter['schema']))}"
        f"<td>{escape(parameter.get('description', ''))}"
    )


def _type_of(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return " or ".join(map(str, schema["enum"]))
    return str(schema.get("format") or schema.get("type", ""))
