"""Announcements are read strictly, and the newest word on a type counts."""

import json
from typing import Any

import pytest

from bridge.errors import UnreadableBytes
from bridge.protocol.catalog import NAME_LIMIT, TYPES_LIMIT, Catalog, TaskType, names_of, read_announcement, read_names

SCHEMA = {"type": "object", "properties": {"x": {"type": "integer"}}}


def said(**changed: Any) -> dict[str, Any]:
    """What a worker says of one type."""
    return {
        "name": "mail.send",
        "doc": "Send a mail.",
        "schema": SCHEMA,
        "queue": "mail",
        "retry": {"max_retries": 3},
        "time_limit": 60,
        "soft_time_limit": None,
        **changed,
    }


def announcement(*types: Any, version: Any = 1) -> bytes:
    return json.dumps({"version": version, "worker": "w1@example", "task_types": types}).encode()


def test_an_announcement_is_read() -> None:
    (read,) = read_announcement(announcement(said()))
    assert read == TaskType(
        name="mail.send",
        announced=True,
        doc="Send a mail.",
        schema_json='{"type":"object","properties":{"x":{"type":"integer"}}}',
        queue="mail",
        retry={"max_retries": 3},
        time_limit=60,
    )
    assert read.schema == SCHEMA


def test_a_type_may_have_no_schema_and_no_queue() -> None:
    (read,) = read_announcement(announcement(said(schema=None, queue=None)))
    assert (read.announced, read.schema, read.queue) == (True, None, None)


def test_fields_of_a_later_minor_version_are_passed_over() -> None:
    assert read_announcement(announcement(said(colour="red")))[0].name == "mail.send"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b"[" * 100_000,
        announcement(said(), version=2),
        announcement("mail.send"),
        announcement({"name": "mail.send"}),
        announcement(said(name="")),
        announcement(said(name="x" * (NAME_LIMIT + 1))),
        announcement(said(name=7)),
        announcement(said(doc=None)),
        announcement(said(schema="{}")),
        announcement(said(queue=7)),
        announcement(said(retry=[])),
        announcement(said(time_limit="60")),
    ],
    ids=lambda data: repr(data)[:60],
)
def test_what_is_no_announcement_is_refused(data: bytes) -> None:
    with pytest.raises(UnreadableBytes, match="not an announcement"):
        read_announcement(data)


def test_the_newest_word_on_a_type_counts_and_any_announcement_more_than_a_name() -> None:
    old, new = TaskType(name="a", announced=True, doc="old"), TaskType(name="a", announced=True, doc="new")
    other = TaskType(name="b", announced=True)
    catalog = Catalog.of([[old, other], [new]], names=["a", "c"])
    assert list(catalog.types.values()) == [new, other, TaskType(name="c")]


def test_the_tag_changes_with_any_word_and_only_then() -> None:
    def tag(*types: TaskType, names: tuple[str, ...] = ()) -> str:
        return Catalog.of([types], names).tag

    one, two = TaskType(name="a", announced=True), TaskType(name="b", announced=True)
    assert tag(one, two) == tag(two, one) == tag(one, two, names=("b",))
    tags = {tag(), tag(one), tag(one, two), tag(one, names=("b",)), tag(TaskType(name="a", announced=True, doc="d"))}
    assert len(tags) == 5


def test_names_that_no_task_can_have_and_more_types_than_the_limit_are_left_out() -> None:
    names = ["", "x" * (NAME_LIMIT + 1), *(f"{number:05}" for number in range(TYPES_LIMIT + 1))]
    assert list(Catalog.of([], names).types) == [f"{number:05}" for number in range(TYPES_LIMIT)]


def test_names_are_read() -> None:
    assert read_names(b'["a","b"]') == ("a", "b")
    for data in (b"7", b"nonsense"):
        with pytest.raises(UnreadableBytes, match="not names"):
            read_names(data)


def test_the_names_in_replies_stand_without_attributes_and_without_celerys_own() -> None:
    replies = {"w1": ["mail.send [rate_limit=10/m]", "celery.chord", "add"], "w2": {"error": "unknown"}}
    assert names_of(replies) == {"w1": ["mail.send", "add"]}
