"""Announces the task types of a Celery worker, so that Petiole can offer and check them without their code.

One line in any Celery app whose broker is Redis: ``announce(app)``. This file needs nothing else of Petiole, so it may
be copied. Each worker tells name, doc, JSON Schema of the parameters, queue, retry policy and time limits of its tasks
when it starts, says every few seconds that they are still there, and takes them back when it stops. What goes wrong
here is logged and never stops a worker.
"""

import dataclasses
import enum
import inspect
import json
import os
import sys
import types
import typing
from collections import abc, deque
from contextlib import suppress
from datetime import date, datetime, time
from decimal import Decimal
from uuid import UUID

from celery import Celery
from celery.bootsteps import StartStopStep
from celery.utils.log import get_logger

Schema = dict[str, typing.Any]
logger = get_logger(__name__)
RETRY_OPTIONS = ("default_retry_delay", "retry_backoff", "retry_backoff_max", "retry_jitter", "backoff")
REFRESH_SECONDS = 5.0
LIFE_SECONDS = 30  # how long an announcement outlives a worker that was killed
MAX_DOC, MAX_DEPTH = 4_000, 12
PUBLISH = """
local since, now = ARGV[4], redis.call('TIME')
if since == '' then since = now[1] .. string.format('%06d', now[2]) end
for _, worker in ipairs(redis.call('HKEYS', KEYS[1])) do
    if redis.call('EXISTS', KEYS[1] .. ':' .. worker) == 0 then redis.call('HDEL', KEYS[1], worker) end
end
redis.call('SET', KEYS[2], ARGV[2], 'EX', ARGV[3])
redis.call('HSET', KEYS[1], ARGV[1], since)
redis.call('EXPIRE', KEYS[1], ARGV[3])
return since
"""
"""Stores an announcement and since when it holds, by the clock of Redis: of two workers' words the newer one counts."""
WITHDRAW = """
if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then
    return redis.call('HDEL', KEYS[1], ARGV[1]) + redis.call('DEL', KEYS[2])
end
"""
"""Takes it back, unless another worker of the same name has made its own since."""


def announce(app: Celery, *, prefix: str | None = None) -> None:
    """Have every worker of `app` announce its task types.

    `prefix` is that of Petiole's keys, `PETIOLE_PREFIX` by default, or else ``petiole:`` after Kombu's
    ``global_keyprefix``.
    """

    class Announcement(_Announcement):
        key_prefix = prefix

    app.steps["consumer"].add(Announcement)


class _Announcement(StartStopStep):
    """The part of a worker that announces. It starts anew with each connection to the broker."""

    requires = ("celery.worker.consumer.tasks:Tasks",)
    key_prefix: str | None = None
    _redis: typing.Any = None
    _since, _failure = "", ""
    _timer: typing.Any = None

    def start(self, parent: typing.Any) -> None:
        """Announce, and go on saying so."""
        if parent.connection.transport.driver_type != "redis":
            logger.info("The task types are not announced: the broker is not Redis.")
            return
        self._safely(self._begin, parent)
        if self._redis:
            self._timer = parent.timer.call_repeatedly(REFRESH_SECONDS, self._safely, (self._refresh,))

    def stop(self, parent: typing.Any) -> None:
        """Take the announcement back."""
        if self._timer:
            self._timer.cancel()
            self._safely(self._redis.eval, WITHDRAW, 2, *self._keys, self._worker, self._since)

    terminate = stop

    def _safely(self, step: abc.Callable[..., object], *args: typing.Any) -> None:
        try:
            step(*args)
            self._failure = ""
        except Exception as error:
            if repr(error) != self._failure:  # once, not every few seconds
                logger.warning("The task types are not announced, for now: %r", error)
            self._failure = repr(error)

    def _begin(self, worker: typing.Any) -> None:
        from redis import Redis  # here, since a worker of another broker need not have it

        channel = worker.connection.default_channel
        prefix = self.key_prefix or os.environ.get("PETIOLE_PREFIX") or f"{channel.global_keyprefix}petiole:"
        self._worker = worker.hostname
        self._keys = (f"{prefix}catalog", f"{prefix}catalog:{self._worker}")
        self._told = json.dumps({"version": 1, "worker": self._worker, "task_types": task_types(worker.app)})
        self._redis = Redis(
            connection_pool=channel.pool
        )  # Kombu's own would prefix some commands' keys and not others'
        self._publish()

    def _publish(self) -> None:
        since = self._redis.eval(PUBLISH, 2, *self._keys, self._worker, self._told, LIFE_SECONDS, self._since)
        self._since = since.decode()

    def _refresh(self) -> None:
        with self._redis.pipeline(transaction=False) as pipe:
            for key in self._keys:
                pipe.expire(key, LIFE_SECONDS)
            there = all(pipe.execute())
        if not there:  # Redis was emptied, or this process slept
            self._publish()


