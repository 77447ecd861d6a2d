import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import FastAPI

from app.batch_items import Lines
from bridge import Call
from tests.unit.app.edge import ToldClient, asked, edge_on, requests_to

PATH = "/v1/batches"
NDJSON = {"Content-Type": "application/x-ndjson"}
GOOD = {"task": "tasks.add", "args": [1]}
BAD = {"task": "tasks.add", "options": {"priority": 10}}


def lines(*items: Any) -> bytes:
    return b"".join(json.dumps(item).encode() + b"\n" for item in items)


def sent(items: list[Any], *, as_lines: bool, **more: Any) -> dict[str, Any]:
    """How a batch is asked for, in either of the two forms."""
    if as_lines:
        return {"content": lines(*items), "headers": NDJSON, "params": more}
    return {"json": {"items": items, **more}}


either = pytest.mark.parametrize("as_lines", [False, True], ids=["json", "ndjson"])


@either
async def test_a_batch_answers_an_outcome_for_each_item(app: FastAPI, as_lines: bool) -> None:
    client = ToldClient()
    answer = await asked(app, client, "POST", PATH, **sent([GOOD, BAD, 5, GOOD], as_lines=as_lines))
    told = answer.json()

    assert (answer.status_code, told["accepted"], told["refused"]) == (202, 2, 2)
    assert [item["index"] for item in told["items"]] == [0, 1, 2, 3]
    assert [item.get("task_id") for item in told["items"]] == ["a0", None, None, "a3"]
    error = told["items"][1]["error"]
    assert (error["type"], error["status"]) == ("payload-invalid", 422)
    assert [(one["in"], one["pointer"]) for one in error["errors"]] == [("body", "/options/priority")]
    assert told["items"][2]["error"]["errors"][0]["pointer"] == ""


@either
async def test_the_most_retries_of_an_item_are_a_header(app: FastAPI, as_lines: bool) -> None:
    client = ToldClient()
    await asked(app, client, "POST", PATH, **sent([{**GOOD, "options": {"max_retries": 1}}], as_lines=as_lines))
    ((_, calls),) = client.batches
    assert [call.options["headers"] for call in calls] == [{"max_retries": 1}]


@either
async def test_items_reach_the_bridge_as_they_were_said(app: FastAPI, as_lines: bool) -> None:
    client = ToldClient()
    item = {"task": "tasks.add", "args": [1], "kwargs": {"y": 2}, "options": {"queue": "mail", "tags": ["own"]}}
    await asked(app, client, "POST", PATH, **sent([GOOD, item], as_lines=as_lines, tags=["x", "y"]))

    ((_, calls),) = client.batches
    assert calls[0] == Call("tasks.add", [1], {}, {"tags": ["x", "y"]})
    assert calls[1][:3] == ("tasks.add", [1], {"y": 2})
    given = {name: value for name, value in calls[1].options.items() if value}
    assert given == {"queue": "mail", "tags": ["own", "x", "y"]}


@either
async def test_the_links_of_a_batch_follow_it_from_before_its_first_task(app: FastAPI, as_lines: bool) -> None:
    client = ToldClient()
    answer = await asked(app, client, "POST", PATH, **sent([GOOD], as_lines=as_lines))

    ((batch_id, _),) = client.batches
    events = f"/v1/events?batch={batch_id}&after=0-0"
    assert answer.json()["batch_id"] == batch_id
    assert answer.json()["links"] == {"tasks": f"/v1/tasks?batch={batch_id}", "events": events}
    assert answer.headers["location"] == f"/v1/tasks?batch={batch_id}"
    assert answer.headers["link"] == f'<{events}>; rel="monitor"'


@either
async def test_of_an_atomic_batch_with_a_bad_item_nothing_is_queued(app: FastAPI, as_lines: bool) -> None:
    answer = await asked(app, ToldClient(), "POST", PATH, **sent([GOOD, BAD], as_lines=as_lines, atomic=True))

    problem = answer.json()
    assert (answer.status_code, problem["type"]) == (422, "batch-refused")
    assert [(item["index"], item["error"]["type"]) for item in problem["items"]] == [(1, "payload-invalid")]


@either
async def test_an_atomic_batch_without_one_is_accepted(app: FastAPI, as_lines: bool) -> None:
    answer = await asked(app, ToldClient(), "POST", PATH, **sent([GOOD, GOOD], as_lines=as_lines, atomic=True))
    assert (answer.status_code, answer.json()["accepted"]) == (202, 2)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"items": []}, "/items"),
        ({"items": {}}, "/items"),
        ({}, "/items"),
        ({"items": [GOOD], "atomic": 1}, "/atomic"),
        ({"items": [GOOD], "tags": [""]}, "/tags/0"),
        ({"items": [GOOD], "more": 1}, "/more"),
        ([], ""),
    ],
)
async def test_a_batch_that_is_none_is_refused_as_a_whole(app: FastAPI, body: Any, pointer: str) -> None:
    client = ToldClient()
    answer = await asked(app, client, "POST", PATH, json=body)
    assert answer.status_code == 422
    assert [(one["in"], one["pointer"]) for one in answer.json()["errors"]] == [("body", pointer)]
    assert client.batches == []


