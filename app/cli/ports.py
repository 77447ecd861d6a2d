"""Hosts and ports to listen on. A port found free can be taken before it is used; its user then fails."""

import ipaddress
import socket
from contextlib import ExitStack

LOOPBACK = "127.0.0.1"


def free_ports(count: int, host: str = LOOPBACK) -> list[int]:
    """Ports of `host` that nobody listens on, chosen by the system: as many, no two of them the same."""
    with ExitStack() as chosen:
        listeners = [chosen.enter_context(socket.create_server((host, 0))) for _ in range(count)]
        return [listener.getsockname()[1] for listener in listeners]


def free_port(host: str = LOOPBACK) -> int:
    """One of `free_ports`."""
    return free_ports(1, host)[0]


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen on this port now. Like servers do, ignores connections that are closing."""
    try:
        with socket.create_server((host, port), family=_family(host)):
            return True
    except OSError:
        return False


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a listener on `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
