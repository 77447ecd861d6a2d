"""What a caller asks for: a task, what to call it with, and options by the names of Celery's `send_task`."""

from collections.abc import AsyncIterable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypedDict, cast

from bridge.errors import NotACall, PetioleError
from bridge.protocol.embed import Links
from bridge.protocol.part_options import PartOptions
from bridge.protocol.signature import Canvas, Signature


class SubmitOptions(PartOptions, total=False):
    """The keyword arguments of `submit`. Durations are seconds, times are aware; None is as good as not given.

    In the place of a `queue`, the `exchange` and `routing_key` that lead to one may be given; a fanout exchange takes
    tasks without `record` alone, which every worker that listens runs. Celery's own exchanges, those of events and of
    remote control, take none: workers die of it. One that an installation calls otherwise is known by the ``.pidbox``
    at its end, or by the queues ``celeryev.…`` of its events; with another ``event_queue_prefix`` it is not known.

    `priority` is 0 (served first) to 9 (served last). Of `countdown` and `eta` one may be given; `expires` is a time or
    a number of seconds from now. `serializer` and `compression` go by Kombu's names. `link` and `link_error` are one
    signature or several, `chord` is the body of the chord that the task is a part of. `stamps` are headers that stay
    with the task when it is retried; `stamped_headers` gives their order, if it matters. `argsrepr` and `kwargsrepr`
    are shown by Flower in the place of the arguments. Without `record` nothing is written but Celery's own keys, and
    the `idempotency_key` if one is given.

    `idempotency_key` is not Celery's: of submits with the same key only the first queues a task, and the others answer
    its handle, as long as the key is remembered (`idempotency_ttl`). With another task, other arguments or options than
    the first they raise `IdempotencyKeyReused`. Keys are printable ASCII.
    """

    stamps: Mapping[str, Any] | None
    stamped_headers: Sequence[str] | None
    link: Links
    link_error: Links
    chord: Canvas | None
    root_id: str | None
    parent_id: str | None
    group_id: str | None
    group_index: int | None
    retries: int | None
    reply_to: str | None
    correlation_id: str | None
    tags: Sequence[str] | None
    idempotency_key: str | None
    record: bool | None


class ManyOptions(TypedDict, total=False):
    """The keyword arguments of `submit_many` that are about all of its tasks.

    Records, the feed and the list know them by the id `batch`.

    With `atomic` all are queued, or none: they are all in memory and go in one round trip, in which Redis does nothing
    else. Those that could have been queued are then told as `HeldBack`.

    With an idempotency `key` each claims the part of it that is its place, so what is sent again queues what is
    missing; `IdempotencyKeyReused` is raised, and no more queued, after one that is another task than before.
    """

    batch: str | None
    atomic: bool
    key: str | None


class Call(NamedTuple):
    """One task to submit: its name, what to call it with, and its options."""

    task: str
    args: Sequence[Any] | None = ()
    kwargs: Mapping[str, Any] | None = None
    options: SubmitOptions = SubmitOptions()


Asked = Call | Signature | tuple[Any, ...] | PetioleError
"""What can be submitted among many. An error stands for what could not even be read: it is its own outcome."""
Calls = Iterable[Asked] | AsyncIterable[Asked]


def call_of(asked: Asked) -> Call:
    """The call that a tuple of its parts, or a signature of one task, is.

    Raises:
        NotACall: it is something else.
        PetioleError: it is one.
    """
    call = asked if isinstance(asked, Call) else _read(asked)
    if call.options and not isinstance(call.options, Mapping):
        raise NotACall(
            "/options", f"must be an object by the names of the options, not a {type(call.options).__name__}"
        )
    return call


def _read(asked: Signature | tuple[Any, ...] | PetioleError) -> Call:
    if isinstance(asked, tuple):
        if not 1 <= len(asked) <= len(Call._fields):
            raise NotACall("", f"{len(asked)} parts are no call; there are {', '.join(Call._fields)}")
        return Call(*asked)
    if isinstance(asked, PetioleError):
        raise asked
    if isinstance(asked, Signature):
        tags: SubmitOptions = {"tags": asked.tags} if asked.tags else {}
        return Call(asked.task, asked.args, asked.kwargs, {**_of_a_submit(asked.options), **tags})
    kind = type(asked).__name__
    raise NotACall("", f"a {kind} cannot be submitted among many; give a Call, a tuple of its parts, or a signature")


def _of_a_submit(options: Mapping[str, Any]) -> SubmitOptions:
    """The options of a signature, in which stamps stand beside the others."""
    if "stamped_headers" not in options:
        return cast("SubmitOptions", options)
    names = options["stamped_headers"]
    rest = {name: value for name, value in options.items() if name not in names}
    return cast("SubmitOptions", {**rest, "stamps": {name: options[name] for name in names}})
