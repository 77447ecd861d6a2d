"""What types a caller is told. mypy checks `told`, which never runs."""

import inspect
from typing import Any, assert_type, get_type_hints

import bridge
from bridge import (
    Call,
    Canvas,
    ChainHandle,
    Chord,
    Group,
    GroupHandle,
    PartOptions,
    PetioleError,
    Signature,
    Status,
    StatusUpdate,
    SubmitOptions,
    TaskClient,
    TaskFailed,
    TaskHandle,
    chain,
    chord,
    connect,
    errors,
    group,
    signature,
)
from bridge.protocol.canvas.check import OPTIONS
from bridge.protocol.canvas.routing import BY_EXCHANGE

add = signature("tasks.add", (1,), queue="mail", priority=3)


async def told(canvas: Canvas, *, return_exceptions: bool) -> None:
    async with connect("redis://localhost:6379/0", broker_global_keyprefix="team-a.") as tasks:
        assert_type(tasks, TaskClient)
        assert_type(await tasks.submit("tasks.add", (2, 3), queue="math"), TaskHandle)

        assert_type(await tasks.submit_many([add, Call("tasks.add")], batch="b1"), list[TaskHandle])
        assert_type(await tasks.submit_many([("a",)], return_exceptions=False), list[TaskHandle])
        assert_type(await tasks.submit_many([add], return_exceptions=True), list[TaskHandle | PetioleError])
        assert_type(
            await tasks.submit_many([add], return_exceptions=return_exceptions), list[TaskHandle | PetioleError]
        )

        assert_type(await tasks.start(add.set(countdown=5)), TaskHandle)
        assert_type(await tasks.start(group(add, add)), GroupHandle)
        assert_type(await tasks.start(chord([add], add)), ChainHandle | GroupHandle)
        assert_type(await tasks.start(chain(add, add)), TaskHandle | GroupHandle)
        assert_type(await tasks.start(canvas), TaskHandle | GroupHandle | ChainHandle)

        handle = tasks.handle("a1")
        assert_type(await handle.status(), Status)
        async for update in handle.follow():
            assert_type(update, StatusUpdate)
    assert_type(add, Signature)
    assert_type(group(add), Group)
    assert_type(chord([add], add), Chord)


def failed(error: TaskFailed) -> None:
    assert_type((error.task_id, error.type, error.message), tuple[str, str, str])
    assert_type((error.module, error.traceback), tuple[str | None, str | None])


def test_a_part_is_typed_by_the_options_that_it_may_have() -> None:
    assert {*PartOptions.__annotations__} == {*OPTIONS, *BY_EXCHANGE}
    assert PartOptions.__annotations__.keys() < SubmitOptions.__annotations__.keys()
    for made in (Signature.set, Group.set, signature):
        *_, last = inspect.signature(made).parameters
        assert get_type_hints(made)[last].__args__ == (PartOptions,)


def test_what_callers_name_is_exported_by_the_package_itself() -> None:
    for name in bridge.__all__:
        assert getattr(bridge, name) is not None
    told_to_nobody = {"InvalidOwner", "ApiKeyNotFound", "NotACall"}
    caught = {name for name, value in vars(errors).items() if _is_error(value)}
    assert caught - told_to_nobody <= {*bridge.__all__}


def _is_error(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, PetioleError)
