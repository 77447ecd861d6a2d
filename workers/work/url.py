"""What a URL asks for, checked. Pure."""

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from workers.errors import RefusedUrl

MAX_URL_LENGTH = 8_192
_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[a-z0-9._-]+|[0-9a-f:.]+")  # a name in ASCII, or an IPv6 address without a zone
_KEPT = "!#$%&'()*+,/:;=?@[]~"  # quoting again what a URL may hold would change it


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """A page on a server: where to connect to, and the two words of the request that name it."""

    scheme: str
    host: str
    """In ASCII (IDNA), without brackets: for the resolver and for TLS."""
    port: int
    authority: str
    """The ``Host`` header: brackets around an IPv6 address, the port if it is not the usual one."""
    target: str
    """Path and query, percent-encoded."""


def parse_url(url: object) -> Place:
    """Split `url` for a request.

    Raises:
        RefusedUrl: not an http or https URL with a host, or one that holds a user name.
    """
    if not isinstance(url, str):
        raise RefusedUrl(f"The URL must be a text, got {url!r:.200}.")
    try:
        parts = urlsplit(url)
        port = parts.port
        host = (parts.hostname or "").encode("idna").decode("ascii")
        target = _target(parts)
    except ValueError as error:
        raise RefusedUrl(f"{url!r:.200} is not a URL: {error}.") from error
    _check(url, parts, host)
    return Place(
        scheme=parts.scheme,
        host=host,
        port=_PORTS[parts.scheme] if port is None else port,
        authority=_authority(host, port),
        target=target,
    )


def _check(url: str, parts: SplitResult, host: str) -> None:
    if parts.scheme not in _PORTS or not _HOST.fullmatch(host):
        raise RefusedUrl(f"{url!r:.200} is not an http:// or https:// URL with a host.")
    if "@" in parts.netloc:
        raise RefusedUrl("A URL with a user name or password is not fetched: it would be stored with the task.")
    if len(url) > MAX_URL_LENGTH:
        raise RefusedUrl(f"The URL has {len(url)} characters, at most {MAX_URL_LENGTH} are accepted.")


def _target(parts: SplitResult) -> str:
    path = quote(parts.path or "/", safe=_KEPT)
    return f"{path}?{quote(parts.query, safe=_KEPT)}" if parts.query else path


def _authority(host: str, port: int | None) -> str:
    bracketed = f"[{host}]" if ":" in host else host
    return bracketed if port is None else f"{bracketed}:{port}"


def redirected(url: str, location: str) -> str:
    """The URL that a redirect from `url` leads to. Raises RefusedUrl if `location` cannot be read."""
    try:
        return urljoin(url, location)
    except ValueError as error:
        raise RefusedUrl(f"The redirect to {location!r:.200} cannot be read: {error}.") from error
