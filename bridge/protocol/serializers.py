"""Serializers of messages and results, by Kombu's names and content types (kombu/serialization.py).

JSON is always there, YAML and MessagePack when ``PyYAML`` and ``msgpack`` are installed, others once they are
registered.
Pickle never is: whoever reads a pickle runs what it names.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from bridge.errors import InvalidMessage, InvalidSettings, UnreadableBytes
from bridge.protocol.bounded_yaml import TooMuchYaml, bounded_load
from bridge.protocol.typed import to_typed

PICKLE = ("pickle", "application/x-python-serialize")


def json_writer(make: Any) -> Callable[[Any], str]:
    """A writer of the JSON that Kombu writes. `make` is CPython's encoder in C, and None with another Python."""
    if make is None:
        return json.JSONEncoder(default=to_typed).encode
    # What `JSONEncoder.encode` makes anew for each value, which takes as long as writing a short one.
    pieces = make(None, to_typed, json.encoder.encode_basestring_ascii, None, ": ", ", ", False, False, True)
    return lambda value: "".join(pieces(value, 0))


json_text = json_writer(getattr(json.encoder, "c_make_encoder", None))
"""The JSON that Kombu writes: separators, escapes and typed values as there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Serializer:
    """How values become bytes and are read again, by a name, and by the content type under which workers accept it.

    `dumps` gives text or bytes and raises what it likes for a value it cannot write; `loads` takes the bytes of
    either, and must be safe to give bytes from anywhere. A `content_encoding` of ``binary`` says the bytes are no text.
    """

    name: str
    content_type: str
    content_encoding: str = "utf-8"
    dumps: Callable[[Any], str | bytes]
    loads: Callable[[bytes], Any]


def _yaml() -> Serializer:
    package: Any = import_module("yaml")
    loads = bounded_load(package)
    return Serializer(name="yaml", content_type="application/x-yaml", dumps=package.safe_dump, loads=loads)


def _msgpack() -> Serializer:
    package: Any = import_module("msgpack")
    return Serializer(
        name="msgpack",
        content_type="application/x-msgpack",
        content_encoding="binary",
        dumps=lambda value: package.packb(value, use_bin_type=True),
        loads=lambda data: package.unpackb(data, raw=False),
    )


_decoder = json.JSONDecoder()


def read_json(data: bytes) -> Any:
    """A value in UTF-8. `json.loads`, which also takes other encodings, needs twice as long where it has not just run.

    Raises:
        ValueError: it is no JSON, or no UTF-8.
        RecursionError: it is nested too deep.
    """
    text = data.decode()
    if text.startswith(("{", "[")):  # no space in front, and mostly none behind, which need not be looked for then
        value, end = _decoder.raw_decode(text)
        if end == len(text):
            return value
    return _decoder.decode(text)


JSON = Serializer(name="json", content_type="application/json", dumps=json_text, loads=read_json)
_MAKE: dict[str, Callable[[], Serializer]] = {"json": lambda: JSON, "yaml": _yaml, "msgpack": _msgpack}
_BUILT_IN = {JSON.content_type: "json", "application/x-yaml": "yaml", "application/x-msgpack": "msgpack"}
"""Names by content type, told without making the serializer, which may need a package."""
_PICKLES = (b"\x02", b"\x03", b"\x04", b"\x05")
"""Protocols of pickle, after its mark; in MessagePack the mark is an empty mapping, which nothing follows."""


class Serializers:
    """Those that are built in, and those that are registered. Nothing is imported for one that is not asked for."""

    def __init__(self, built_in: Mapping[str, Callable[[], Serializer]] = _MAKE) -> None:
        self._make = built_in
        self._made: dict[str, Serializer] = {}
        self._registered: dict[str, Serializer] = {}

    def __repr__(self) -> str:
        return f"<Serializers {', '.join((*self._make, *self._registered))}>"

    def register(self, serializer: Serializer) -> None:
        """Make a serializer of your own known in this process, for messages and for results that no other can read.

        Registering a name again replaces the one before.

        Raises:
            InvalidSettings: the name or content type is taken by one that is built in, or it is pickle's.
        """
        if serializer.name in PICKLE or serializer.content_type in PICKLE:
            raise InvalidSettings("Pickle cannot be registered: whoever reads a pickle runs what it names. Use JSON.")
        for taken, known in ((serializer.name, self._make), (serializer.content_type, _BUILT_IN)):
            if taken in known:
                raise InvalidSettings(f"{taken!r} is built in. Choose another name for your own serializer.")
        self._registered[serializer.name] = serializer

    def named(self, name: str, pointer: str = "/options/serializer") -> Serializer:
        """A serializer by its name.

        Raises:
            InvalidMessage: none of that name is known, or its package is not installed.
        """
        if name in self._registered:
            return self._registered[name]
        if name not in self._make:
            known = ", ".join((*self._make, *self._registered))
            raise InvalidMessage(pointer, f"{name!r} is not known here; there are {known}, see register_serializer")
        try:
            return self._built_in(name)
        except ImportError as error:
            raise InvalidMessage(pointer, f"{name!r} needs a package that is not installed: {error}") from error

    def _built_in(self, name: str) -> Serializer:
        if name not in self._made:
            self._made[name] = self._make[name]()
        return self._made[name]

    def loads(self, data: bytes, content_type: str) -> Any:
        """A value in the serialization of that content type, in the terms of JSON as `loads_any` gives it.

        Raises:
            UnreadableBytes: it cannot be read here; the sentence says what may help.
        """
        if content_type in PICKLE:
            raise UnreadableBytes(
                "it is a pickle, which is never read here: "
                "set the workers' task_serializer and event_serializer to 'json'"
            )
        name = _BUILT_IN.get(content_type) or self._registered_for(content_type)
        try:
            return _in_json(self.named(name), data)
        except InvalidMessage as error:
            raise UnreadableBytes(f"{content_type}: {error.reason}") from error
        except Exception as error:  # each serializer has errors of its own
            raise UnreadableBytes(f"{name} cannot read it: {error}") from error

    def _registered_for(self, content_type: str) -> str:
        return next((one.name for one in self._registered.values() if one.content_type == content_type), content_type)

    def loads_any(self, data: bytes) -> Any:
        """A mapping that is not empty, in whichever serialization: stored results do not say which one they are in.

        JSON and MessagePack are told by their first byte; what is neither is YAML, as far as it can be read in half a
        second (`bridge.protocol.bounded_yaml`). What is not JSON is given in the terms of JSON, with typed
        values as Kombu's JSON has them, so that nobody needs to ask what it was.

        Raises:
            UnreadableBytes: no serializer here can read it; the sentence says what may help.
        """
        if data[:1] == b"{":
            return JSON.loads(data)
        if data[:1] == b"\x80" and data[1:2] in _PICKLES:
            raise UnreadableBytes(
                "it is a pickle, which is never read here: set the workers' result_serializer to 'json'"
            )
        for name in self._likely(data):
            if (loaded := self._tried(name, data)) is not None:
                return loaded
        raise UnreadableBytes("no serializer here can read it: install the package of the workers' result_serializer")

    def _likely(self, data: bytes) -> tuple[str, ...]:
        is_packed = b"\x80" < data[:1] < b"\x90" or data[:1] in (b"\xde", b"\xdf")
        if is_packed:
            return ("msgpack",)
        # PyYAML takes seconds to find that a list nested deep is no mapping.
        return tuple(self._registered) if data[:1] == b"[" else (*self._registered, "yaml")

    def _tried(self, name: str, data: bytes) -> Any:
        try:
            return _in_json(self.named(name), data)
        except TooMuchYaml as error:
            raise UnreadableBytes(str(error)) from error
        except Exception:  # each serializer has errors of its own
            return None


def _in_json(serializer: Serializer, data: bytes) -> Any:
    loaded = serializer.loads(data)
    return loaded if serializer is JSON else json.loads(json_text(loaded))


_KNOWN = Serializers()
"""Those of this process."""
register_serializer = _KNOWN.register
serializer_named = _KNOWN.named
loads = _KNOWN.loads
loads_any = _KNOWN.loads_any


def dumps_checked(value: Any, serializer: Serializer) -> bytes:
    """The bytes of `value`, read again once here: what cannot be read a worker would drop without a word.

    Raises:
        InvalidMessage: the serializer cannot write it, or cannot read what it wrote.
    """
    try:
        written = serializer.dumps(value)
        data = written.encode() if isinstance(written, str) else bytes(written)
        args, kwargs, embed = serializer.loads(data)
        if not (isinstance(args, list | tuple) and isinstance(kwargs, dict) and isinstance(embed, dict)):
            raise TypeError("what was written is read as something else")
    except Exception as error:  # each serializer has errors of its own
        reason = f"{serializer.name} cannot write these arguments: {error}"
        raise InvalidMessage("/options/serializer", reason) from error
    return data
