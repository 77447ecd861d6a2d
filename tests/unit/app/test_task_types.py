"""Task types over HTTP: listed as they were announced, and submits that are checked before anything is queued."""

import json
from typing import Any

import pytest
from fastapi import FastAPI

from bridge.errors import BrokerUnavailable, InvalidMessage
from bridge.protocol.catalog import Catalog, TaskType
from tests.unit.app.edge import ToldClient, asked

SCHEMA = {
    "type": "object",
    "properties": {"to": {"type": "string"}, "copies": {"type": "integer", "default": 1}},
    "required": ["to"],
    "additionalProperties": False,
}
MAIL = TaskType(
    name="mail.send",
    announced=True,
    doc="Send.",
    schema_json=json.dumps(SCHEMA),
    queue="mail",
    retry={"max_retries": None},
    time_limit=60,
)
CATALOG = Catalog.of([[MAIL]], names=["stock.add", "a/b"])
SUBMIT = "/v1/task-types/mail.send/tasks"


def client(**told: Any) -> ToldClient:
    return ToldClient(task_types=CATALOG, **told)


async def test_a_type_is_shown_as_it_was_announced(app: FastAPI) -> None:
    answer = await asked(app, client(), "GET", "/v1/task-types/mail.send")
    assert answer.json() == {
        "name": "mail.send",
        "announced": True,
        "doc": "Send.",
        "schema": SCHEMA,
        "queue": "mail",
        "retry": {"max_retries": None},
        "time_limit": 60,
        "soft_time_limit": None,
        "links": {"self": "/v1/task-types/mail.send", "submit": SUBMIT},
    }


async def test_all_types_are_listed_by_name_also_those_of_which_only_the_name_is_known(app: FastAPI) -> None:
    types = (await asked(app, client(), "GET", "/v1/task-types")).json()["task_types"]
    assert [(one["name"], one["announced"]) for one in types] == [
        ("a/b", False),
        ("mail.send", True),
        ("stock.add", False),
    ]
    assert types[0]["links"] == {}, "no request reaches a path with a slash in a name"
    assert types[2]["schema"] is None


@pytest.mark.parametrize("path", ["/v1/task-types", "/v1/task-types/mail.send"])
async def test_a_client_that_has_them_is_told_so(app: FastAPI, path: str) -> None:
    tag = (await asked(app, client(), "GET", path)).headers["ETag"]
    again = await asked(app, client(), "GET", path, headers={"If-None-Match": tag})
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
    other = ToldClient(task_types=Catalog.of([[MAIL]]))
    assert (await asked(app, other, "GET", path, headers={"If-None-Match": tag})).status_code == 200


async def test_a_type_that_nobody_has_is_not_found(app: FastAPI) -> None:
    answer = await asked(app, client(), "GET", "/v1/task-types/nobody.knows", headers={"If-None-Match": "*"})
    assert (answer.status_code, answer.json()["type"]) == (404, "unknown-task-type")


async def test_parameters_that_fit_are_queued_where_the_worker_wants_them(app: FastAPI) -> None:
    told = client()
    answer = await asked(app, told, "POST", SUBMIT, json={"to": "x"})
    assert answer.status_code == 202
    assert (answer.json()["task"], answer.json()["queue"]) == ("mail.send", "mail")
    assert answer.headers["Location"] == f"/v1/tasks/{answer.json()['task_id']}"
    ((task, args, kwargs, options),) = told.submitted
    assert (task, args, kwargs, options["queue"]) == ("mail.send", [], {"to": "x"}, "mail")


async def test_of_a_type_that_is_only_a_name_any_parameters_are_queued_in_the_default_queue(app: FastAPI) -> None:
    told = client()
    answer = await asked(app, told, "POST", "/v1/task-types/stock.add/tasks", json={"any": ["thing"]})
    assert (answer.status_code, answer.json()["queue"]) == (202, "celery")
    assert told.submitted[0][2] == {"any": ["thing"]}


@pytest.mark.parametrize(
    ("payload", "pointers"),
    [
        ({}, ["/to"]),
        ({"to": 1, "copies": "x"}, ["/copies", "/to"]),
        ({"to": "x", "cc": "y"}, ["/cc"]),
    ],
    ids=repr,
)
async def test_parameters_that_do_not_fit_are_named_and_nothing_is_queued(
    app: FastAPI, payload: Any, pointers: list[str]
) -> None:
    told = client()
    answer = await asked(app, told, "POST", SUBMIT, json=payload)
    assert (answer.status_code, answer.json()["type"]) == (422, "payload-invalid")
    assert sorted(error["pointer"] for error in answer.json()["errors"]) == pointers
    assert told.submitted == []


@pytest.mark.parametrize("body", [b"", b"[]", b'"x"', b"null", b"{", b'{"to": NaN}'], ids=repr)
async def test_a_body_that_is_no_json_object_is_refused(app: FastAPI, body: bytes) -> None:
    told = client()
    answer = await asked(app, told, "POST", SUBMIT, content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["type"]) == (422, "payload-invalid")
    assert told.submitted == []


async def test_a_type_that_no_worker_has_is_refused_before_anything_is_queued(app: FastAPI) -> None:
    told = client()
    answer = await asked(app, told, "POST", "/v1/task-types/nobody.knows/tasks", json={})
    assert (answer.status_code, answer.json()["type"]) == (422, "unknown-task-type")
    assert told.submitted == []


async def test_what_no_worker_could_read_is_named_within_the_parameters(app: FastAPI) -> None:
    class Refusing(ToldClient):
        async def submit(self, *_args: Any, **_kwargs: Any) -> Any:
            raise InvalidMessage("/kwargs/to", "half a surrogate pair")

    answer = await asked(app, Refusing(task_types=CATALOG), "POST", SUBMIT, json={"to": "x"})
    assert answer.json()["errors"] == [{"pointer": "/to", "detail": "half a surrogate pair", "in": "body"}]


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/v1/task-types"), ("GET", "/v1/task-types/mail.send"), ("POST", SUBMIT)]
)
async def test_without_redis_they_say_so(app: FastAPI, method: str, path: str) -> None:
    answer = await asked(app, ToldClient(fails=BrokerUnavailable("gone")), method, path, json={})
    assert (answer.status_code, answer.json()["type"]) == (503, "broker-unavailable")
