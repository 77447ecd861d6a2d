"""The operations of the OpenAPI document, asked with the names of what somebody has."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.acceptance.api import Document

VARIABLE = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"  # an id that was made for this answer
    r"|\d{4}-\d\d-\d\dT[0-9:.]+Z|\d{13}-\d+|(?<=\"token\":\")[^\"]+"
)
OF_THE_CLIENT = {"options"}
"""What is not looked into: a `task_id` that a client gives itself is one for all owners, as workers know no owners."""
UNSAID = {"Last-Event-ID", "if-none-match", "Prefer", "after", "wait", "limit", "status", "name", "atomic"}
"""Parameters that name nothing of an owner: places, numbers, and what is the same for all."""
TIMES = {"submitted_from", "submitted_before"}


@dataclass(frozen=True, kw_only=True)
class Names:
    """What something is called by, wherever an operation asks for it."""

    task: str
    batch: str
    tag: str
    queue: str
    type: str
    cursor: str
    key: str

    def of(self, parameter: str) -> str:
        """The name for a parameter."""
        known = {**vars(self), "task_id": self.task, "tags": self.tag, "Idempotency-Key": self.key}
        assert parameter in known, f"Names does not know what {parameter} asks for"
        return str(known[parameter])

    def blank(self, text: str) -> str:
        """A text without them."""
        for name in vars(self).values():
            text = text.replace(name, "NAME")
        return VARIABLE.sub("VARIABLE", text)


NOBODYS = Names(
    task="11111111-1111-4111-8111-111111111111",
    batch="22222222-2222-4222-8222-222222222222",
    tag="tag of nobody",
    queue="queue.of.nobody",
    type="types.of_nobody",
    cursor="MTc2OTg2MDgwMDAwMC4xMTExMTExMS0xMTExLTQxMTEtODExMS0xMTExMTExMTExMTE",
    key="key-of-nobody",
)


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One method of one path, as the document describes it."""

    method: str
    path: str
    says: Document
    document: Document = field(repr=False)

    def ask(self, names: Names | None) -> dict[str, Any]:
        """A request with these names in every place that has one; with None only where one must be."""
        told: dict[str, Any] = {"headers": {"Accept": "application/json"}, "params": {}}
        path = self.path
        for parameter in self.says.get("parameters", []):
            name, place = parameter["name"], parameter["in"]
            if place == "path":
                path = path.replace(f"{{{name}}}", (names or NOBODYS).of(name) if name != "name" else "tasks.add")
            elif names and name not in UNSAID | TIMES:
                told["headers" if place == "header" else "params"][name] = names.of(name)
        content = self.says.get("requestBody", {}).get("content", {})
        if content:
            told["json"] = self._body(content["application/json"], names)
        return {**told, "method": self.method, "url": path}

    def _body(self, content: Document, names: Names | None) -> Any:
        schema = self._resolved(content["schema"])
        body = dict(next(iter([*schema.get("examples", []), content.get("example", {})])))
        return {**body, **self._named(schema, names)}

    def _named(self, schema: Document, names: Names | None) -> Document:
        """The members of an object that name something, or must be there."""
        found: Document = {}
        for name, said in schema.get("properties", {}).items():
            inner = self._resolved(said)
            if name in OF_THE_CLIENT:
                continue
            if "properties" in inner:
                found[name] = self._named(inner, names)
            elif names and inner.get("type") == "array" and name in {"task", "batch", "tag", "tags", "queue", "type"}:
                found[name] = [names.of(name)]
            elif names and name in {"task_id", "batch", "queue", "type", "cursor"}:  # a single `task` is one to run
                found[name] = names.of(name)
        return found

    def _resolved(self, schema: Document) -> Document:
        for part in schema.get("anyOf", [schema]):
            if "$ref" in part:
                found: Document = self.document["components"]["schemas"][part["$ref"].rpartition("/")[2]]
                return found
        return schema


def operations(document: Document) -> Iterator[Operation]:
    """Every method of every path."""
    for path, methods in document["paths"].items():
        for method, says in methods.items():
            yield Operation(method=method, path=path, says=says, document=document)


def told(answer: httpx.Response, names: Names) -> tuple[int, str, dict[str, str]]:
    """What can be compared of an answer."""
    kept = {name: names.blank(answer.headers.get(name, "")) for name in ("location", "link", "idempotency-replayed")}
    return answer.status_code, names.blank(answer.text), kept
