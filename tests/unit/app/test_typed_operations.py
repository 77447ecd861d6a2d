"""The OpenAPI document of announced task types: valid, complete in itself, and gone with them."""

import copy
import json
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from jsonschema_rs import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from app.live_document import LiveDocument
from app.main import create_app
from app.settings import Settings
from app.typed_operations import GENERIC
from bridge.errors import BrokerUnavailable
from bridge.protocol.catalog import Catalog, TaskType
from tests.unit.app.edge import ToldClient, asked, edge_on

ITEM = {
    "type": "object",
    "properties": {
        "n": {"type": "integer"},
        "inside": {"type": "array", "items": {"$ref": "#/$defs/Item"}},
        "pet": {
            "discriminator": {"propertyName": "kind", "mapping": {"cat": "#/$defs/Big%20Cat", "item": "#/$defs/Item"}},
            "oneOf": [{"$ref": "#/$defs/Big%20Cat"}, {"$ref": "#/$defs/Item"}],
        },
    },
}
SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "item": {"$ref": "#/$defs/Item"},
        "other": {"$ref": "#/$defs/Item/properties/n"},
        "again": {"$ref": "#/properties/item"},
        "whole": {"$ref": "#"},
        "default": {"$ref": "#/$defs/Big%20Cat"},
        "pair": {"type": "array", "prefixItems": [{"$ref": "#/$defs/Item"}]},
    },
    "required": ["item"],
    "$defs": {"Item": ITEM, "Big Cat": {"type": "object", "properties": {"kind": {"const": "cat"}}}},
}


@pytest.fixture(scope="module")
def app() -> FastAPI:
    """One of our own, since its document remembers the task types that it has seen."""
    return create_app(Settings.load())


def announced(name: str = "mail.send", schema: Any = SCHEMA, doc: str = "Send a mail.\n\nAt once.") -> TaskType:
    return TaskType(name=name, announced=True, doc=doc, schema_json=json.dumps(schema), retry={})


async def served(app: FastAPI, *types: TaskType) -> dict[str, Any]:
    """The document while the workers have these types."""
    answer = await asked(app, ToldClient(task_types=Catalog.of([types])), "GET", "/openapi.json")
    read: dict[str, Any] = answer.raise_for_status().json()
    return read


def path(name: str) -> str:
    return GENERIC.replace("{name}", name)


async def test_an_announced_type_has_an_operation_of_its_own(app: FastAPI) -> None:
    document = await served(app, announced())
    operation = document["paths"][path("mail.send")]["post"]
    assert operation["summary"] == "Send a mail."
    assert operation["description"].startswith("Send a mail.\n\nAt once.")
    assert operation["operationId"] == "submit_mail.send"
    body = operation["requestBody"]["content"]["application/json"]["schema"]
    assert body == {"$ref": "#/components/schemas/mail.send.parameters"}


async def test_it_is_in_everything_else_as_the_generic_one(app: FastAPI) -> None:
    document = await served(app, announced())
    generic, typed = document["paths"][GENERIC]["post"], document["paths"][path("mail.send")]["post"]
    own = {"summary", "description", "operationId", "requestBody", "parameters"}
    assert typed.keys() | {"parameters"} == generic.keys() | {"parameters"}
    assert {key: typed[key] for key in typed.keys() - own} == {key: generic[key] for key in generic.keys() - own}
    assert [one for one in generic["parameters"] if one["in"] != "path"] == typed.get("parameters", [])


async def test_the_document_is_valid_openapi_3_1(app: FastAPI) -> None:
    names = ["mail.send", "Größe messen", "a/b", "{name}", "mail_send", "mail send", "TaskResource", "x" * 255]
    document = await served(app, *map(announced, names))
    OpenAPIV31SpecValidator(document).validate()
    identities = [one["operationId"] for methods in document["paths"].values() for one in methods.values()]
    assert len(set(identities)) == len(identities)
    assert path("%7Bname%7D") in document["paths"]
    assert not any("a/b" in one or "a%2Fb" in one for one in document["paths"]), "no request reaches such a path"


