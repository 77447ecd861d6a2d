"""`Idempotency-Key`: a submit that is sent again runs no second task."""

import re
from typing import Any

from fastapi import Request

from app.errors import ProblemRaised, payload_invalid
from app.response_headers import described

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
_KEY = re.compile("[!-~]{1,255}")
PARAMETERS: list[dict[str, Any]] = [
    {
        "name": HEADER,
        "in": "header",
        "required": False,
        "description": "Any text of your own. The same submit with the same key answers the task of the first one, and "
        "queues nothing; another submit with it is answered 422.",
        "schema": {"type": "string", "pattern": f"^{_KEY.pattern}$"},
    }
]
"""The header, as OpenAPI describes it: for the `openapi_extra` of a route that asks for `idempotency_key`."""
DOCUMENTED = described(REPLAYED)
"""The header of the answer, as OpenAPI describes it."""


def idempotency_key(request: Request) -> str | None:
    """The key of a submit, if it has one.

    Raises:
        ProblemRaised: it is not 1 to 255 characters of visible ASCII.
    """
    key = request.headers.get(HEADER)
    if key is not None and not _KEY.fullmatch(key):
        detail = "must be 1 to 255 characters of visible ASCII"
        raise ProblemRaised(payload_invalid([{"pointer": f"/{HEADER}", "detail": detail, "in": "header"}]))
    return key


def replayed_header(*, replayed: bool) -> dict[str, str]:
    """What says that nothing was queued; nothing when something was."""
    return {REPLAYED: "true"} if replayed else {}
