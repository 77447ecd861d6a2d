"""What nobody should send, and which field the answer must name. Pure."""

import json
from dataclasses import dataclass
from typing import Any

TYPED = {"__type__": "nobody-knows", "__value__": 1}
"""Kills or blinds stock workers where it reaches them."""
OWN_KEYS = ("unacked", "unacked_index", "unacked_mutex", "_kombu.binding.celery", "celery-task-meta-x", "petiole:open")


@dataclass(frozen=True, kw_only=True)
class Bad:
    """A body for POST /v1/tasks, and the JSON pointer of what is wrong with it."""

    name: str
    body: bytes
    pointer: str

    @classmethod
    def task(cls, name: str, pointer: str, **fields: Any) -> "Bad":
        """A task with these fields."""
        return cls(name=name, body=json.dumps({"task": "stock.add", **fields}).encode(), pointer=pointer)

    @classmethod
    def option(cls, name: str, option: str, value: Any) -> "Bad":
        """A task with this option."""
        return cls.task(f"{option}: {name}", f"/options/{option}", options={option: value})

    @classmethod
    def raw(cls, name: str, body: str | bytes, pointer: str = "") -> "Bad":
        """A body as it is."""
        return cls(name=name, body=body.encode() if isinstance(body, str) else body, pointer=pointer)


def nested(depth: int) -> str:
    """A task with an argument of so many lists, each in the one before."""
    return '{"task": "stock.add", "args": ' + "[" * depth + "]" * depth + "}"


