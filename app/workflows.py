"""Workflows as JSON: tasks, and chains, groups and chords of them, nested at will."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, cast

from pydantic import GetJsonSchemaHandler, RootModel, ValidationError
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from app.schemas import TaskOptions, with_retries
from app.submit_headers import with_trace
from bridge import Canvas, SubmitOptions, chain, chord, group, signature
from bridge.errors import InvalidMessage
from bridge.protocol.canvas.check import MAX_NESTING, check_canvas
from bridge.protocol.embed import check_stamps
from bridge.protocol.signature import Signature

NO_TRACE: Mapping[str, str] = {}
MAX_TASKS = 10_000
MAX_DEPTH = MAX_NESTING
_KINDS = ("task", "chain", "group", "chord")
_OF_A_TASK = {"task", "args", "kwargs", "options", "immutable"}
_LINKS = ("link", "link_error")
_SAID = {str: "a text", list: "a list", dict: "an object", bool: "true or false"}

EXAMPLE = {
    "chord": {
        "header": [
            {"task": "workers.tasks.heavy_task", "kwargs": {"data": "one"}},
            {"task": "workers.tasks.heavy_task", "kwargs": {"data": "two"}},
        ],
        "body": {"task": "workers.tasks.heavy_task", "kwargs": {"data": "three"}, "immutable": True},
    }
}
_NODES = {"type": "array", "minItems": 1, "maxItems": MAX_TASKS, "items": {"$ref": "#/components/schemas/Workflow"}}
_LINKED = {link: {**_NODES, "minItems": 0} for link in _LINKS}


def _kind(required: str, properties: dict[str, Any], description: str) -> dict[str, Any]:
    return {
        "type": "object",
        "description": description,
        "required": [required],
        "properties": {**properties, **_LINKED},
        "additionalProperties": False,
    }


SCHEMA = {
    "oneOf": [
        _kind(
            "task",
            {
                "task": {"type": "string", "minLength": 1, "maxLength": 255},
                "args": {"type": "array", "items": {}},
                "kwargs": {"type": "object"},
                "options": {"$ref": "#/components/schemas/TaskOptions"},
                "immutable": {"type": "boolean", "description": "Not given the result of what ran before it."},
            },
            "One task.",
        ),
        _kind("chain", {"chain": _NODES}, "One after another, each given the result of the one before."),
        _kind("group", {"group": _NODES}, "All at the same time."),
        _kind(
            "chord",
            {
                "chord": {
                    "type": "object",
                    "required": ["header", "body"],
                    "properties": {"header": _NODES, "body": {"$ref": "#/components/schemas/Workflow"}},
                    "additionalProperties": False,
                }
            },
            "All of the header at the same time, then the body with the list of their results.",
        ),
    ]
}
"""JSON Schema of a workflow; it stands at ``#/components/schemas/Workflow``."""


class Workflow(RootModel[Any]):
    """Any JSON; `read_workflow` says what is wrong with it, which a schema of four alternatives could not."""

    @classmethod
    def __get_pydantic_json_schema__(cls, _core: CoreSchema, _handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**SCHEMA, "title": "Workflow", "examples": [EXAMPLE]}


def read_workflow(value: object, trace: Mapping[str, str] = NO_TRACE, *, most: int = MAX_TASKS) -> Canvas:
    """The canvas of at `most` so many tasks that JSON describes, with a `trace` in the headers of each.

    Raises:
        InvalidMessage: it describes none; the pointer leads to the place.
    """
    canvas = _Reader(trace, most).node(value, "", 0)
    try:
        check_canvas(canvas)  # each task was looked at already; now the whole
    except InvalidMessage as error:
        raise InvalidMessage("", f"cannot be run as it is put together: {error.reason}") from error
    return canvas


