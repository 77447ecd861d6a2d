"""Which addresses a worker may connect to. A task's URL must not become a way into the worker's own network."""

import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from workers.errors import RefusedUrl, is_transient

_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052: the last 32 bits are the IPv4 address that is reached


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Neither private, loopback, link-local, reserved, multicast nor unspecified, nor an IPv6 way to such an IPv4."""
    address = _reached(address)
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def _reached(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    _, teredo_client = address.teredo or (None, None)
    return next(
        (inner for inner in (address.ipv4_mapped, address.sixtofour, teredo_client) if inner is not None), address
    )


def resolve(host: str, port: int, *, allow_private: bool) -> tuple[str, ...]:
    """The addresses of `host`, all of them allowed. Connect to one of these, not to the name: it may change its mind.

    Raises:
        RefusedUrl: the host is unknown, or one of its addresses is not public and `allow_private` is off.
        socket.gaierror: the resolver could not answer now.
    """
    addresses = _look_up(host, port)
    refused = [address for address in addresses if not allow_private and not is_public(ip_address(address))]
    if refused:
        raise RefusedUrl(
            f"{host} is at {refused[0]}, which is not a public address. "
            "If workers shall fetch from there, start them with PETIOLE_FETCH_ALLOW_PRIVATE=true."
        )
    return addresses


def _look_up(host: str, port: int) -> tuple[str, ...]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        if is_transient(error):
            raise
        raise RefusedUrl(f"The host {host!r:.200} is unknown: {error.strerror}.") from error
    except (UnicodeError, OverflowError) as error:
        raise RefusedUrl(f"{host!r:.200} is not the name of a host: {error}.") from error
    return tuple(dict.fromkeys(str(address[0]) for *_, address in found))