NOT_JSON = [
    Bad.raw("nothing", ""),
    Bad.raw("no JSON", "{"),
    Bad.raw("no UTF-8", b'{"task": "\xff"}'),
    Bad.raw("NaN", '{"task": "stock.add", "args": [NaN]}'),
    Bad.raw("Infinity", '{"task": "stock.add", "args": [-Infinity]}'),
    Bad.raw("a number of 5,000 digits", '{"task": "stock.add", "args": [' + "9" * 5_000 + "]}"),
    Bad.raw("100,000 lists in each other", nested(100_000)),
    Bad.raw("a list", "[]"),
    Bad.raw("a text", '"stock.add"'),
    Bad.raw("null", "null"),
    Bad.raw("two values", "{} {}"),
]
NAMES = [
    Bad.task("no text for a name", "/task", task=5),
    Bad.task("null for a name", "/task", task=None),
    Bad.raw("no name", "{}", "/task"),
    Bad.task("an empty name", "/task", task=""),
    Bad.task("a name of 256 characters", "/task", task="x" * 256),
    Bad.task("a name of 100,000 characters", "/task", task="x" * 100_000),
    Bad.task("a name with a blank", "/task", task="stock add"),
    Bad.task("a name with a line end", "/task", task="stock.add\n"),
    Bad.task("a name with a zero", "/task", task="stock.add\0"),
    Bad.task("a name with half a surrogate pair", "/task", task="\ud800"),
    Bad.task("a part of Celery's workflows, which sends what it is told", "/task", task="celery.group"),
    Bad.task("an unknown field", "/kwarg", kwarg={}),
    Bad.task("an unknown option", "/options/delay", options={"delay": 1}),
    Bad.raw("an unknown field with half a surrogate pair", '{"task": "stock.add", "\\ud800": 1}'),
]
ARGUMENTS = [
    Bad.task("args: an object", "/args", args={}),
    Bad.task("args: a text", "/args", args="12"),
    Bad.task("kwargs: a list", "/kwargs", kwargs=[]),
    Bad.task("kwargs: null", "/kwargs", kwargs=None),
    Bad.task("options: a list", "/options", options=[]),
    Bad.raw("args: a number beyond all numbers", '{"task": "stock.add", "args": [1, 1e400]}', "/args/1"),
    Bad.raw("args: 66 lists in each other", nested(66), "/args" + "/0" * 64),
    Bad.task("args: half a surrogate pair", "/args/0", args=["\udfff"]),
    Bad.task("kwargs: a name with half a surrogate pair", "/kwargs", kwargs={"\ud800": 1}),
    Bad.task("args: a typed value", "/args/0", args=[TYPED]),
    Bad.task("args: a typed value deep inside", "/args/0/a~1b/1", args=[{"a/b": [0, TYPED]}]),
    Bad.task("kwargs: a typed value", "/kwargs/x", kwargs={"x": TYPED}),
    Bad.task("kwargs: typed themselves", "/kwargs", kwargs=TYPED),
    Bad.task("kwargs: typed below a name of 100,000 characters", "/kwargs/" + "x" * 192, kwargs={"x" * 100_000: TYPED}),
    Bad.task("kwargs: a typed value that Celery knows", "/kwargs/x", kwargs={"x": TYPED | {"__type__": "uuid"}}),
]
TIMES = [
    Bad.option("naive", "eta", "2030-01-31T12:00:00"),
    Bad.option("no time", "eta", "tomorrow"),
    Bad.option("a number", "eta", 1_900_000_000),
    Bad.option("at the end of the calendar", "eta", "9999-12-31T23:59:59-23:00"),
    Bad.option("at its beginning", "eta", "0001-01-01T00:00:00+23:00"),
    Bad.task(
        "eta and countdown",
        "/options/countdown",
        options={"eta": "2030-01-31T12:00:00Z", "countdown": 1},
    ),
    Bad.option("negative", "countdown", -1),
    Bad.option("a text", "countdown", "1"),
    Bad.option("true", "countdown", True),
    Bad.option("a thousand years", "countdown", 3.2e10),
    Bad.option("negative", "expires", -1),
    Bad.option("naive", "expires", "2030-01-31T12:00:00"),
    Bad.option("typed", "expires", TYPED),
    Bad.option("zero", "time_limit", 0),
    Bad.option("negative", "time_limit", -1),
    Bad.option("a text", "soft_time_limit", "1"),
    Bad.option("a list", "soft_time_limit", [1]),
    Bad.task("soft above hard", "/options/soft_time_limit", options={"time_limit": 1, "soft_time_limit": 2}),
]
OPTIONS = [
    Bad.option("10", "priority", 10),
    Bad.option("-1", "priority", -1),
    Bad.option("a text", "priority", "1"),
    Bad.option("a fraction", "priority", 1.5),
    Bad.option("true", "priority", True),
    Bad.option("beyond all integers", "priority", 10**40),
    Bad.option("empty", "task_id", ""),
    Bad.option("256 characters", "task_id", "x" * 256),
    Bad.option("a blank", "task_id", "a b"),
    Bad.option("a slash", "task_id", "a/b"),
    Bad.option("a line end", "task_id", "a\n"),
    Bad.option("no ASCII", "task_id", "ä"),
    Bad.option("half a surrogate pair", "task_id", "\ud800"),
    Bad.option("a number", "task_id", 5),
    Bad.option("empty", "queue", ""),
    Bad.option("256 characters", "queue", "x" * 256),
    Bad.option("a blank", "queue", "a b"),
    Bad.option("a priority of its own", "queue", "stock\x06\x163"),
    Bad.option("a list", "queue", ["stock"]),
    *(Bad.option(f"Celery's or our own key {key}", "queue", key) for key in OWN_KEYS),
    Bad.option("33 of them", "tags", ["x"] * 33),
    Bad.option("a text", "tags", "x"),
    Bad.task("tags: empty", "/options/tags/1", options={"tags": ["x", ""]}),
    Bad.task("tags: too long", "/options/tags/0", options={"tags": ["x" * 129]}),
    Bad.task("tags: a line end", "/options/tags/0", options={"tags": ["x\n"]}),
    Bad.task("tags: half a surrogate pair", "/options/tags/0", options={"tags": ["\ud800"]}),
    Bad.task("tags: typed", "/options/tags/0", options={"tags": [TYPED]}),
]
BAD = [*NOT_JSON, *NAMES, *ARGUMENTS, *TIMES, *OPTIONS]
BAD_PAYLOADS: dict[str, Any] = {
    "a number": 5,
    "null": None,
    "an object": {},
    "typed": TYPED,
    "half a surrogate pair": "\ud800",
}
EDGES: dict[str, dict[str, Any]] = {
    "the longest task_id": {"task_id": "x" * 255},
    "every character of a task_id": {"task_id": "Az09_.:@+=-"},
    "the last priority": {"priority": 9},
    "no delay": {"countdown": 0},
    "hardly any delay": {"countdown": 5e-324},
    "a time long past": {"eta": "1971-01-01T00:00:00+23:59"},
    "a time in another zone": {"eta": "2020-02-29T23:59:59.999999-12:00"},
    "the last deadline": {"expires": "2999-12-31T23:59:59Z"},
    "the longest deadline": {"expires": 31_536_000},
    "the longest limits": {"time_limit": 31_536_000, "soft_time_limit": 31_535_999},
    "all tags there may be": {"tags": ["x" * 128] * 32},
    "tags in any script": {"tags": ["ü", "字", "🌿"]},
}
"""Options at the edge of what may be sent."""
EDGE_VALUES: dict[str, Any] = {
    "64 lists in each other": json.loads("[" * 62 + "]" * 62),
    "4,300 digits": 10**4_299,
    "the smallest number": 5e-324,
    "every plane of Unicode": "\x00\x7f\u2028\ufffe\U0010ffff🌿",
    "names that look typed": {"__type__": "uuid", "__value__": 1, "and": "more"},
    "a name that looks like a format": {"%s{}": "%(x)s"},
}
"""Arguments at the edge of what may be sent."""
