"""Workflows as JSON: what is read, and for each mistake the pointer to it."""

import json
from typing import Any

import pytest
from fastapi import FastAPI

from app.workflows import EXAMPLE, MAX_DEPTH, read_workflow
from bridge import chain, chord, group, signature
from bridge.errors import InvalidMessage
from bridge.protocol.canvas.results import ResultNode
from tests.unit.app.edge import ToldClient, asked, record

ADD, MUL = {"task": "add", "args": [1, 2]}, {"task": "mul", "kwargs": {"y": 3}}


def test_a_task_is_a_signature() -> None:
    task = {"task": "add", "args": [1], "kwargs": {"y": 2}, "options": {"queue": "q", "priority": 3}, "immutable": True}
    assert read_workflow(task) == signature("add", (1,), {"y": 2}, immutable=True).set(queue="q", priority=3)


def test_chains_groups_and_chords_are_read_at_any_depth() -> None:
    read = read_workflow(
        {"chain": [ADD, {"group": [MUL, {"chain": [ADD, MUL]}]}, {"chord": {"header": [ADD, ADD], "body": MUL}}]}
    )
    add, mul = signature("add", (1, 2)), signature("mul", (), {"y": 3})
    assert read == chain(add, group(mul, chain(add, mul)), chord([add, add], mul))


def test_links_are_added_to_what_they_stand_at() -> None:
    read = read_workflow({**ADD, "link": [MUL], "link_error": [{"task": "report"}]})
    assert read == signature("add", (1, 2)).link(signature("mul", (), {"y": 3})).link_error(signature("report"))


def test_the_most_retries_are_a_header() -> None:
    read = read_workflow({"task": "add", "options": {"max_retries": 1, "headers": {"tenant": "acme"}}})
    assert read == signature("add").set(headers={"tenant": "acme", "max_retries": 1})


def test_tags_and_stamps_stay_with_the_task_that_has_them() -> None:
    tagged = {"task": "add", "options": {"tags": ["x", "y"], "stamps": {"tenant": "acme"}, "task_id": "a1"}}
    read = read_workflow({"chain": [{**tagged, "link": [{"task": "mul", "options": {"stamps": {"of": 1}}}]}, MUL]})
    add = signature("add", tags=("x", "y"), task_id="a1").stamp(tenant="acme")
    assert read == chain(add.link(signature("mul").stamp(of=1)), signature("mul", (), {"y": 3}))


def test_an_option_that_is_null_is_not_given() -> None:
    assert read_workflow({"task": "add", "options": {"queue": None}}) == signature("add")


def nested(depth: int) -> dict[str, Any]:
    workflow: dict[str, Any] = {"task": "add"}
    for _ in range(depth):
        workflow = {"group": [workflow, {"task": "add"}]}
    return workflow


MISTAKES = [
    ([], "", "must be an object"),
    ({}, "", "exactly one of task, chain, group, chord"),
    ({"task": "a", "group": [ADD]}, "", "exactly one of"),
    ({"chain": []}, "/chain", "at least one task"),
    ({"chain": ADD}, "/chain", "must be a list"),
    ({"group": [ADD, 7]}, "/group/1", "must be an object"),
    ({"chain": [ADD, {"group": [{"task": 3}]}]}, "/chain/1/group/0/task", "must be a text"),
    ({"chord": [ADD]}, "/chord", "must be an object"),
    ({"chord": {"header": [], "body": ADD}}, "/chord/header", "at least one task"),
    ({"chord": {"header": [ADD]}}, "/chord/body", "must be an object"),
    ({"chord": {"header": [ADD], "body": ADD, "callback": ADD}}, "/chord/callback", "is not known here"),
    ({**ADD, "argz": []}, "/argz", "is not known here"),
    ({"chain": [ADD], "kwargs": {}}, "/kwargs", "is not known here"),
    ({"task": "a", "args": {}}, "/args", "must be a list"),
    ({"task": "a", "kwargs": []}, "/kwargs", "must be an object"),
    ({"task": "a", "immutable": "yes"}, "/immutable", "must be true or false"),
    ({"task": "a", "kwargs": {"x": {"__type__": "x", "__value__": 1}}}, "/kwargs/x", "reserves for itself"),
    ({"task": "celery.chord"}, "/task", "Celery"),
    ({"group": [ADD, {"task": "a", "options": {"priority": 10}}]}, "/group/1/options/priority", "less than or equal"),
    ({"task": "a", "options": {"queues": "x"}}, "/options/queues", "Extra inputs"),
    ({"task": "a", "options": {"tags": ["x", "a\n"]}}, "/options/tags/1", "printable"),
    ({"chain": [ADD, {"task": "a", "options": {"tags": ["x"] * 33}}]}, "/chain/1/options/tags", "at most 32"),
    (
        {"group": [ADD, {"task": "a", "options": {"stamps": {"queue": "x"}}}]},
        "/group/1/options/stamps/queue",
        "another",
    ),
    ({"task": "a", "options": {"stamps": {"self": "x"}}}, "/options/stamps/self", "choose another"),
    ({"task": "a", "options": {"stamps": {"tenant": {}}}}, "/options/stamps/tenant", "must be a text"),
    ({**ADD, "link": [{"task": "b", "options": {"task_id": "x"}}]}, "/link/0/options/task_id", "a task of a link"),
    (
        {"chain": [ADD], "link_error": [{"chain": [ADD, {"task": "b", "options": {"tags": ["x"]}}]}]},
        "/link_error/0/chain/1/options/tags",
        "a task of a link",
    ),
    ({"task": "a", "options": {"queue": "unacked"}}, "/options/queue", "keeps for itself"),
    ({"task": "a", "link": ADD}, "/link", "must be a list"),
    ({"task": "a", "link_error": [{"task": ""}]}, "/link_error/0/task", "must be a name"),
    (
        {"chain": [{"task": "a", "options": {"task_id": "x"}}, {"task": "b", "options": {"task_id": "x"}}]},
        "/chain/1/options/task_id",
        "is the id of another task",
    ),
    (nested(MAX_DEPTH + 1), "/group/0" * (MAX_DEPTH + 1), "nested more than"),
]


