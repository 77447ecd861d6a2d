"""The OpenAPI document as it is now: that of the routes, and an operation for each task type that workers announced."""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from fastapi import FastAPI

from app.payloads import has_usable_schema
from app.typed_operations import Document, add_operation
from bridge import TaskClient
from bridge.errors import BrokerUnavailable
from bridge.protocol.catalog import Catalog, TaskType

logger = logging.getLogger(__name__)


class LiveDocument:
    """Made anew when the catalog is another one. `static` gives the document of the routes."""

    def __init__(self, static: Callable[[], Document]) -> None:
        self._static = static
        self._catalog = Catalog.of([])
        self._made: _Made | None = None

    async def refresh(self, client: TaskClient) -> None:
        """Learn what the workers have now; while Redis does not answer, what they had last stays."""
        try:
            self._catalog = await client.task_types()
        except BrokerUnavailable as error:
            logger.warning("the task types of the OpenAPI document may be old: %s", error)

    def openapi(self) -> Document:
        """The document."""
        return self._current().document

    def encoded(self) -> tuple[bytes, str]:
        """The same as JSON, and its entity tag."""
        current = self._current()
        return current.json, current.tag

    def _current(self) -> "_Made":
        if self._made is None or self._made.catalog is not self._catalog:
            document = _with_operations(self._static(), list(self._catalog.types.values()))
            encoded = json.dumps(document, ensure_ascii=False).encode(errors="replace")
            tag = f'"{sha256(encoded).hexdigest()[:32]}"'
            self._made = _Made(catalog=self._catalog, document=document, json=encoded, tag=tag)
        return self._made


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """The document of a catalog."""

    catalog: Catalog
    document: Document
    json: bytes
    tag: str


def _with_operations(static: Document, task_types: list[TaskType]) -> Document:
    components = {**static["components"], "schemas": {**static["components"]["schemas"]}}
    document: dict[str, Any] = {**static, "paths": {**static["paths"]}, "components": components}
    for task_type in task_types:
        try:
            if has_usable_schema(task_type):
                add_operation(document, task_type)
        except RecursionError:
            logger.warning("the schema of %s is nested too deep for the OpenAPI document", task_type.name)
    return document


def install(app: FastAPI) -> None:
    """Make the document of `app` a live one, at hand as `app.state.document`."""
    app.state.document = LiveDocument(app.openapi)
    app.openapi = app.state.document.openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend it
