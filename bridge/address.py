"""Where a Redis is: its URL, read as Kombu and Celery read it (kombu/utils/url.py, celery/backends/redis.py)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

SENTINEL = "sentinel"
SOCKETS = ("unix", "redis+socket")
SCHEMES = ("redis", "rediss", SENTINEL, *SOCKETS)
DEFAULT_HOST = "localhost"
DEFAULT_PORT, DEFAULT_SENTINEL_PORT = 6379, 26379
VERIFY = {
    "CERT_REQUIRED": "required",
    "CERT_OPTIONAL": "optional",
    "CERT_NONE": "none",
    "required": "required",
    "optional": "optional",
    "none": "none",
}
"""Celery's two spellings of `ssl_cert_reqs`, and redis-py's one."""
TLS_OPTIONS = ("ssl_cert_reqs", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_check_hostname")
OPTIONS = ("db", "virtual_host", "client_name", "health_check_interval", "socket_keepalive", *TLS_OPTIONS)
WITHOUT_EFFECT = frozenset(
    {
        *("socket_timeout", "socket_connect_timeout", "connect_timeout", "timeout", "retry_on_timeout"),
        *("max_connections", "visibility_timeout", "heartbeat"),
    }
)
"""What Celery takes for its own waits, retries and pools. Ours have settings, so these are taken and change nothing."""
_NO = frozenset({"", "0", "f", "false", "n", "no"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """How a server proves who it is, and we ourselves. `verify` is required, optional or none; the rest are files."""

    verify: str = "required"
    check_hostname: bool = True
    ca_certs: str | None = None
    certfile: str | None = None
    keyfile: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisAddress:
    """One database of one server: at a host and port, at a socket's `path`, or at whatever the `sentinels` call master.

    The name of that master, and who we are to its sentinels, are not in the URL. `health_check_interval` is in seconds,
    0 for none.
    """

    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    path: str = ""
    sentinels: tuple[tuple[str, int], ...] = ()
    master_name: str = ""
    sentinel_username: str | None = None
    sentinel_password: str | None = field(default=None, repr=False)
    sentinel_tls: bool = False
    database: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: Tls | None = None
    client_name: str | None = None
    health_check_interval: float = 0
    socket_keepalive: bool = False


def read_address(url: str) -> RedisAddress:
    """The address that a URL gives.

    Raises:
        ValueError: a sentence, to be read after the name of a setting. It repeats nothing that may be a password.
    """
    first, *others = url.split(";")
    parts = _split(first)
    if parts.scheme in SOCKETS:
        return _fields(parts, path=unquote(parts.path), others=others)
    if parts.scheme == SENTINEL:
        return _fields(parts, sentinels=_sentinels(parts, others))
    return _fields(parts, host=_host(parts), port=parts.port or DEFAULT_PORT, others=others)


def _split(url: str) -> SplitResult:
    if url.partition("://")[0] not in SCHEMES:
        *some, last = (scheme + "://" for scheme in SCHEMES)
        raise ValueError(f"must start with {', '.join(some)} or {last}, for example redis://localhost:6379/0")
    try:
        parts = urlsplit(url)
        _ = parts.port  # read for its check
    except ValueError:  # its text can hold a piece of the password
        parts = None
    if parts is None or parts.fragment:
        raise ValueError("is no address: the port is a number; /, ?, #, [ and ] in a password are percent-encoded")
    return parts


def _host(parts: SplitResult) -> str:
    return unquote(parts.hostname or "") or DEFAULT_HOST


def _sentinels(first: SplitResult, others: list[str]) -> tuple[tuple[str, int], ...]:
    """The sentinels of a list. Celery takes database, user, password and options from the first, and so do we."""
    all_of_them = [first, *map(_split, filter(None, others))]
    for parts in all_of_them[1:]:
        if parts.scheme != SENTINEL:
            raise ValueError("must name sentinels only, each as sentinel://host:port, with ; between them")
        if any(
            said and said != of_first for said, of_first in zip(_beside_host(parts), _beside_host(first), strict=True)
        ):
            raise ValueError(
                "must give database, user, password and options in the first address: Celery reads them there"
            )
    return tuple((_host(parts), parts.port or DEFAULT_SENTINEL_PORT) for parts in all_of_them)


def _beside_host(parts: SplitResult) -> tuple[str, str, str]:
    return parts.path.strip("/").lstrip("0"), parts.query, parts.netloc.rpartition("@")[0]


def _fields(
    parts: SplitResult,
    *,
    host: str = DEFAULT_HOST,
    port: int = DEFAULT_PORT,
    path: str = "",
    sentinels: tuple[tuple[str, int], ...] = (),
    others: list[str] | None = None,
) -> RedisAddress:
    if others:
        raise ValueError("must name one server: Celery would take turns with several; sentinels find the right one")
    options = _options(parts)
    return RedisAddress(
        host=host,
        port=port,
        path=path,
        sentinels=sentinels,
        database=_database("" if path else unquote(parts.path), options),
        username=unquote(parts.username or "") or None,
        password=unquote(parts.password or "") or None,
        tls=_tls(parts.scheme, options),
        client_name=options.get("client_name"),
        health_check_interval=_seconds(options.get("health_check_interval", "0")),
        socket_keepalive=options.get("socket_keepalive", "").lower() not in _NO,
    )


def _options(parts: SplitResult) -> dict[str, str]:
    options = dict(parse_qsl(parts.query))
    if unknown := sorted(options.keys() - WITHOUT_EFFECT - set(OPTIONS)):
        raise ValueError(f"has an option that cannot be honoured, {unknown[0]!r}; known are {', '.join(OPTIONS)}")
    return options


def _database(path: str, options: Mapping[str, str]) -> int:
    named = options.get("virtual_host") or options.get("db") or path
    number = named.strip("/") or "0"
    if not (number.isascii() and number.isdecimal()):
        raise ValueError("must name the database by its number, for example redis://localhost:6379/0")
    return int(number)


def _seconds(text: str) -> float:
    if not text.replace(".", "", 1).isdecimal():
        raise ValueError("must give health_check_interval as a number of seconds")
    return float(text)


def _tls(scheme: str, options: Mapping[str, str]) -> Tls | None:
    """As in Kombu an option of TLS asks for TLS. Unlike there, certificates are checked unless the URL says not to."""
    if scheme != "rediss" and not any(name in options for name in TLS_OPTIONS):
        return None
    if scheme in SOCKETS:
        raise ValueError("cannot have TLS on a socket of this machine")
    verify = VERIFY.get(options.get("ssl_cert_reqs", "required"))
    if verify is None:
        raise ValueError(f"must give ssl_cert_reqs as one of {', '.join(VERIFY)}")
    certfile, keyfile = options.get("ssl_certfile"), options.get("ssl_keyfile")
    if keyfile and not certfile:
        raise ValueError("must give ssl_certfile beside ssl_keyfile")
    return Tls(
        verify=verify,
        check_hostname=verify != "none" and options.get("ssl_check_hostname", "").lower() != "false",
        ca_certs=options.get("ssl_ca_certs"),
        certfile=certfile,
        keyfile=keyfile or certfile,  # one file may hold both
    )
