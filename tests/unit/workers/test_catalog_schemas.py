"""The JSON Schemas of the parameters of tasks, made from their annotations."""

import enum
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from typing import Annotated, Any, Literal, NewType, Optional, TypedDict, Union
from uuid import UUID

import pytest
from jsonschema_rs import Draft202012Validator
from pydantic import BaseModel, Field

pytest.importorskip("celery")

from workers.catalog import parameters_schema


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Sized(TypedDict):
    width: int
    name: str


class Partly(Sized, total=False):
    note: str


@dataclass
class Node:
    value: float
    children: "list[Node]" = field(default_factory=list)


class Model(BaseModel):
    count: int = Field(ge=1)
    inside: "list[Model]" = []


class Strange:
    pass


Cents = NewType("Cents", int)


def schema_of(annotation: Any) -> Any:
    """The schema of a parameter with this annotation."""

    def task(it: Any) -> None: ...

    task.__annotations__["it"] = annotation
    schema = parameters_schema(task)
    assert schema is not None
    return schema["properties"]["it"]


ARRAY = {"type": "array", "items": {"type": "integer"}}
UNDERSTOOD: list[tuple[Any, Any]] = [
    (str, {"type": "string"}),
    (int, {"type": "integer"}),
    (float, {"type": "number"}),
    (bool, {"type": "boolean"}),
    (None, {"type": "null"}),
    (datetime, {"type": "string", "format": "date-time"}),
    (date, {"type": "string", "format": "date"}),
    (time, {"type": "string", "format": "time"}),
    (UUID, {"type": "string", "format": "uuid"}),
    (Decimal, {"anyOf": [{"type": "number"}, {"type": "string"}]}),
    (list, {"type": "array"}),
    (list[int], ARRAY),
    (Sequence[int], ARRAY),
    (set[int], ARRAY),
    (tuple[int, ...], ARRAY),
    (
        tuple[int, str],
        {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "minItems": 2, "maxItems": 2},
    ),
    (dict, {"type": "object"}),
    (dict[str, Any], {"type": "object"}),
    (Mapping[str, int], {"type": "object", "additionalProperties": {"type": "integer"}}),
    (int | None, {"anyOf": [{"type": "integer"}, {"type": "null"}]}),
    (Optional[int], {"anyOf": [{"type": "integer"}, {"type": "null"}]}),  # noqa: UP045  # as older code has it
    (Union[int, str, None], {"anyOf": [{"type": "integer"}, {"type": "string"}, {"type": "null"}]}),  # noqa: UP007
    (int | Any, {}),
    (Literal["a", 1, None], {"enum": ["a", 1, None]}),
    (Colour, {"enum": ["red", "blue"]}),
    (Cents, {"type": "integer"}),
    ("list[int]", ARRAY),
    (
        Partly,
        {
            "type": "object",
            "properties": {"width": {"type": "integer"}, "name": {"type": "string"}, "note": {"type": "string"}},
            "required": ["name", "width"],
        },
    ),
    (
        Node,
        {
            "type": "object",
            "properties": {"value": {"type": "number"}, "children": {"type": "array", "items": {}}},
            "required": ["value"],
        },
    ),
]


@pytest.mark.parametrize(("annotation", "schema"), UNDERSTOOD, ids=lambda value: repr(value)[:40])
def test_an_annotation_becomes_a_schema(annotation: Any, schema: Any) -> None:
    assert schema_of(annotation) == schema


@pytest.mark.parametrize(
    "annotation", [Any, object, Strange, bytes, Callable[[], int], "OnlyForTypeCheckers", "not python"], ids=repr
)
def test_what_is_not_understood_allows_anything(annotation: Any) -> None:
    assert schema_of(annotation) == {}


def test_parameters_without_annotations_are_known_by_their_names() -> None:
    def task(a, b=2, *args, c, **kwargs): ...  # type: ignore[no-untyped-def]

    assert parameters_schema(task) == {
        "type": "object",
        "properties": {"a": {}, "b": {"default": 2}, "c": {}},
        "required": ["a", "c"],
        "additionalProperties": True,
    }


def test_a_default_stands_in_the_schema_where_json_has_it() -> None:
    def task(a: int = 1, b: Colour = Colour.RED, c: object = Strange, d: "str | None" = None) -> None: ...

    schema = parameters_schema(task)
    assert schema is not None
    assert schema["required"] == []
    assert schema["properties"] == {
        "a": {"type": "integer", "default": 1},
        "b": {"enum": ["red", "blue"], "default": "red"},
        "c": {},
        "d": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
    }


def test_a_default_of_none_allows_null_whatever_the_annotation_says() -> None:
    def task(it: Any = None) -> None: ...

    task.__annotations__["it"] = int
    schema = parameters_schema(task)
    assert schema is not None
    assert schema["properties"]["it"] == {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None}


def test_what_can_be_called_by_position_only_has_no_schema() -> None:
    def needed(a: int, /, b: int) -> None: ...

    def left_out(a: int = 1, /, b: int = 2) -> None: ...

    assert parameters_schema(needed) is None
    assert parameters_schema(object()) is None
    assert parameters_schema(left_out) == {
        "type": "object",
        "properties": {"b": {"type": "integer", "default": 2}},
        "required": [],
        "additionalProperties": False,
    }


def test_a_model_of_pydantic_brings_its_own_schema_wherever_it_stands() -> None:
    def task(one: Model, more: list[Model] | None = None) -> None: ...

    schema = parameters_schema(task)
    assert schema is not None
    assert schema["properties"]["one"] == {"$ref": "#/$defs/Model"}
    accepts = Draft202012Validator(schema).is_valid
    assert accepts({"one": {"count": 1, "inside": [{"count": 2}]}, "more": [{"count": 3}]})
    assert not accepts({"one": {"count": 1, "inside": [{"count": 0}]}})
    assert not accepts({"one": {"count": 1}, "more": [{}]})


def test_two_models_of_one_name_are_kept_apart() -> None:
    def model(annotation: Any) -> type[BaseModel]:
        class Inner(BaseModel):
            value: annotation

        class Outer(BaseModel):
            inner: Inner

        return Outer

    def task(a: Any, b: Any) -> None: ...

    task.__annotations__ |= {"a": model(int), "b": model(str)}
    schema = parameters_schema(task)
    assert schema is not None
    accepts = Draft202012Validator(schema).is_valid
    assert accepts({"a": {"inner": {"value": 1}}, "b": {"inner": {"value": "x"}}})
    assert not accepts({"a": {"inner": {"value": "x"}}, "b": {"inner": {"value": "x"}}})
    assert not accepts({"a": {"inner": {"value": 1}}, "b": {"inner": {"value": 1}}})


def test_constraints_in_an_annotation_count_where_pydantic_is() -> None:
    assert schema_of(Annotated[int, Field(gt=3)]) == {"type": "integer", "exclusiveMinimum": 3}


def test_where_pydantic_is_not_everything_else_is_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "pydantic")
    assert schema_of(Annotated[int, Field(gt=3)]) == {"type": "integer"}
    assert schema_of(Model) == {}


def test_types_that_contain_each_other_many_times_end() -> None:
    kinds: list[Any] = [int]
    for number in range(40):
        inner = kinds[-1]
        kinds.append(dataclass(type(f"Kind{number}", (), {"__annotations__": {"a": inner, "b": inner}})))
    assert len(json.dumps(schema_of(kinds[-1]))) < 1_000_000
