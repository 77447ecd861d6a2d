"""The OpenAPI document: a client can be generated from it, and what it says is true."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import pytest
from fastapi import FastAPI

from app import access
from app.errors import MEDIA_TYPE
from tests.unit.app.edge import ToldClient, asked
from tests.unit.bridge.updates import TASK_ID

METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}
PROBLEM = {"$ref": "#/components/schemas/ProblemDocument"}
NEVER_ASKS_REDIS = {"/healthz"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one path."""

    method: str
    path: str
    says: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def problems(self) -> dict[str, dict[str, Any]]:
        """The errors that it answers, by status."""
        return {status: answer for status, answer in self.says["responses"].items() if int(status) >= 400}


@pytest.fixture(scope="module")
def document(app: FastAPI) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(json.dumps(app.openapi(), allow_nan=False))
    return read


@pytest.fixture(scope="module")
def operations(document: dict[str, Any]) -> list[Operation]:
    return [
        Operation(method=method, path=path, says=says)
        for path, methods in document["paths"].items()
        for method, says in methods.items()
    ]


def everything(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in the document."""
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from everything(inner)


def resolved(document: dict[str, Any], reference: str) -> Any:
    """What a reference within the document points to."""
    root, *parts = reference.split("/")
    assert root == "#"
    found: Any = document
    for part in parts:
        found = found[part.replace("~1", "/").replace("~0", "~")]
    return found


def test_it_is_openapi_3_1_with_a_title_and_a_version(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    assert document["info"].keys() >= {"title", "version", "description"}
    assert document.keys() <= {"openapi", "info", "paths", "components", "tags"}
    assert all(path.startswith("/") and methods.keys() <= METHODS for path, methods in document["paths"].items())


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    references = [part["$ref"] for part in everything(document) if isinstance(part.get("$ref"), str)]
    assert references
    assert all(isinstance(resolved(document, reference), dict) for reference in references)


def test_every_schema_is_used(document: dict[str, Any]) -> None:
    used = {part["$ref"].rpartition("/")[2] for part in everything(document) if "$ref" in part}
    assert document["components"]["schemas"].keys() <= used


def test_every_operation_says_what_it_does(document: dict[str, Any], operations: list[Operation]) -> None:
    tags = {tag["name"] for tag in document["tags"]}
    for operation in operations:
        assert operation.says["summary"], operation
        assert operation.says["description"], operation
        assert operation.says["tags"], operation
        assert set(operation.says["tags"]) <= tags, operation


def test_every_operation_has_a_name_of_its_own(operations: list[Operation]) -> None:
    names = [operation.says["operationId"] for operation in operations]
    assert len(set(names)) == len(names) == len(operations)


def test_every_parameter_of_a_path_is_described(operations: list[Operation]) -> None:
    for operation in operations:
        described = operation.says.get("parameters", [])
        in_path = {parameter["name"] for parameter in described if parameter["in"] == "path" and parameter["required"]}
        assert in_path == set(re.findall(r"{(\w+)}", operation.path)), operation
        assert all(parameter["schema"] for parameter in described), operation


def test_every_answer_is_described_and_one_of_them_is_a_success(operations: list[Operation]) -> None:
    for operation in operations:
        assert any(status.startswith("2") for status in operation.says["responses"]), operation
        assert all(answer["description"] for answer in operation.says["responses"].values()), operation
        assert all(HTTPStatus(int(status)) for status in operation.says["responses"]), operation


def test_every_error_is_a_problem_document_and_nothing_else(operations: list[Operation]) -> None:
    for operation in operations:
        for status, answer in operation.problems.items():
            assert answer["content"] == {MEDIA_TYPE: {"schema": PROBLEM}}, (operation, status)


def test_every_operation_names_the_errors_it_can_come_to(operations: list[Operation]) -> None:
    for operation in operations:
        asks_redis = operation.path not in NEVER_ASKS_REDIS
        wanted = {"503"} if asks_redis else set()
        wanted |= {"422"} if {"parameters", "requestBody"} & operation.says.keys() else set()
        wanted |= {"413"} if "requestBody" in operation.says else set()
        wanted |= {"404"} if "{task_id}" in operation.path else set()
        assert wanted <= operation.problems.keys(), operation


def _examples(document: dict[str, Any], operation: Operation) -> list[Any]:
    content = operation.says.get("requestBody", {}).get("content", {}).get("application/json", {})
    schema = content.get("schema", {})
    for part in (schema, *schema.get("anyOf", ())):
        schema = resolved(document, part["$ref"]) if "$ref" in part else schema
    return [*schema.get("examples", []), *([content["example"]] if "example" in content else [])]


async def test_every_example_of_a_body_is_accepted(
    app: FastAPI, document: dict[str, Any], operations: list[Operation]
) -> None:
    examples = [(operation, example) for operation in operations for example in _examples(document, operation)]
    assert len(examples) >= 2
    for operation, example in examples:
        path = operation.path.format(task_id=TASK_ID)
        answer = await asked(app, ToldClient(), operation.method.upper(), path, json=example)
        assert str(answer.status_code) in operation.says["responses"], operation
        assert answer.is_success, (operation, answer.text)


@pytest.mark.parametrize(("path", "seqs"), [("/v1/tasks/{task_id}/events", [4, 5]), ("/v1/events", [3, 5])])
def test_a_stream_is_described_as_events_with_an_example(
    operations: list[Operation], path: str, seqs: list[int]
) -> None:
    (stream,) = [operation for operation in operations if operation.path == path]
    content = stream.says["responses"]["200"]["content"]
    assert list(content) == ["text/event-stream", "application/json"]
    blocks = content["text/event-stream"]["example"].strip().split("\n\n")
    data = [line.removeprefix("data: ") for block in blocks for line in block.split("\n") if line.startswith("data: ")]
    assert [json.loads(one)["seq"] for one in data] == seqs
    assert "204" in stream.says["responses"]


def test_an_accepted_task_says_where_it_is(operations: list[Operation]) -> None:
    submits = [one for one in operations if str(one) in ("post /tasks/submit", "post /v1/tasks")]
    assert len(submits) == 2
    assert all(submit.says["responses"]["202"]["headers"].keys() >= {"Location", "Link"} for submit in submits)


def test_every_submit_takes_a_preference_and_may_answer_its_stream(operations: list[Operation]) -> None:
    submits = [one for one in operations if "Prefer" in {parameter["name"] for parameter in _parameters(one)}]
    streams = [one for one in submits if "text/event-stream" in one.says["responses"]["202"]["content"]]
    paths = {one.path for one in submits}
    assert paths == access.TELL_ALL
    assert {one.path for one in streams} == paths - {"/v1/workflows"}
    for one in submits:
        assert {"Location", "Link", "Retry-After", "Preference-Applied"} <= one.says["responses"]["202"][
            "headers"
        ].keys()
        assert "Preference-Applied" in one.says["responses"]["200"]["headers"]
        assert "application/json" in one.says["responses"]["202"]["content"]


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    return [one for one in operation.says.get("parameters", ()) if operation.method == "post"]


def test_headers_of_many_answers_are_described_once(document: dict[str, Any], operations: list[Operation]) -> None:
    shared = {f"#/components/headers/{name}" for name in document["components"]["headers"]}
    used = {part["$ref"] for part in everything(document["paths"]) if "$ref" in part}
    assert shared <= used
    for operation in operations:
        for status, answer in operation.says["responses"].items():
            assert "X-Request-ID" in answer["headers"], (operation, status)
            assert ("RateLimit" in answer["headers"]) is (operation.path not in access.PUBLIC and status != "401")
            assert "Retry-After" in answer["headers"] or status not in ("429", "503"), (operation, status)


def test_who_takes_an_idempotency_key_says_what_is_answered_when_it_came_before(operations: list[Operation]) -> None:
    keyed = [
        one for one in operations if "Idempotency-Key" in {each["name"] for each in one.says.get("parameters", ())}
    ]
    assert {operation.path for operation in keyed} >= {
        "/tasks/submit",
        "/v1/tasks",
        "/v1/batches",
        "/v1/tasks/{task_id}/replay",
        "/v1/tasks/replay",
    }
    for operation in keyed:
        assert "Idempotency-Replayed" in operation.says["responses"]["202"]["headers"], operation
        assert "422" in operation.problems, operation


async def test_the_document_is_served_as_it_is_checked_here(app: FastAPI, document: dict[str, Any]) -> None:
    answer = await asked(app, ToldClient(), "GET", "/openapi.json")
    assert answer.json() == document