def task_types(app: Celery) -> list[Schema]:
    """What is announced of each task of `app`, by name; Celery's own tasks are left out."""
    # With queues of its own: to look up a route may declare a queue, which the worker would then take tasks from.
    router = app.amqp.Router(queues=app.amqp.Queues(list(app.amqp.queues.values())))
    return [_described(app.tasks[name], router) for name in sorted(app.tasks) if not name.startswith("celery.")]


def _described(task: typing.Any, router: typing.Any) -> Schema:
    conf = task.app.conf
    return {
        "name": task.name,
        "doc": inspect.cleandoc(task.__doc__ or "")[:MAX_DOC],
        "schema": parameters_schema(task.run),
        "queue": _queue(task, router),
        "retry": _retry_policy(task),
        "time_limit": task.time_limit or conf.task_time_limit,
        "soft_time_limit": task.soft_time_limit or conf.task_soft_time_limit,
    }


def _queue(task: typing.Any, router: typing.Any) -> str | None:
    """Where the app itself would send the task; None where only a call with its arguments can tell."""
    try:
        route = router.route({"queue": task.queue} if getattr(task, "queue", None) else {}, task.name)
        return str(getattr(route["queue"], "name", route["queue"]))
    except Exception as error:
        logger.info("No queue is announced for %s: %r", task.name, error)
        return None


def _retry_policy(task: typing.Any) -> Schema:
    policy = {name: getattr(task, name, None) for name in RETRY_OPTIONS}
    if dataclasses.is_dataclass(backoff := policy["backoff"]) and not isinstance(backoff, type):
        policy["backoff"] = dataclasses.asdict(backoff)
    errors = [error.__name__ for error in getattr(task, "autoretry_for", ())]
    told = {name: value for name, value in policy.items() if _json_or_none(value) is not None}
    return {"max_retries": task.max_retries, "autoretry_for": errors, **told}


def _json_or_none(value: typing.Any) -> typing.Any:
    with suppress(TypeError, ValueError):
        json.dumps(value, allow_nan=False)
        return value
    return None


def parameters_schema(function: typing.Any) -> Schema | None:
    """The JSON Schema (2020-12) of what `function` may be given by name; None when it cannot be called that way.

    An annotation that is not understood allows anything. Models of pydantic bring their own schemas.
    """
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return None
    if any(one.kind is one.POSITIONAL_ONLY and one.default is one.empty for one in parameters):
        return None
    derived = _Derived(getattr(inspect.unwrap(function), "__globals__", {}))
    by_name = [one for one in parameters if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]
    schema: Schema = {
        "type": "object",
        "properties": {one.name: derived.parameter(one) for one in by_name},
        "required": [one.name for one in by_name if one.default is one.empty],
        "additionalProperties": any(one.kind is one.VAR_KEYWORD for one in parameters),
    }
    return {**schema, "$defs": derived.definitions} if derived.definitions else schema


