"""What Schemathesis must know of the service that the OpenAPI document cannot say. Loaded by its own process."""

import json
import re
from itertools import count
from typing import Any

import schemathesis
from schemathesis import Case, HookContext
from schemathesis.transport import SerializationContext

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VISIBLE = re.compile(r"[\x20-\x7e]*")
_numbers = count()
KEY = "Idempotency-Key"


@schemathesis.hook
def before_call(context: HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:
    """Send what HTTP allows, since the server's parser answers the rest; and no idempotency key for two payloads."""
    allowed = {name: value for name, value in case.headers.items() if _TOKEN.fullmatch(name) and _is_visible(value)}
    if allowed.get(KEY):
        allowed[KEY] = f"{allowed[KEY]}-{next(_numbers)}"
    case.headers.clear()
    case.headers.update(allowed)


def _is_visible(value: object) -> bool:
    return _VISIBLE.fullmatch(str(value)) is not None


@schemathesis.hook
def before_load_schema(context: HookContext, raw_schema: dict[str, Any]) -> None:
    """Workflows of workflows: Schemathesis finds no end to them, so what is in one is a task here.

    Nor are there as many of these as there may be, which only makes large bodies.
    """
    schemas = raw_schema["components"]["schemas"]
    task, *joined = schemas["Workflow"]["oneOf"]
    plain = {name: schema for name, schema in task["properties"].items() if name not in ("link", "link_error")}
    schemas["WorkflowTask"] = {**task, "properties": plain}
    within = json.dumps([task, *joined]).replace('schemas/Workflow"', 'schemas/WorkflowTask"')
    schemas["Workflow"]["oneOf"] = json.loads(re.sub(r'"maxItems": \d+, ', "", within))


@schemathesis.serializer("application/x-ndjson")
def as_lines(ctx: SerializationContext, value: Any) -> bytes:
    """NDJSON is a text in the document; what is none, to see whether it is refused, becomes a body without a line."""
    return value.encode(errors="replace") if isinstance(value, str) else b""
