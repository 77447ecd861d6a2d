"""One HTTP GET to one checked address within one deadline.

`http.client` and not an HTTP library: it uses the socket it is given, so the address is the one that was checked while
``Host`` and TLS name the host, and it follows no redirect and no proxy setting by itself.
"""

import math
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, IncompleteRead
from typing import TYPE_CHECKING

from workers.errors import TransientError, UnusableResponse
from workers.work.address import resolve
from workers.work.url import Place

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MAX_ADDRESSES = 4  # tried one after the other
HEADERS = {"Accept": "*/*", "Accept-Encoding": "identity", "Connection": "close", "User-Agent": "petiole-fetch"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Deadline:
    """A moment on the monotonic clock, and how long that was to wait, for the message."""

    at: float
    seconds: float

    @classmethod
    def after(cls, seconds: float) -> "Deadline":
        """The moment `seconds` from now."""
        return cls(at=time.monotonic() + seconds, seconds=seconds)

    def remaining(self) -> float:
        """Seconds left, always more than 0. Raises TimeoutError when there are none."""
        left = self.at - time.monotonic()
        if left <= 0:
            raise TimeoutError("no time left")
        return left


_NEVER = Deadline(at=math.inf, seconds=math.inf)


# A socket's own timeout starts anew with every read, so a server that sends a byte now and then would hold a worker for
# ever. These two set it to what is left before each read; http.client reads through recv_into alone.
class _TimedSocket(socket.socket):
    deadline = _NEVER

    def recv_into(self, buffer: "WriteableBuffer", nbytes: int = 0, flags: int = 0) -> int:
        self.settimeout(self.deadline.remaining())
        return super().recv_into(buffer, nbytes, flags)


class _TimedTlsSocket(ssl.SSLSocket):
    deadline = _NEVER

    def recv_into(self, buffer: "WriteableBuffer", nbytes: int | None = None, flags: int = 0) -> int:
        self.settimeout(self.deadline.remaining())
        return super().recv_into(buffer, nbytes, flags)


@contextmanager
def get(place: Place, *, allow_private: bool, deadline: Deadline) -> Iterator[HTTPResponse]:
    """Send the request and yield the response, whose body is still to be read; close the connection at the end.

    Raises:
        RefusedUrl: the host is unknown or not allowed.
        TimeoutError: the deadline passed, here or while the body was read.
        OSError: the connection failed.
        TransientError: the server broke off in the middle.
        UnusableResponse: what it sent is not HTTP.
    """
    connection = HTTPConnection(place.host, place.port)
    try:
        addresses = resolve(place.host, place.port, allow_private=allow_private)
        connection.sock = _connect(place, addresses, deadline)
        connection.request("GET", place.target, headers={"Host": place.authority, **HEADERS})
        with connection.getresponse() as response:  # closed by itself: it may outlive its connection
            yield response
    except TimeoutError as error:
        raise TimeoutError(f"{place.authority} did not answer in full within {deadline.seconds:g} s.") from error
    except IncompleteRead as error:
        raise TransientError(f"{place.authority} broke off in the middle of its response.") from error
    except ConnectionError:
        raise  # among them http.client's RemoteDisconnected, which is an HTTPException too
    except HTTPException as error:
        raise UnusableResponse(f"{place.authority} does not speak HTTP: {error!r:.200}.") from error
    finally:
        connection.close()


def _connect(place: Place, addresses: tuple[str, ...], deadline: Deadline) -> socket.socket:
    """The first of the addresses that accepts; the last one's error if none does."""
    *others, last = addresses[:MAX_ADDRESSES]
    for address in others:
        try:
            return _open(place, address, deadline)
        except OSError:
            deadline.remaining()
    return _open(place, last, deadline)


def _open(place: Place, address: str, deadline: Deadline) -> socket.socket:
    plain = _TimedSocket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    plain.deadline = deadline
    try:
        plain.settimeout(deadline.remaining())
        plain.connect((address, place.port))
        return plain if place.scheme == "http" else _secured(plain, place.host, deadline)
    except BaseException:
        plain.close()
        raise


def _secured(plain: socket.socket, host: str, deadline: Deadline) -> ssl.SSLSocket:
    context = ssl.create_default_context()
    context.sslsocket_class = _TimedTlsSocket
    plain.settimeout(deadline.remaining())  # bounds the handshake as a whole
    secured = context.wrap_socket(plain, server_hostname=host)
    if isinstance(secured, _TimedTlsSocket):  # it is; wrap_socket is typed as the parent class
        secured.deadline = deadline
    return secured