async def test_a_body_of_another_kind_is_refused(app: FastAPI) -> None:
    answer = await asked(app, ToldClient(), "POST", PATH, content=b"task,args", headers={"Content-Type": "text/csv"})
    assert (answer.status_code, answer.json()["type"]) == (422, "payload-invalid")


async def test_lines_that_are_blank_are_no_items_and_the_last_needs_no_end(app: FastAPI) -> None:
    body = b"\n" + lines(GOOD) + b"  \r\n\n" + lines(GOOD)[:-1]
    answer = await asked(app, ToldClient(), "POST", PATH, content=body, headers=NDJSON)
    assert answer.json()["accepted"] == 2


@pytest.mark.parametrize("body", [b"", b"\n \n"])
async def test_a_body_without_a_line_is_no_batch(app: FastAPI, body: bytes) -> None:
    answer = await asked(app, ToldClient(), "POST", PATH, content=body, headers=NDJSON)
    assert (answer.status_code, answer.json()["detail"]) == (422, "body as a whole: has no items")


async def test_a_line_that_is_no_json_is_refused_by_itself(app: FastAPI) -> None:
    answer = await asked(app, ToldClient(), "POST", PATH, content=b"{\n" + lines(GOOD), headers=NDJSON)
    told = answer.json()
    assert (told["accepted"], told["items"][0]["error"]["type"]) == (1, "payload-invalid")


async def test_items_beyond_the_limit_are_refused_before_anything_is_queued(app: FastAPI) -> None:
    client = ToldClient()
    async with requests_to(app, edge_on(client, max_batch=2)) as http:
        answer = await http.post(PATH, json={"items": [GOOD] * 3})
    assert (answer.status_code, answer.json()["type"]) == (413, "payload-too-large")
    assert client.batches == []


async def test_lines_beyond_the_limit_are_told_as_one_outcome(app: FastAPI) -> None:
    client = ToldClient()
    async with requests_to(app, edge_on(client, max_batch=2)) as http:
        answer = await http.post(PATH, content=lines(*[GOOD] * 9), headers=NDJSON)
    told = answer.json()
    assert (answer.status_code, told["accepted"], told["refused"]) == (202, 2, 1)
    assert (told["items"][2]["index"], told["items"][2]["error"]["type"]) == (2, "payload-too-large")


async def test_a_line_that_is_too_long_is_refused_and_the_next_is_read(app: FastAPI) -> None:
    long = {"task": "tasks.add", "args": ["x" * 2_000]}
    async with requests_to(app, edge_on(ToldClient(), max_body_bytes=1_024)) as http:
        answer = await http.post(PATH, content=lines(GOOD, long, GOOD), headers=NDJSON)
    assert [item.get("task_id") for item in answer.json()["items"]] == ["a0", None, "a2"]
    assert answer.json()["items"][1]["error"]["status"] == 413


async def test_a_batch_has_a_limit_of_its_own_for_its_body(app: FastAPI) -> None:
    large = [{"task": "tasks.add", "args": ["x" * 1_000]}] * 100
    answer = await asked(app, ToldClient(), "POST", PATH, json={"items": large})
    assert answer.status_code == 202
    answer = await asked(app, ToldClient(), "POST", "/v1/tasks", json=GOOD | {"args": ["x" * 20_000]})
    assert answer.status_code == 413


@pytest.mark.parametrize("atomic", [False, True])
async def test_a_body_beyond_it_keeps_what_was_queued_unless_it_is_atomic(app: FastAPI, atomic: bool) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield lines(GOOD | {"args": ["x" * 900]}) * 100

    async with requests_to(app, edge_on(ToldClient())) as http:
        answer = await http.post(PATH, content=endless(), headers=NDJSON, params={"atomic": atomic})
    told = answer.json()
    assert answer.status_code == (422 if atomic else 202)
    assert told["items"][-1]["error"]["type"] == "payload-too-large"


LINE_CASES = [
    ([b"a\nb\n"], [b"a", b"b", b""]),
    ([b"a", b"b\nc"], [b"ab", b"c"]),
    ([b"abcdef\ng"], [None, b"g"]),
    ([b"abc", b"def", b"ghi", b"j\nk"], [None, b"k"]),
    ([b"abcdef\n", b"abcdefg", b"\n", b"x"], [None, None, b"x"]),
    ([b"abcdef"], [None, b""]),
    ([b"abcd\n"], [b"abcd", b""]),
]


@pytest.mark.parametrize(("chunks", "expected"), LINE_CASES)
def test_a_body_is_split_into_lines_none_of_which_is_kept_when_it_is_too_long(
    chunks: list[bytes], expected: list[bytes | None]
) -> None:
    splitter = Lines(4)
    told = [line for chunk in chunks for line in splitter.feed(chunk)]
    assert told + splitter.end() == expected
