"""Whether a payload fits the schema that the workers announced for its task type."""

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime, time
from functools import lru_cache
from itertools import islice
from typing import Any

from jsonschema_rs import Draft202012Validator, RegexOptions, ValidationError, ValidationErrorKind

from app.errors import MAX_ECHO, MAX_FIELD_ERRORS
from bridge.protocol.catalog import TaskType

logger = logging.getLogger(__name__)
MAX_DETAIL = 300
"""Characters that one complaint has; a schema may list a thousand values."""


def complaints(task_type: TaskType, payload: Mapping[str, Any]) -> list[dict[str, str]]:
    """What is wrong with the keyword arguments of a task, the fields named by JSON pointers; nothing when they fit.

    Of a type without a schema, or with one that cannot be used, any payload fits.
    """
    validator = _validator(task_type.schema_json) if task_type.schema_json is not None else None
    if validator is None or validator.is_valid(payload):
        return []
    found = islice((told for error in _errors(validator, payload) for told in _told(error)), MAX_FIELD_ERRORS)
    named = [{"pointer": pointer, "detail": detail, "in": "body"} for pointer, detail in found]
    return named or [{"pointer": "", "detail": "is wrong somewhere, nested too deep to be named", "in": "body"}]


def _errors(validator: Draft202012Validator, payload: Mapping[str, Any]) -> Iterator[ValidationError]:
    with suppress(ValueError):  # an error holds its value, which this library cannot when it is nested 255 times
        yield from validator.iter_errors(payload)


def has_usable_schema(task_type: TaskType) -> bool:
    """Whether payloads of this type can be checked."""
    return task_type.schema_json is not None and _validator(task_type.schema_json) is not None


@lru_cache(4_096)
def _validator(schema_json: str) -> Draft202012Validator | None:
    """Compiled once; None when it is no JSON Schema, or is not complete in itself."""
    try:
        return Draft202012Validator(
            json.loads(schema_json),
            formats={"date-time": _is_datetime, "time": _is_time},
            validate_formats=True,
            pattern_options=RegexOptions(),  # in linear time, whatever pattern a worker announces
            mask="value",  # nobody's input is repeated
            offline=True,
        )
    except ValueError as error:
        logger.warning("a worker announced a schema that cannot be used, so its payloads are not checked: %s", error)
        return None


def _is_datetime(text: str) -> bool:
    """As Python's own readers have it, and pydantic's: JSON Schema would refuse a time without its UTC offset."""
    return _reads(datetime.fromisoformat, text)


def _is_time(text: str) -> bool:
    return _reads(time.fromisoformat, text)


def _reads(read: Any, text: str) -> bool:
    try:
        read(text)
    except ValueError:
        return False
    return True


def _told(error: ValidationError) -> Iterator[tuple[str, str]]:
    kind, path = error.kind, error.instance_path
    if isinstance(kind, ValidationErrorKind.AdditionalProperties):
        for name in kind.unexpected:
            yield _pointer([*path, name]), "is not known here"
    elif isinstance(kind, ValidationErrorKind.Required):
        yield _pointer([*path, kind.property]), "is required"
    elif isinstance(kind, ValidationErrorKind.AnyOf):
        yield from _of_arms(kind.context, path)
    else:
        yield _pointer(path), _detail(error)


def _of_arms(arms: list[list[ValidationError]], path: list[str | int]) -> Iterator[tuple[str, str]]:
    """What is wrong by the only arm that is for such a value, or why it is none of them."""
    meant = [arm for arm in arms if not any(_is_of_other_type(error, path) for error in arm)]
    if len(meant) == 1:
        for error in meant[0]:
            yield from _told(error)
    else:
        yield _pointer(path), "; ".join(dict.fromkeys(_detail(error) for arm in arms for error in arm))[:MAX_DETAIL]


def _is_of_other_type(error: ValidationError, path: list[str | int]) -> bool:
    return isinstance(error.kind, ValidationErrorKind.Type) and error.instance_path == path


def _pointer(path: list[str | int]) -> str:
    pointer = "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)
    return pointer[:MAX_ECHO].removesuffix("~")  # half of an escape would be no JSON pointer


def _detail(error: ValidationError) -> str:
    return error.message.removeprefix("value ")[:MAX_DETAIL]
