"""Paths by the segments that they were sent in: servers decode them before they are matched, and `%2F` would divide."""

from urllib.parse import unquote

from fastapi.routing import APIRoute
from starlette.routing import Match
from starlette.types import Scope

_SLASH = b"%2f"


class SegmentRoute(APIRoute):
    """A route whose parameters may have a slash in them, sent as `%2F`."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """As the router asks. Without `raw_path`, which a server need not tell, a slash divides."""
        raw: bytes = scope.get("raw_path") or b""
        if _SLASH not in raw.lower():
            return super().matches(scope)
        match, found = super().matches({**scope, "path": raw.decode("latin-1")})
        if match is not Match.NONE:
            found["path_params"] = {name: unquote(value) for name, value in found["path_params"].items()}
        return match, found
