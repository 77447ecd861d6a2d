"""Which failures may pass, and which need a person."""

import errno
import pickle
import socket
import ssl

import pytest

from workers.errors import InvalidInput, TransientError, UnusableResponse, is_transient


@pytest.mark.parametrize(
    "error",
    [
        TransientError("busy"),
        TimeoutError("timed out"),
        ConnectionRefusedError(errno.ECONNREFUSED, "refused"),
        ConnectionResetError(errno.ECONNRESET, "reset"),
        OSError(errno.ENETUNREACH, "network unreachable"),
        OSError(errno.EHOSTUNREACH, "no route"),
        socket.gaierror(socket.EAI_AGAIN, "try again"),
    ],
)
def test_what_can_pass_by_itself_is_transient(error: Exception) -> None:
    assert is_transient(error)


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(errno.ENOENT, "missing"),
        PermissionError(errno.EACCES, "denied"),
        OSError(errno.ENOSPC, "disk full"),
        OSError("no number"),
        socket.gaierror(socket.EAI_NONAME, "unknown host"),
        ssl.SSLCertVerificationError(1, "certificate verify failed"),
        InvalidInput("wrong"),
        UnusableResponse("404"),
        KeyError("bug"),
    ],
)
def test_what_stays_until_somebody_acts_is_not_transient(error: Exception) -> None:
    assert not is_transient(error)


def test_invalid_input_is_a_value_error() -> None:
    assert issubclass(InvalidInput, ValueError)


def test_an_error_survives_the_way_from_the_pool_process_to_the_worker() -> None:
    error = pickle.loads(pickle.dumps(TransientError("busy", retry_after=3.0)))  # noqa: S301  # our own bytes
    assert (error.args, error.retry_after) == (("busy",), 3.0)
