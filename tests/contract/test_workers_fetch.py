"""`fetch` against real HTTP servers on the loopback interface."""

import hashlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from workers.errors import RefusedUrl, TransientError, UnusableResponse, is_transient
from workers.work.fetch import MAX_REDIRECTS, TEXT_BYTES, FetchLimits, fetch

LIMITS = FetchLimits(allow_private=True, max_bytes=100_000, timeout=5)
SHORT = FetchLimits(allow_private=True, max_bytes=100_000, timeout=0.3)
DRIP_SECONDS = 0.05


class Site(ThreadingHTTPServer):
    """Answers by path; `closing` ends the slow answers."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Pages)
        self.closing = threading.Event()
        self.seen: list[tuple[str, str | None]] = []

    def url(self, path: str, *, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.server_port}{path}"


class _Pages(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        self.server.seen.append((self.path, self.headers["Host"]))
        kind, _, value = self.path[1:].partition("/")
        try:
            getattr(self, f"_{kind}")(value)
        except ConnectionError:
            self.close_connection = True  # the client has hung up, as some of these stories want it to

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name in the standard library
        """Say nothing."""

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, content in headers.items():
            self.send_header(name.replace("_", "-"), content)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _text(self, value: str) -> None:
        self._answer(200, value.encode(), Content_Type="text/plain; charset=utf-8")

    def _bytes(self, size: str) -> None:
        self._answer(200, b"x" * int(size), Content_Type="application/octet-stream")

    def _status(self, status: str) -> None:
        self._answer(int(status), Retry_After="7")

    def _to(self, location: str) -> None:
        self._answer(302, Location=location)

    def _again(self, value: str) -> None:
        self._answer(302, Location=f"/again/{value}x")

    def _endless(self, _: str) -> None:
        self.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n")
        while not self.server.closing.is_set():
            self.wfile.write(b"x" * 10_000)

    def _short(self, _: str) -> None:
        self.wfile.write(b"HTTP/1.0 200 OK\r\nContent-Length: 10\r\n\r\nhalf")

    def _nonsense(self, _: str) -> None:
        self.wfile.write(b"SSH-2.0-OpenSSH\r\n")

    def _nothing(self, _: str) -> None:
        """Hang up without a word."""

    def _drip(self, where: str) -> None:
        self.wfile.write(b"HTTP/1.0 200 OK\r\n" + (b"\r\n" if where == "body" else b"X-Slow: "))
        while not self.server.closing.wait(DRIP_SECONDS):
            self.wfile.write(b"x")
            self.wfile.flush()


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as server, _serving(server):
        yield server


@contextmanager
def _serving(server: Site) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        server.closing.set()
        server.shutdown()
        thread.join()


def test_a_page_is_described_by_size_digest_and_text(site: Site) -> None:
    assert fetch(site.url("/text/petiole"), LIMITS) == {
        "url": site.url("/text/petiole"),
        "status": 200,
        "content_type": "text/plain; charset=utf-8",
        "bytes": 7,
        "sha256": hashlib.sha256(b"petiole").hexdigest(),
        "text": "petiole",
    }


def test_of_a_long_text_only_the_start_is_returned(site: Site) -> None:
    result = fetch(site.url("/text/" + "x" * 8_000), LIMITS)
    assert (result["bytes"], result["text"]) == (8_000, "x" * TEXT_BYTES)


def test_of_what_is_not_text_only_size_and_digest_are_returned(site: Site) -> None:
    result = fetch(site.url("/bytes/100000"), LIMITS)
    assert (result["bytes"], result["text"]) == (100_000, None)
    assert result["sha256"] == hashlib.sha256(b"x" * 100_000).hexdigest()


@pytest.mark.parametrize("path", ["/bytes/100001", "/endless/"])
def test_a_response_above_the_limit_is_refused_with_or_without_a_declared_length(site: Site, path: str) -> None:
    with pytest.raises(UnusableResponse, match="larger than 100000 bytes"):
        fetch(site.url(path), LIMITS)


@pytest.mark.parametrize("where", ["headers", "body"])
def test_a_server_that_drips_bytes_is_cut_off_at_the_time_limit(site: Site, where: str) -> None:
    with pytest.raises(TimeoutError, match=r"0\.3 s"):
        fetch(site.url(f"/drip/{where}"), SHORT)


def test_a_server_that_accepts_and_says_nothing_is_cut_off_at_the_time_limit() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(TimeoutError):
        fetch(f"http://127.0.0.1:{silent.getsockname()[1]}/", SHORT)


def test_a_tls_handshake_that_never_ends_is_cut_off_at_the_time_limit() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(TimeoutError):
        fetch(f"https://127.0.0.1:{silent.getsockname()[1]}/", SHORT)


def test_a_redirect_is_followed_and_the_result_names_its_end(site: Site) -> None:
    assert fetch(site.url("/to//text/end"), LIMITS)["url"] == site.url("/text/end")


def test_more_redirects_than_the_limit_fail_for_good(site: Site) -> None:
    with pytest.raises(UnusableResponse, match=f"More than {MAX_REDIRECTS} redirects"):
        fetch(site.url("/again/"), LIMITS)
    assert len(site.seen) == MAX_REDIRECTS + 1


def test_a_redirect_to_something_else_than_http_is_refused(site: Site) -> None:
    with pytest.raises(RefusedUrl):
        fetch(site.url("/to/file:///etc/passwd"), LIMITS)


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_failing_server_is_worth_another_attempt_after_the_time_it_asks_for(site: Site, status: int) -> None:
    with pytest.raises(TransientError) as failure:
        fetch(site.url(f"/status/{status}"), LIMITS)
    assert failure.value.retry_after == 7


@pytest.mark.parametrize("status", [400, 404, 410])
def test_a_4xx_fails_for_good(site: Site, status: int) -> None:
    with pytest.raises(UnusableResponse, match=str(status)):
        fetch(site.url(f"/status/{status}"), LIMITS)


@pytest.mark.parametrize("path", ["/nothing/", "/short/"])
def test_a_connection_that_breaks_is_worth_another_attempt(site: Site, path: str) -> None:
    with pytest.raises((ConnectionError, TransientError)) as failure:
        fetch(site.url(path), LIMITS)
    assert is_transient(failure.value)


def test_a_closed_port_is_worth_another_attempt() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(ConnectionRefusedError):
        fetch(f"http://127.0.0.1:{port}/", LIMITS)


def test_a_server_that_does_not_speak_http_fails_for_good(site: Site) -> None:
    with pytest.raises(UnusableResponse, match="does not speak HTTP"):
        fetch(site.url("/nonsense/"), LIMITS)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "2130706433", "[::1]", "[::ffff:127.0.0.1]"])
def test_the_worker_s_own_network_is_not_reached_under_any_of_its_names(site: Site, host: str) -> None:
    limits = FetchLimits(allow_private=False, max_bytes=1, timeout=5)
    with pytest.raises(RefusedUrl, match=r"not a public address.*PETIOLE_FETCH_ALLOW_PRIVATE"):
        fetch(site.url("/text/secret", host=host), limits)
    assert site.seen == []


def test_the_server_is_asked_for_the_host_by_its_name(site: Site) -> None:
    fetch(site.url("/text/x", host="localhost"), LIMITS)
    assert site.seen == [("/text/x", f"localhost:{site.server_port}")]
