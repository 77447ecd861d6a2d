"""Which URLs are understood, and as what."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.errors import RefusedUrl
from workers.work.url import MAX_URL_LENGTH, Place, parse_url, redirected


def test_a_url_says_where_to_connect_and_what_to_ask() -> None:
    assert parse_url("https://Example.org/a b?q=é#part") == Place(
        scheme="https", host="example.org", port=443, authority="example.org", target="/a%20b?q=%C3%A9"
    )


@pytest.mark.parametrize(
    ("url", "port", "authority"),
    [
        ("http://example.org", 80, "example.org"),
        ("http://example.org:8080/x", 8080, "example.org:8080"),
        ("http://[2001:db8::1]:81/", 81, "[2001:db8::1]:81"),
        ("https://bücher.example/", 443, "xn--bcher-kva.example"),
    ],
)
def test_the_host_header_names_the_host_as_the_url_does(url: str, port: int, authority: str) -> None:
    place = parse_url(url)
    assert (place.port, place.authority) == (port, authority)


def test_what_is_percent_encoded_already_stays_so() -> None:
    assert parse_url("http://h/%2Fa%20b?x=%26").target == "/%2Fa%20b?x=%26"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.org",
        "//example.org/",
        "file:///etc/passwd",
        "ftp://example.org/",
        "gopher://example.org/",
        "http://",
        "http:///path",
        "http://user:password@example.org/",
        "http://example.org:99999/",
        "http://example.org:x/",
        "http://[::1",
        "http://a..b/",
        "http://" + "a" * 64 + ".org/",
        "http://h/" + "x" * MAX_URL_LENGTH,
        None,
        7,
    ],
)
def test_anything_but_an_http_url_with_a_host_is_refused(url: object) -> None:
    with pytest.raises(RefusedUrl):
        parse_url(url)


@settings(max_examples=50)
@given(
    start=st.sampled_from(["", "http://", "http://h/", "http://h/?"]),
    rest=st.text(alphabet="\x00\x1f\r\n\t @:[]%?#/.a1é．\udc80", max_size=12),
)
def test_no_url_can_put_a_space_or_a_line_end_into_the_request(start: str, rest: str) -> None:
    try:
        place = parse_url(start + rest)
    except RefusedUrl:
        return
    assert place.target.isascii()
    assert place.target.isprintable()
    assert " " not in place.target
    assert place.authority.isascii()
    assert place.authority.isprintable()


def test_a_redirect_may_be_relative() -> None:
    assert redirected("http://h/a/b?q", "../c") == "http://h/c"
    assert redirected("http://h/a", "//other/d") == "http://other/d"


def test_a_redirect_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(RefusedUrl, match="cannot be read"):
        redirected("http://h/", "http://[::1")