async def test_references_lead_to_where_the_schemas_went(app: FastAPI) -> None:
    kept = {"default": {"$ref": "#/not/ours"}}
    document = await served(app, announced(schema={**SCHEMA, "properties": {**SCHEMA["properties"], "kept": kept}}))
    schema = {"$ref": "#/components/schemas/mail.send.parameters", "components": document["components"]}
    cat, item = {"kind": "cat"}, {"n": 1, "inside": [{"n": 2}], "pet": {"kind": "cat", "n": "not of an item"}}
    fits = {"item": item, "other": 1, "again": item, "whole": {"item": {}}, "default": cat, "kept": 1, "pair": [item]}
    accepts = Draft202012Validator(schema, offline=True).is_valid
    assert accepts(fits)
    for name, wrong in {
        "item": {"inside": [{"n": "x"}]},
        "other": "x",
        "again": {"n": "x"},
        "whole": {},
        "default": {"kind": "dog"},
        "pair": [{"n": "x"}],
    }.items():
        assert not accepts({**fits, name: wrong}), name
    schemas = document["components"]["schemas"]
    assert schemas["mail.send.parameters"]["properties"]["kept"] == kept
    mapping = schemas["mail.send.parameters.Item"]["properties"]["pet"]["discriminator"]["mapping"]
    assert mapping["cat"] == "#/components/schemas/mail.send.parameters.Big_Cat"


async def test_types_come_and_go_and_leave_nothing_behind(app: FastAPI) -> None:
    before = copy.deepcopy(await served(app))
    assert path("mail.send") in (await served(app, announced()))["paths"]
    assert await served(app) == before == app.openapi()


async def test_a_type_without_a_usable_schema_has_no_operation(app: FastAPI) -> None:
    types = [
        TaskType(name="name-only"),
        TaskType(name="by-position", announced=True),
        announced("broken", {"type": "objct"}),
        announced("elsewhere", {"$ref": "http://127.0.0.1:9/schema"}),
    ]
    assert await served(app, *types) == await served(app)


async def test_a_client_that_has_the_document_is_told_so_until_it_changes(app: FastAPI) -> None:
    one, two = (ToldClient(task_types=Catalog.of([[announced(name)]])) for name in ("one", "two"))
    tag = (await asked(app, one, "GET", "/openapi.json")).headers["ETag"]
    again = await asked(app, one, "GET", "/openapi.json", headers={"If-None-Match": tag})
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
    assert (await asked(app, two, "GET", "/openapi.json", headers={"If-None-Match": tag})).is_success


async def test_behind_a_proxy_the_document_says_where_the_service_is(app: FastAPI) -> None:
    app.state.edge = edge_on(ToldClient())
    transport = httpx.ASGITransport(app=app, root_path="/tasks-api")
    async with httpx.AsyncClient(transport=transport, base_url="http://petiole", trust_env=False) as http:
        document = (await http.get("/tasks-api/openapi.json")).raise_for_status().json()
    assert document["servers"] == [{"url": "/tasks-api"}]


async def test_without_redis_the_document_has_what_was_known_last(app: FastAPI) -> None:
    document = LiveDocument(lambda: copy.deepcopy(app.openapi()))
    await document.refresh(ToldClient(task_types=Catalog.of([[announced()]])))
    await document.refresh(ToldClient(fails=BrokerUnavailable("gone")))
    assert path("mail.send") in document.openapi()["paths"]
    answer = await asked(app, ToldClient(fails=BrokerUnavailable("gone")), "GET", "/openapi.json")
    assert answer.is_success


async def test_a_schema_too_deep_for_the_document_spoils_only_its_own_operation(
    app: FastAPI, caplog: pytest.LogCaptureFixture
) -> None:
    text = '{"items":' * 250 + "{}" + "}" * 250
    deep = TaskType(name="deep", announced=True, schema_json=text)
    document = await served(app, deep, announced())
    assert path("mail.send") in document["paths"]
    assert (path("deep") in document["paths"]) != ("nested too deep" in caplog.text)