class _Derived:
    """The schemas of one task's parameters, and the definitions that they share."""

    def __init__(self, names: dict[str, typing.Any]) -> None:
        self._names = names
        self.definitions: Schema = {}

    def parameter(self, parameter: inspect.Parameter) -> Schema:
        annotation, default = parameter.annotation, parameter.default
        schema = {} if annotation is parameter.empty else self._of_hint(annotation)
        if default is parameter.empty:
            return schema
        if default is None:  # `x: int = None` is written often enough
            return self._any_of([schema, {"type": "null"}]) | {"default": None}
        plain = _json_or_none(default.value if isinstance(default, enum.Enum) else default)
        return schema if plain is None else {**schema, "default": plain}

    def _of_hint(self, annotation: typing.Any) -> Schema:
        hinted = types.SimpleNamespace(__annotations__={"it": annotation})
        try:
            return self.of(typing.get_type_hints(hinted, self._names, include_extras=True)["it"])
        except Exception as error:  # a name that exists for type checkers only, a model that has no schema, …
            logger.debug("An annotation is not understood, anything is allowed: %r: %r", annotation, error)
            return {}

    def of(self, annotation: typing.Any, within: tuple[typing.Any, ...] = ()) -> Schema:
        """The schema of values of a type, which stands `within` other types; ``{}`` when nothing is known of them."""
        if len(within) > MAX_DEPTH or any(annotation is outer for outer in within):
            return {}  # for example a type that contains itself
        if _is_for_pydantic(annotation):
            return self._of_pydantic(annotation)
        within = (*within, annotation)
        origin, args = typing.get_origin(annotation) or annotation, typing.get_args(annotation)
        if origin is typing.Annotated or hasattr(annotation, "__supertype__"):  # the latter is a NewType
            return self.of(args[0] if args else annotation.__supertype__, within)
        if origin in (typing.Union, types.UnionType):
            return self._any_of([self.of(one, within) for one in args])
        return self._of_class(origin, args, within)

    def _of_class(self, kind: typing.Any, args: tuple[typing.Any, ...], within: tuple[typing.Any, ...]) -> Schema:
        if kind in _SCALARS:
            return dict(_SCALARS[kind])
        if kind is tuple and args and args[-1] is not Ellipsis:
            items = [self.of(one, within) for one in args]
            return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}
        if kind in _ARRAYS:
            return {"type": "array", "items": self.of(args[0], within)} if args else {"type": "array"}
        if kind in _OBJECTS:
            values = self.of(args[1], within) if args else {}
            return {"type": "object", "additionalProperties": values} if values else {"type": "object"}
        return self._of_own_class(kind, args, within)

    def _of_own_class(self, kind: typing.Any, args: tuple[typing.Any, ...], within: tuple[typing.Any, ...]) -> Schema:
        if kind is typing.Literal or isinstance(kind, enum.EnumMeta):
            values = [getattr(one, "value", one) for one in args or getattr(kind, "__members__", {}).values()]
            return {"enum": values} if _json_or_none(values) else {}
        if dataclasses.is_dataclass(kind):
            fields, absent = [one for one in dataclasses.fields(kind) if one.init], dataclasses.MISSING
            names = [one.name for one in fields]
            required = [one.name for one in fields if one.default is one.default_factory is absent]
        elif typing.is_typeddict(kind):
            names, required = list(kind.__annotations__), sorted(kind.__required_keys__)
        else:
            return {}
        hints = typing.get_type_hints(kind)
        properties = {name: self.of(hints[name], within) for name in names}
        return {"type": "object", "properties": properties, "required": required}

    def _any_of(self, arms: list[Schema]) -> Schema:
        flat = [one for arm in arms for one in (arm["anyOf"] if arm.keys() == {"anyOf"} else [arm])]
        distinct = [one for at, one in enumerate(flat) if one not in flat[:at]]
        return {} if {} in distinct else {"anyOf": distinct} if len(distinct) > 1 else distinct[0]

    def _of_pydantic(self, annotation: typing.Any) -> Schema:
        adapter = sys.modules["pydantic"].TypeAdapter(annotation)
        schema: Schema = adapter.json_schema(ref_template="#/$defs/{model}")
        names = schema.get("$defs", {})
        if any(self.definitions.get(name, one) != one for name, one in names.items()):  # another model of the same name
            number = len(self.definitions)
            schema = adapter.json_schema(ref_template=f"#/$defs/{{model}}.{number}")
            schema["$defs"] = {f"{name}.{number}": one for name, one in schema["$defs"].items()}
        self.definitions |= schema.pop("$defs", {})
        return schema


def _is_for_pydantic(annotation: typing.Any) -> bool:
    """Whether pydantic knows more of it. A task that uses pydantic has imported it."""
    marks = ("__get_pydantic_core_schema__", "__pydantic_core_schema__")
    annotated = typing.get_origin(annotation) is typing.Annotated
    return "pydantic" in sys.modules and (annotated or any(hasattr(annotation, mark) for mark in marks))


_SCALARS: dict[typing.Any, Schema] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    type(None): {"type": "null"},
    datetime: {"type": "string", "format": "date-time"},
    date: {"type": "string", "format": "date"},
    time: {"type": "string", "format": "time"},
    UUID: {"type": "string", "format": "uuid"},
    Decimal: {"anyOf": [{"type": "number"}, {"type": "string"}]},
}
_ARRAYS = {list, tuple, set, frozenset, deque, abc.Iterable, abc.Collection, abc.Sequence, abc.MutableSequence, abc.Set}
_OBJECTS = {dict, abc.Mapping, abc.MutableMapping}
