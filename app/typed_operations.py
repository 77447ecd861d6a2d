"""One operation of the OpenAPI document for each task type that workers announced."""

import re
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any
from urllib.parse import quote, unquote

from bridge.protocol.catalog import TaskType

Document = dict[str, Any]
GENERIC = "/v1/task-types/{name}/tasks"
"""The path whose operation each typed one is a case of: all but its name and its body is the same."""
COMPONENTS = "#/components/schemas/"
_DEFINITION = re.compile(r"#/\$defs/([^/]+)")
_OF_SCHEMAS = frozenset({"properties", "patternProperties", "dependentSchemas", "$defs"})
"""Keywords whose value holds schemas by name; the names are no keywords."""
_OF_VALUES = frozenset({"default", "const", "enum", "examples"})
"""Keywords whose value is no schema, whatever stands in it."""


def path_of(task_type: TaskType) -> str | None:
    """The path of its operation; None when no request could reach it, since routes take a slash for the end of it."""
    return None if "/" in task_type.name else GENERIC.replace("{name}", quote(task_type.name, safe=""))


def add_operation(document: Document, task_type: TaskType) -> None:
    """Add the operation of a type that has a schema to `document`, whose `paths` and schemas are changed in place."""
    path = path_of(task_type)
    if path is None:
        return
    key = _component(task_type.name)
    schemas = _as_components(task_type.schema, key)
    document["components"]["schemas"] |= schemas
    document["paths"][path] = {"post": _operation(document["paths"][GENERIC]["post"], task_type, key)}


def _operation(generic: Mapping[str, Any], task_type: TaskType, key: str) -> Document:
    summary, _, _ = task_type.doc.partition("\n")
    others = [one for one in generic.get("parameters", ()) if one["in"] != "path"]
    return {
        **{name: value for name, value in generic.items() if name != "parameters"},
        **({"parameters": others} if others else {}),
        "operationId": "submit_" + key.removesuffix(".parameters"),
        "summary": summary or f"Submit {task_type.name}",
        "description": f"{task_type.doc}\n\nSubmits the task `{task_type.name}`.".strip(),
        "requestBody": {"required": True, "content": {"application/json": {"schema": {"$ref": COMPONENTS + key}}}},
    }


def _component(name: str) -> str:
    """The name of its schema: one that OpenAPI allows, and that no other task type has."""
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", name)
    digest = sha256(name.encode(errors="surrogatepass")).hexdigest()[:8]
    return f"{plain if plain == name else f'{plain}_{digest}'}.parameters"


def _as_components(schema: Document, key: str) -> dict[str, Any]:
    """A schema and its definitions, each as a component of its own, which is what generators of clients can read."""
    definitions = schema.pop("$defs", {})
    names = {name: f"{key}.{re.sub(r'[^A-Za-z0-9._-]', '_', name)}" for name in definitions}

    def moved(reference: str) -> str:
        found = _DEFINITION.match(reference)
        name = unquote(found[1]).replace("~1", "/").replace("~0", "~") if found else ""
        if found and name in names:
            return COMPONENTS + names[name] + reference[found.end() :]
        return COMPONENTS + key + reference[1:] if reference.startswith("#") else reference

    components = {names[name]: _with_references(one, moved) for name, one in definitions.items()}
    return {key: _with_references(schema, moved), **components}


def _with_references(schema: Any, moved: Callable[[str], str]) -> Any:
    if isinstance(schema, list):
        return [_with_references(one, moved) for one in schema]
    if not isinstance(schema, dict):
        return schema
    return {keyword: _keyword(keyword, value, moved) for keyword, value in schema.items() if keyword != "$schema"}


def _keyword(keyword: str, value: Any, moved: Callable[[str], str]) -> Any:
    if keyword == "$ref" and isinstance(value, str):
        return moved(value)
    if keyword in _OF_VALUES:
        return value
    if keyword in _OF_SCHEMAS and isinstance(value, dict):
        return {name: _with_references(one, moved) for name, one in value.items()}
    if keyword == "discriminator" and isinstance(value, dict):  # OpenAPI's own, which pydantic writes
        return {**value, "mapping": {name: moved(one) for name, one in value.get("mapping", {}).items()}}
    return _with_references(value, moved)
