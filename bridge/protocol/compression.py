"""Compression of messages and results, by Kombu's names and content types (kombu/compression.py).

What the standard library lacks is there when its package is installed: ``zstandard`` and ``brotli``.
"""

import bz2
import lzma
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

from bridge.errors import InvalidMessage, UnreadableBytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Compression:
    """A method, and the content type by which workers know it."""

    content_type: str
    compress: Callable[[bytes], bytes]
    decompress: Callable[[bytes], bytes]


def _zstd() -> Compression:
    package: Any = import_module("zstandard")
    return Compression(
        content_type="application/zstd",
        compress=lambda data: package.ZstdCompressor().compress(data),
        decompress=lambda data: package.ZstdDecompressor().decompress(data),
    )


def _brotli() -> Compression:
    package: Any = import_module("brotli")
    return Compression(content_type="application/x-brotli", compress=package.compress, decompress=package.decompress)


_ZLIB = Compression(content_type="application/x-gzip", compress=zlib.compress, decompress=zlib.decompress)
_BZ2 = Compression(content_type="application/x-bz2", compress=bz2.compress, decompress=bz2.decompress)
_LZMA = Compression(content_type="application/x-lzma", compress=lzma.compress, decompress=lzma.decompress)
_MAKE: dict[str, Callable[[], Compression]] = {
    "application/x-gzip": lambda: _ZLIB,
    "application/x-bz2": lambda: _BZ2,
    "application/x-lzma": lambda: _LZMA,
    "application/zstd": _zstd,
    "application/x-brotli": _brotli,
}
_ALIASES = {
    **dict.fromkeys(("gzip", "zlib"), "application/x-gzip"),  # by either name Kombu writes zlib's format
    **dict.fromkeys(("bzip2", "bzip"), "application/x-bz2"),
    **dict.fromkeys(("lzma", "xz"), "application/x-lzma"),
    **dict.fromkeys(("zstd", "zstandard"), "application/zstd"),
    "brotli": "application/x-brotli",
}


@cache
def _made(content_type: str) -> Compression:
    return _MAKE[content_type]()


def compression_named(name: str, pointer: str = "/options/compression") -> Compression:
    """A method by one of Kombu's names for it, or by its content type.

    Raises:
        InvalidMessage: there is none of that name, or its package is not installed.
    """
    content_type = _ALIASES.get(name, name)
    if content_type not in _MAKE:
        raise InvalidMessage(pointer, f"{name!r} is no compression; there are {', '.join(_ALIASES)}")
    try:
        return _made(content_type)
    except ImportError as error:
        raise InvalidMessage(pointer, f"{name!r} needs a package that is not installed: {error}") from error


def decompressed(data: bytes, content_type: str) -> bytes:
    """What was compressed by the method of that content type.

    Raises:
        UnreadableBytes: the method is not known, its package is not installed, or `data` is something else.
    """
    try:
        return compression_named(content_type).decompress(data)
    except InvalidMessage as error:
        raise UnreadableBytes(f"compressed bytes that cannot be read here: {error.reason}") from error
    except Exception as error:  # each method has errors of its own
        raise UnreadableBytes(f"not {content_type} data: {data[:80]!r}") from error
