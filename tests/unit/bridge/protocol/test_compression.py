import sys
from collections.abc import Iterator

import pytest

from bridge.errors import InvalidMessage, UnreadableBytes
from bridge.protocol import compression
from bridge.protocol.compression import compression_named, decompressed

TYPES = ["application/x-gzip", "application/x-bz2", "application/x-lzma", "application/zstd", "application/x-brotli"]

PACKAGES = {"application/zstd": "zstandard", "application/x-brotli": "brotli"}
"""What the standard library lacks."""


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A process without the packages that are not needed."""
    compression._made.cache_clear()
    for package in ("zstandard", "brotli"):
        monkeypatch.setitem(sys.modules, package, None)
    yield
    compression._made.cache_clear()


@pytest.mark.parametrize("content_type", TYPES)
def test_what_is_compressed_comes_out_as_it_was(content_type: str) -> None:
    pytest.importorskip(PACKAGES.get(content_type, "zlib"))
    method = compression_named(content_type)

    assert method.content_type == content_type
    assert decompressed(method.compress(b"x" * 1_000), content_type) == b"x" * 1_000


@pytest.mark.parametrize(
    ("name", "other"), [("zlib", "gzip"), ("bzip2", "bzip"), ("lzma", "xz"), ("zstd", "zstandard")]
)
def test_a_method_goes_by_each_of_kombus_names(name: str, other: str) -> None:
    pytest.importorskip(PACKAGES["application/zstd"] if name == "zstd" else "zlib")
    assert compression_named(name) is compression_named(other)


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(InvalidMessage, match="there are gzip, zlib") as refused:
        compression_named("zip")
    assert refused.value.pointer == "/options/compression"


@pytest.mark.parametrize("name", ["zstd", "brotli"])
@pytest.mark.usefixtures("nothing_installed")
def test_a_method_whose_package_is_missing_is_refused_by_a_sentence(name: str) -> None:
    with pytest.raises(InvalidMessage, match="needs a package that is not installed"):
        compression_named(name)
    with pytest.raises(UnreadableBytes, match="needs a package that is not installed"):
        decompressed(b"", compression._ALIASES[name])


@pytest.mark.parametrize("content_type", [*TYPES, "application/x-unknown", ""])
def test_bytes_that_are_not_compressed_are_unreadable(content_type: str) -> None:
    with pytest.raises(UnreadableBytes):
        decompressed(b"something else", content_type)