@pytest.mark.parametrize(("workflow", "pointer", "reason"), MISTAKES, ids=lambda value: json.dumps(value)[:40])
def test_a_mistake_is_told_with_the_pointer_to_it(workflow: object, pointer: str, reason: str) -> None:
    with pytest.raises(InvalidMessage, match=reason) as raised:
        read_workflow(workflow)
    assert raised.value.pointer == pointer


def test_it_may_be_as_deep_as_that() -> None:
    read_workflow(nested(MAX_DEPTH))


def test_groups_in_a_row_that_become_too_deep_are_refused_as_a_whole() -> None:
    steps = [{"group": [ADD, ADD]}, ADD] * 20  # each pair is a chord in the body of the one before
    with pytest.raises(InvalidMessage, match="cannot be run as it is put together") as raised:
        read_workflow({"chain": steps})
    assert raised.value.pointer == ""


def test_there_may_not_be_more_tasks_than_that() -> None:
    read_workflow({"group": [ADD, ADD, ADD]}, most=3)
    with pytest.raises(InvalidMessage, match="is the task after the 3") as raised:
        read_workflow({"group": [ADD, {"chain": [ADD, ADD, ADD]}]}, most=3)
    assert raised.value.pointer == "/group/1/chain/2"


TREE = ResultNode(id="c", task="mul", parent=ResultNode(id="g", children=(ResultNode(id="a"), ResultNode(id="b"))))


async def test_the_answer_has_every_task_and_says_which_has_the_result(app: FastAPI) -> None:
    client = ToldClient(workflow=TREE)
    answer = await asked(app, client, "POST", "/v1/workflows", json=EXAMPLE)
    told = answer.json()
    assert answer.status_code == 202
    assert (told["task_id"], told["task"]["status"], answer.headers["location"]) == ("c", "submitted", "/v1/tasks/c")
    header, body = told["parts"]["steps"]
    assert [member["task_id"] for member in header["members"]] == ["a", "b"]
    assert (header["group_id"], body["task_id"], body["links"]["self"]) == ("g", "c", "/v1/tasks/c")
    assert told["links"]["events"] == f"/v1/events?batch={told['workflow_id']}&after={await client.feed.end()}"
    assert answer.headers["link"] == f'<{told["links"]["events"]}>; rel="monitor"'
    assert client.workflows == [(read_workflow(EXAMPLE), told["workflow_id"], None)]
    assert "idempotency-replayed" not in answer.headers


async def test_a_workflow_that_came_before_answers_the_first(app: FastAPI) -> None:
    client = ToldClient(workflow=TREE, replayed=True, record=record(task_id="c", batch_id="w1"))
    key = {"Idempotency-Key": "order-17"}
    answer = await asked(app, client, "POST", "/v1/workflows", json=EXAMPLE, headers=key)
    told = answer.json()
    assert (answer.status_code, answer.headers["idempotency-replayed"]) == (202, "true")
    assert [key for *_, key in client.workflows] == ["order-17"]
    assert (told["workflow_id"], told["task"]["status"], told["task_id"]) == ("w1", "running", "c")
    assert told["links"] == {"tasks": "/v1/tasks?batch=w1", "events": "/v1/events?batch=w1&after=7-0"}


async def test_the_task_of_the_whole_is_told_with_its_queue_its_priority_and_its_tags(app: FastAPI) -> None:
    last = signature("mul", tags=("x",), queue="mail", priority=5)
    client = ToldClient(workflow=ResultNode(id="c", task="mul", signature=last))
    answer = (await asked(app, client, "POST", "/v1/workflows", json=EXAMPLE)).json()
    expected = {"queue": "mail", "priority": 5, "tags": ["x"], "batch_id": answer["workflow_id"]}
    assert {name: answer["task"][name] for name in expected} == expected


async def test_of_a_group_no_task_has_the_result(app: FastAPI) -> None:
    node = TREE.parent
    answer = await asked(app, ToldClient(workflow=node), "POST", "/v1/workflows", json={"group": [ADD, ADD]})
    told = answer.json()
    assert "task_id" not in told
    assert [member["task_id"] for member in told["parts"]["members"]] == ["a", "b"]
    assert answer.headers["location"] == told["links"]["tasks"] == f"/v1/tasks?batch={told['workflow_id']}"


async def test_a_mistake_is_answered_with_its_pointer(app: FastAPI) -> None:
    answer = await asked(app, ToldClient(), "POST", "/v1/workflows", json={"chain": [ADD, {"task": 7}]})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/chain/1/task")
