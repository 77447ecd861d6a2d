"""What a response means, without a server."""

from email.message import Message

import pytest

from workers.errors import TransientError, UnusableResponse
from workers.work.fetch import check_status, decode_start


def _headers(**values: str) -> Message:
    headers = Message()
    for name, value in values.items():
        headers[name.replace("_", "-")] = value
    return headers


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_a_2xx_is_accepted(status: int) -> None:
    check_status(status, retry_after=None)


@pytest.mark.parametrize("status", [500, 502, 503, 599, 429])
def test_a_failure_of_the_server_may_pass(status: int) -> None:
    with pytest.raises(TransientError, match=str(status)):
        check_status(status, retry_after=None)


@pytest.mark.parametrize("status", [300, 304, 400, 401, 403, 404, 410, 451])
def test_a_4xx_stays_and_is_not_tried_again(status: int) -> None:
    with pytest.raises(UnusableResponse, match=str(status)):
        check_status(status, retry_after="1")


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7.0), ("0", 0.0), (None, None), ("soon", None), ("-1", None), ("²", None), ("", None)]
)
def test_retry_after_is_heeded_in_seconds(header: str | None, seconds: float | None) -> None:
    with pytest.raises(TransientError) as refusal:
        check_status(503, retry_after=header)
    assert refusal.value.retry_after == seconds


@pytest.mark.parametrize(
    ("content_type", "body", "text"),
    [
        ("text/plain", "é".encode(), "é"),
        ("text/html; charset=ISO-8859-1", b"\xe9", "é"),
        ("application/json", b"{}", "{}"),
        ("application/problem+json", b"{}", "{}"),
        ("text/plain; charset=no-such", b"a", "a"),
        ("text/plain; charset=zlib", b"a", "a"),
        ("text/plain; charset=unicode_escape", b"\\ud800", "\\ud800"),
        ("text/plain", b"\xff", "\ufffd"),
    ],
)
def test_a_text_is_decoded_as_its_type_says(content_type: str, body: bytes, text: str) -> None:
    assert decode_start(body, _headers(Content_Type=content_type)) == text


def test_a_character_cut_in_two_is_left_out() -> None:
    assert decode_start("aé".encode()[:-1], _headers(Content_Type="text/plain")) == "a"


@pytest.mark.parametrize(
    "headers",
    [
        _headers(),
        _headers(Content_Type="image/png"),
        _headers(Content_Type="application/octet-stream"),
        _headers(Content_Type="text/plain", Content_Encoding="gzip"),
    ],
)
def test_what_is_not_said_to_be_text_is_not_returned(headers: Message) -> None:
    assert decode_start(b"abc", headers) is None