class _Reader:
    """Reads one workflow, and counts its tasks."""

    def __init__(self, trace: Mapping[str, str], most: int) -> None:
        self._trace = trace
        self._most = most
        self._tasks = 0
        self._links = 0
        self._task_ids: set[str] = set()

    def node(self, value: object, pointer: str, depth: int) -> Canvas:
        """One task, or something made of tasks."""
        if depth > MAX_DEPTH:
            raise InvalidMessage(pointer, f"is nested more than {MAX_DEPTH} deep")
        node = _object(value, pointer)
        kinds = [kind for kind in _KINDS if kind in node]
        if len(kinds) != 1:
            raise InvalidMessage(pointer, f"must have exactly one of {', '.join(_KINDS)}")
        (kind,) = kinds
        _known(node, {*_LINKS, *(_OF_A_TASK if kind == "task" else (kind,))}, pointer)
        made: Canvas = self._READERS[kind](self, node, pointer, depth)
        for link in _LINKS:
            for linked in self._linked(node.get(link, []), f"{pointer}/{link}", depth):
                made = made.link(linked) if link == "link" else made.link_error(linked)
        return made

    def _linked(self, value: object, pointer: str, depth: int) -> list[Canvas]:
        self._links += 1
        linked = self._nodes(value, pointer, depth)
        self._links -= 1
        return linked

    def _task(self, node: Mapping[str, Any], pointer: str, _depth: int) -> Canvas:
        self._tasks += 1
        if self._tasks > self._most:
            raise InvalidMessage(pointer, f"is the task after the {self._most:,} that a workflow may have")
        made = signature(
            _typed(node, "task", str, pointer),
            _typed(node, "args", list, pointer, []),
            _typed(node, "kwargs", dict, pointer, {}),
            immutable=_typed(node, "immutable", bool, pointer, False),
        )
        options = _options(node.get("options", {}), f"{pointer}/options")
        if self._links:
            _check_linked(options, f"{pointer}/options")
        if (task_id := options.get("task_id")) is not None and task_id in self._task_ids:
            raise InvalidMessage(f"{pointer}/options/task_id", "is the id of another task of this workflow")
        if task_id is not None:
            self._task_ids.add(task_id)
        tags, stamps = tuple(options.pop("tags", None) or ()), options.pop("stamps", None)
        made = replace(made, tags=tags, options=with_trace(options, self._trace))
        return _checked(_stamped(made, stamps, pointer) if stamps else made, pointer)

    def _chain(self, node: Mapping[str, Any], pointer: str, depth: int) -> Canvas:
        return chain(*self._some(node["chain"], f"{pointer}/chain", depth))

    def _group(self, node: Mapping[str, Any], pointer: str, depth: int) -> Canvas:
        return group(*self._some(node["group"], f"{pointer}/group", depth))

    def _chord(self, node: Mapping[str, Any], pointer: str, depth: int) -> Canvas:
        parts = _object(node["chord"], f"{pointer}/chord")
        _known(parts, {"header", "body"}, f"{pointer}/chord")
        header = self._some(parts.get("header"), f"{pointer}/chord/header", depth)
        return chord(header, self.node(parts.get("body"), f"{pointer}/chord/body", depth + 1))

    _READERS: Mapping[str, Callable[..., Canvas]] = {"task": _task, "chain": _chain, "group": _group, "chord": _chord}

    def _some(self, value: object, pointer: str, depth: int) -> list[Canvas]:
        if not (found := self._nodes(value, pointer, depth)):
            raise InvalidMessage(pointer, "must have at least one task")
        return found

    def _nodes(self, value: object, pointer: str, depth: int) -> list[Canvas]:
        if not isinstance(value, list):
            raise InvalidMessage(pointer, "must be a list")
        return [self.node(one, f"{pointer}/{index}", depth + 1) for index, one in enumerate(value)]


def _checked(task: Canvas, pointer: str) -> Canvas:
    try:
        check_canvas(task)
    except InvalidMessage as error:
        raise InvalidMessage(f"{pointer}{error.pointer}", error.reason) from error
    return task


def _stamped(task: Signature, stamps: Mapping[str, Any], pointer: str) -> Signature:
    try:
        check_stamps(stamps, list(stamps))
    except InvalidMessage as error:
        raise InvalidMessage(f"{pointer}{error.pointer}", error.reason) from error
    return task.stamp(**stamps)


def _check_linked(options: SubmitOptions, pointer: str) -> None:
    """Check what a task of a link is given: nothing that would have to be recorded before a worker sends it."""
    for name in ("task_id", "tags"):
        if options.get(name):
            raise InvalidMessage(
                f"{pointer}/{name}", "is not for a task of a link, of which nothing is known beforehand"
            )


def _object(value: object, pointer: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise InvalidMessage(pointer, "must be an object")
    return value


def _known(node: Mapping[str, Any], fields: set[str], pointer: str) -> None:
    for name in node.keys() - fields:
        raise InvalidMessage(f"{pointer}/{name[:100]}", f"is not known here; there are {', '.join(sorted(fields))}")


def _typed(node: Mapping[str, Any], name: str, kind: type[Any], pointer: str, default: Any = None) -> Any:
    value = node.get(name, default)
    if not isinstance(value, kind):
        raise InvalidMessage(f"{pointer}/{name}", f"must be {_SAID[kind]}")
    return value


def _options(value: object, pointer: str) -> SubmitOptions:
    try:
        asked = TaskOptions.model_validate(value).model_dump(exclude_unset=True, exclude_none=True)
    except ValidationError as error:
        first = error.errors()[0]
        place = "".join(f"/{part}" for part in first["loc"])
        raise InvalidMessage(pointer + place, first["msg"].removeprefix("Value error, ")) from error
    return cast("SubmitOptions", with_retries(asked))
