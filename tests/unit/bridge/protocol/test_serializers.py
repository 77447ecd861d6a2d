import json
import pickle
import sys
from datetime import UTC, datetime
from typing import Any

import pytest

from bridge.errors import InvalidMessage, InvalidSettings, UnreadableBytes
from bridge.protocol.serializers import JSON, Serializer, Serializers, dumps_checked, json_text, json_writer, read_json
from bridge.protocol.typed import from_typed

yaml = pytest.importorskip("yaml")
msgpack = pytest.importorskip("msgpack")
META = {"status": "SUCCESS", "result": 5}
LATER = datetime(2030, 1, 31, tzinfo=UTC)


def reversed_json(name: str = "reversed", **fields: Any) -> Serializer:
    """JSON from its end to its start, as somebody's own serializer may have it."""
    made: dict[str, Any] = {
        "name": name,
        "content_type": "application/x-reversed",
        "dumps": lambda value: json.dumps(value)[::-1],
        "loads": lambda data: json.loads(data[::-1]),
    }
    return Serializer(**made | fields)


@pytest.fixture
def known() -> Serializers:
    """As a process has them that has registered none of its own."""
    return Serializers()


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process without the packages that are not needed."""
    for package in ("yaml", "msgpack"):
        monkeypatch.setitem(sys.modules, package, None)


@pytest.mark.parametrize("name", ["json", "yaml", "msgpack"])
def test_what_is_written_is_read_again(known: Serializers, name: str) -> None:
    body: Any = ([1, "é", None, True, 2.5], {"a": {"b": []}}, {"chord": None})
    serializer = known.named(name)
    assert tuple(serializer.loads(dumps_checked(body, serializer))) == body


def test_a_registered_serializer_is_known_by_its_name(known: Serializers) -> None:
    known.register(reversed_json())
    assert dumps_checked(([], {}, {}), known.named("reversed")) == b"]}{ ,}{ ,][["
    assert repr(known) == "<Serializers json, yaml, msgpack, reversed>"


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "pickle"},
        {"content_type": "application/x-python-serialize"},
        {"name": "json"},
        {"name": "yaml"},
        {"content_type": "application/x-msgpack"},
    ],
)
def test_pickle_and_what_is_built_in_cannot_be_registered(known: Serializers, fields: dict[str, str]) -> None:
    with pytest.raises(InvalidSettings):
        known.register(reversed_json(**fields))


@pytest.mark.parametrize("name", ["pickle", "xml", ""])
def test_an_unknown_serializer_is_refused(known: Serializers, name: str) -> None:
    with pytest.raises(InvalidMessage, match="is not known here; there are json, yaml, msgpack") as refused:
        known.named(name)
    assert refused.value.pointer == "/options/serializer"


@pytest.mark.parametrize("name", ["yaml", "msgpack"])
@pytest.mark.usefixtures("nothing_installed")
def test_a_serializer_whose_package_is_missing_is_refused_by_a_sentence(known: Serializers, name: str) -> None:
    with pytest.raises(InvalidMessage, match="needs a package that is not installed"):
        known.named(name)


@pytest.mark.parametrize("read", [None, [1, 2], [[], {}], ["", {}, {}], [[], [], {}], [[], {}, None]])
def test_what_would_be_read_as_something_else_is_not_sent(read: object) -> None:
    with pytest.raises(InvalidMessage, match="cannot write these arguments"):
        dumps_checked(([], {}, {}), reversed_json(loads=lambda _: read))


@pytest.mark.parametrize(
    "data",
    [
        json.dumps(META).encode(),
        yaml.safe_dump(META).encode(),
        msgpack.packb(META),
        msgpack.packb(META | {str(n): n for n in range(20)}),
        msgpack.packb(META | {str(n): n for n in range(70_000)}),
    ],
    ids=["JSON", "YAML", "MessagePack", "a larger MessagePack", "the largest MessagePack"],
)
def test_a_stored_mapping_tells_by_itself_what_it_is_written_in(known: Serializers, data: bytes) -> None:
    assert META.items() <= known.loads_any(data).items()


def test_a_stored_mapping_is_read_by_a_registered_serializer(known: Serializers) -> None:
    known.register(reversed_json())
    assert known.loads_any(json.dumps(META)[::-1].encode()) == META


def test_what_another_serializer_gives_is_told_in_the_terms_of_json(known: Serializers) -> None:
    told = known.loads_any(yaml.safe_dump({"result": {"at": LATER, "raw": b"\xff", 5: "five"}}).encode())

    assert json.loads(json.dumps(told)) == told
    assert from_typed(told) == {"result": {"at": LATER, "raw": b"\xff", "5": "five"}}


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_is_never_read(known: Serializers, protocol: int) -> None:
    with pytest.raises(UnreadableBytes, match="set the workers' result_serializer to 'json'"):
        known.loads_any(pickle.dumps(META, protocol=protocol))


@pytest.mark.parametrize("data", [yaml.safe_dump(META).encode(), msgpack.packb(META)])
@pytest.mark.usefixtures("nothing_installed")
def test_a_stored_mapping_whose_package_is_missing_says_so(known: Serializers, data: bytes) -> None:
    with pytest.raises(UnreadableBytes, match="install the package"):
        known.loads_any(data)


@pytest.mark.parametrize("data", [b"\x81", b"a: [", b"&a [*a]", b"a: !!set {b}", b"\xff\xff", b"\x80"])
def test_what_no_serializer_reads_is_unreadable(known: Serializers, data: bytes) -> None:
    with pytest.raises(UnreadableBytes, match="no serializer here"):
        known.loads_any(data)


def test_a_list_is_not_handed_to_yaml_which_takes_long_for_one_nested_deep() -> None:
    handed: list[bytes] = []

    def loads(data: bytes) -> dict[str, str]:
        handed.append(data)
        return {"read": "by YAML"}

    known = Serializers({"yaml": lambda: reversed_json("yaml", loads=loads)})
    assert known.loads_any(b"a: 1") == {"read": "by YAML"}
    with pytest.raises(UnreadableBytes):
        known.loads_any(b"[" * 10_000)
    assert handed == [b"a: 1"]


def test_json_is_written_alike_by_every_python() -> None:
    value = {"é": [1, 2.5, None, True, "\ud83d", LATER], "nested": [{}, [], [[{"a": b"b"}]]]}
    assert json_writer(None)(value) == json_text(value)


def test_json_is_told_by_its_first_byte(known: Serializers) -> None:
    with pytest.raises(ValueError, match="Expecting"):
        known.loads_any(b'{"half": ')
    assert JSON.name == "json"


@pytest.mark.parametrize("name", ["json", "yaml", "msgpack", "reversed"])
def test_a_value_is_read_by_its_content_type(known: Serializers, name: str) -> None:
    known.register(reversed_json())
    serializer = known.named(name)
    written = serializer.dumps([META, "é"])
    data = written.encode() if isinstance(written, str) else written
    assert known.loads(data, serializer.content_type) == [META, "é"]


def test_what_is_read_by_its_content_type_is_told_in_the_terms_of_json_too(known: Serializers) -> None:
    told = known.loads(yaml.safe_dump({"at": LATER, 5: "five"}).encode(), "application/x-yaml")

    assert json.loads(json.dumps(told)) == told
    assert from_typed(told) == {"at": LATER, "5": "five"}


@pytest.mark.parametrize(
    ("data", "content_type", "reason"),
    [
        (pickle.dumps(META), "application/x-python-serialize", "never read here: set the workers' task_serializer"),
        (pickle.dumps(META), "pickle", "never read here"),
        (b"{}", "text/xml", "'text/xml' is not known here"),
        (b"{", "application/json", "json cannot read it"),
        (b"\xc1", "application/x-msgpack", "msgpack cannot read it"),
        (b"a: !!python/name:os.system", "application/x-yaml", "yaml cannot read it"),
    ],
)
def test_what_its_content_type_does_not_fit_is_unreadable(
    known: Serializers, data: bytes, content_type: str, reason: str
) -> None:
    with pytest.raises(UnreadableBytes, match=reason):
        known.loads(data, content_type)


@pytest.mark.usefixtures("nothing_installed")
def test_a_content_type_whose_package_is_missing_says_so(known: Serializers) -> None:
    with pytest.raises(UnreadableBytes, match="needs a package that is not installed"):
        known.loads(b"{}", "application/x-yaml")


@pytest.mark.parametrize("text", ['{"a": [1]}', "[1, null]", ' {"a": 1}', '{"a": 1} \n', "5", '"é"', " null "])
def test_json_is_read_with_spaces_around_it_or_without(text: str) -> None:
    assert read_json(text.encode()) == json.loads(text)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", "Expecting value"),
        (b"{", "Expecting property name"),
        (b"[1,", "Expecting value"),
        (b'{"a": 1} x', "Extra data"),
        (b"{} {}", "Extra data"),
        (b"nothing", "Expecting value"),
        (b"\xff", "invalid start byte"),
    ],
)
def test_what_is_no_json_is_an_error(data: bytes, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        read_json(data)
