"""What a client prefers: a stream or JSON (`Accept`, RFC 9110), and to wait for the end (`Prefer: wait`, RFC 7240)."""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from app.sse import MEDIA_TYPE

JSON = "application/json"
PREFER: dict[str, Any] = {
    "name": "Prefer",
    "in": "header",
    "required": False,
    "description": "`wait=N`: answer when the task has ended, or after N seconds, `PETIOLE_MAX_WAIT` at the most; "
    "`Preference-Applied` says how many. With API keys this needs the scope `read` as well.",
    "schema": {"type": "string"},
}
"""The header, as OpenAPI describes it: for the `openapi_extra` of a route. It has no place there for `Accept`."""
RawHeaders = Iterable[tuple[bytes, bytes]]
_SAYS = frozenset({b"accept", b"prefer"})
_USUAL: tuple[list[tuple[bytes, bytes]], ...] = ([], [(b"accept", b"*/*")])
_MOST = 1_024
"""Characters of an `Accept` that are read."""
_KNOWN = 256
"""Different ones whose meaning is kept."""
_DIGITS = 9
"""As many as are read of a wait: the limit of the service has less."""
_WAIT = re.compile(r"""(?:^|[,;])\s*wait\s*=\s*"?([0-9]++)"?\s*(?=[,;]|$)""", re.IGNORECASE)
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*+"')
_WEIGHT = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")
_REFUSED, _UNSAID = (-1.0, 0), (0.0, 0)


class Wish(NamedTuple):
    """What the answer to a submit is to tell beside that the task was accepted: its stream, or its end."""

    stream: bool
    wait: int | None
    """Seconds, as they are asked for."""


def wish(raw: RawHeaders) -> Wish | None:
    """What a submit with these headers asks for; None for most of them, which ask for nothing."""
    said = [(name, value) for name, value in raw if name in _SAYS]
    if said in _USUAL:
        return None
    if prefers_stream(_joined(said, b"accept"), by_default=False):
        return Wish(True, None)
    seconds = preferred_wait(_joined(said, b"prefer"))
    return None if seconds is None else Wish(False, seconds)


def takes_stream(raw: RawHeaders) -> bool:
    """Whether a request with these headers, where there is a stream to read, is answered with it and not with JSON."""
    return prefers_stream(_joined(raw, b"accept"), by_default=True)


def _joined(raw: RawHeaders, wanted: bytes) -> str:
    return b",".join([value for name, value in raw if name == wanted]).decode("latin-1")


def preferred_wait(prefer: str) -> int | None:
    """The seconds of `wait` in a `Prefer` header; None when there is none that can be read."""
    found = _WAIT.search(prefer)
    return int(found[1].lstrip("0")[:_DIGITS] or "0") if found else None


@lru_cache(_KNOWN)
def prefers_stream(accept: str, *, by_default: bool) -> bool:
    """Whether an `Accept` weighs a stream of events higher than JSON; `by_default` when it does not tell.

    Of two with the same weight the one counts that is named more closely: `text/event-stream, */*` asks for a stream.
    """
    weights = _weights(accept[:_MOST])
    stream, json = _rank(MEDIA_TYPE, weights), _rank(JSON, weights)
    return stream > json or (by_default and stream == json)


def _weights(accept: str) -> Mapping[str, float]:
    """Media ranges and their weights."""
    weights: dict[str, float] = {}
    for member in _QUOTED.sub("", accept.lower()).split(","):
        media_range, *parameters = [part.strip() for part in member.split(";")]
        weights[media_range] = _weight(parameters)
    return weights


def _weight(parameters: Iterable[str]) -> float:
    """1 when none is given, and also for one that is no weight."""
    given = next((one[2:] for one in parameters if one.startswith("q=")), "")
    return float(given) if _WEIGHT.fullmatch(given) else 1.0


def _rank(media_type: str, weights: Mapping[str, float]) -> tuple[float, int]:
    """How welcome a media type is: its weight, and how closely it is named."""
    for closeness, media_range in ((2, media_type), (1, media_type.partition("/")[0] + "/*"), (0, "*/*")):
        if media_range in weights:
            weight = weights[media_range]
            return (weight, closeness) if weight else _REFUSED
    return _UNSAID
