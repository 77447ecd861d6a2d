import signal
import threading
from collections.abc import Iterator
from types import FrameType

import pytest

from app.shutdown import SIGNALS, notice_of_stop


class Server:
    """Handles signals as a server does, and keeps what happens in order."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def tell(self) -> None:
        self.heard.append("told")

    def handle(self, number: int, _frame: FrameType | None) -> None:
        self.heard.append(signal.Signals(number).name)


@pytest.fixture
def server() -> Iterator[Server]:
    own = Server()
    before = {number: signal.signal(number, own.handle) for number in SIGNALS}
    yield own
    for number, old in before.items():
        signal.signal(number, old)


@pytest.mark.parametrize("number", SIGNALS)
def test_streams_hear_of_a_stop_before_the_server_does(server: Server, number: signal.Signals) -> None:
    with notice_of_stop(server.tell):
        signal.raise_signal(number)
    assert server.heard == ["told", number.name]


def test_a_second_signal_is_passed_on_as_well(server: Server) -> None:
    with notice_of_stop(server.tell):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
    assert server.heard == ["told", "SIGINT"] * 2


def stop_badly(server: Server) -> None:
    with notice_of_stop(server.tell):
        raise RuntimeError


def test_the_handlers_before_are_put_back_however_it_ends(server: Server) -> None:
    with notice_of_stop(server.tell):
        assert signal.getsignal(signal.SIGTERM) != server.handle
    with pytest.raises(RuntimeError):
        stop_badly(server)
    assert [signal.getsignal(number) for number in SIGNALS] == [server.handle] * 2
    signal.raise_signal(signal.SIGTERM)
    assert server.heard == ["SIGTERM"]


def test_a_signal_that_is_ignored_stays_ignored(server: Server) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with notice_of_stop(server.tell):
        signal.raise_signal(signal.SIGTERM)
    assert server.heard == ["told"]


def test_a_thread_that_is_not_the_main_one_leaves_the_handlers_alone(server: Server) -> None:
    seen = []

    def serve() -> None:
        with notice_of_stop(server.tell):
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=serve)
    thread.start()
    thread.join(timeout=5)
    assert seen == [server.handle]
