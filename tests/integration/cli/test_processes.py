import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from app.cli.errors import ChildDied, ChildNotReady
from app.cli.processes.child import Child, Service
from app.cli.processes.groups import group_gone, members
from app.cli.processes.supervisor import Supervisor
from app.cli.stack.leftovers import leftovers

FOREVER = "tail -f /dev/null"
LONG_ENOUGH = 60
"""Seconds that a child is never kept waiting for, whatever else the machine does."""
SLOW = """
import signal, sys

signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGQUIT])  # it stays until it is asked for, so none is missed
print("ready", flush=True)
signal.sigwait([signal.SIGQUIT])
print("hurried", flush=True)
sys.exit(7)
"""
PARENT = """
import asyncio
from app.cli.processes.child import Child, Service

async def main():
    async with Child(Service(name="child", **{service})) as child:
        print(child.pid, flush=True)
        await child.wait()

asyncio.run(main())
"""


class Output:
    """A sink that lets a test wait for a line."""

    def __init__(self) -> None:
        self.lines: asyncio.Queue[tuple[str, str]] = asyncio.Queue()

    def __call__(self, name: str, line: str) -> None:
        self.lines.put_nowait((name, line))

    async def next(self) -> str:
        async with asyncio.timeout(5):
            return (await self.lines.get())[1]


def shell(script: str, name: str = "child") -> Service:
    return Service(name=name, argv=("sh", "-c", script), start_within=5, stop_within=5)


async def never() -> bool:
    return False


async def test_what_a_child_started_ends_with_it() -> None:
    output = Output()
    async with Child(shell(f"{FOREVER} & echo started; wait"), output) as child:
        assert await output.next() == "started"
        assert child.pid is not None
        assert len(members(child.pid)) == 2
    assert not members(child.pid)
    assert leftovers([child], []) == []


async def test_a_child_that_does_not_listen_to_sigterm_is_killed_after_its_time() -> None:
    output = Output()
    child = Child(shell(f"trap '' TERM; echo ready; while true; do {FOREVER}; done"), output)
    await child.start()
    await output.next()
    assert await child.stop(within=0) == -signal.SIGKILL
    assert child.pid is not None
    assert not members(child.pid)


async def test_a_child_that_takes_too_long_is_hurried_before_it_is_killed() -> None:
    output = Output()
    service = Service(
        name="slow", argv=(sys.executable, "-c", SLOW), hurry_signal=signal.SIGQUIT, hurry_within=LONG_ENOUGH
    )
    child = Child(service, output)
    await child.start()
    await output.next()
    assert await child.stop(within=0) == 7
    assert list(child.last_lines) == ["ready", "hurried"]


async def test_a_child_that_ends_instead_of_becoming_ready_is_told_with_its_last_lines() -> None:
    service = Service(name="broken", argv=("sh", "-c", "echo no luck; exit 3"), ready=never)
    with pytest.raises(ChildDied, match=r"(?s)broken .* exit code 3.*no luck"):
        async with Child(service):
            raise AssertionError("it became ready")


async def test_a_child_that_does_not_become_ready_in_time_is_stopped() -> None:
    child = Child(Service(name="lazy", argv=("tail", "-f", "/dev/null"), ready=never, start_within=0.1))
    with pytest.raises(ChildNotReady, match=r"lazy was not ready after 0\.1 s"):
        async with child:
            raise AssertionError("it became ready")
    assert not child.running


async def test_a_program_that_does_not_exist_is_a_child_that_died() -> None:
    service = Service(name="nobody", argv=("/no/such/program",), ready=never)
    with pytest.raises(ChildDied, match="No such file"):
        async with Child(service):
            raise AssertionError("it became ready")


async def test_a_child_can_be_killed_and_started_again() -> None:
    child = Child(shell(FOREVER))
    await child.start()
    first = child.pid
    assert await child.kill() == -signal.SIGKILL
    await child.start()
    assert child.pid != first
    assert await child.stop() == -signal.SIGTERM


@pytest.mark.parametrize(
    "service",
    [
        pytest.param({"argv": ("tail", "-f", "/dev/null")}, id="simple"),
        pytest.param(
            {"argv": ("sh", "-c", f"trap '' TERM; {FOREVER} & wait; wait"), "guarded": True, "hurry_within": 0.1},
            id="that does not listen and has a child of its own",
        ),
    ],
)
async def test_no_child_outlives_a_parent_that_was_killed(service: dict[str, object]) -> None:
    output = Output()
    script = PARENT.replace("{service}", repr(service))
    parent = Child(Service(name="parent", argv=(sys.executable, "-c", script)), output)
    await parent.start()
    group = int(await output.next())
    assert members(group)
    await parent.kill()
    assert await group_gone(group, within=5)


async def test_a_guarded_child_ends_like_any_other_when_its_parent_lives() -> None:
    child = Child(Service(name="guarded", argv=("tail", "-f", "/dev/null"), guarded=True))
    await child.start()
    assert await child.stop() == -signal.SIGTERM


async def test_children_are_stopped_in_the_opposite_order_of_their_start() -> None:
    output = Output()
    async with Supervisor(output) as supervisor:
        for name in ("first", "second"):
            await supervisor.start(shell(f"trap 'echo {name} ends; exit' TERM; echo ready; {FOREVER} & wait", name))
            await output.next()
    assert [await output.next(), await output.next()] == ["second ends", "first ends"]


async def test_the_supervisor_tells_which_child_ended() -> None:
    async with Supervisor() as supervisor:
        await supervisor.start(shell(FOREVER, "stays"))
        await supervisor.start(shell("exit 4", "goes"))
        async with asyncio.timeout(5):
            child = await supervisor.first_to_end()
        assert (child.name, await child.wait()) == ("goes", 4)


async def test_cancelling_a_second_time_ends_a_stop_that_takes_long() -> None:
    output = Output()
    supervisor = Supervisor(output)
    stubborn = Service(
        name="stubborn", argv=("sh", "-c", f"trap 'echo term' TERM; echo up; {FOREVER} & wait; wait; wait")
    )

    async def run() -> None:
        async with supervisor:
            await supervisor.start(stubborn)
            await asyncio.Event().wait()

    task = asyncio.create_task(run())
    assert await output.next() == "up"
    task.cancel()
    assert await output.next() == "term"
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(5):
            await task
    assert leftovers(supervisor.children, []) == []


async def test_ctrl_c_at_the_terminal_reaches_the_parent_alone() -> None:
    async with Child(shell(FOREVER)) as child:
        assert child.pid is not None
        assert os.getsid(child.pid) == child.pid
        assert os.getsid(child.pid) != os.getsid(0)


async def test_output_that_nobody_ends_is_kept_in_bounds(tmp_path: Path) -> None:
    output = Output()
    async with Child(shell(f"seq 1000; echo done; {FOREVER}"), output) as child:
        while await output.next() != "done":
            pass
        assert child.last_lines[0] == "982"
        assert child.last_lines[-1] == "done"
