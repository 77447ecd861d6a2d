"""What a stack that `docker compose up` started must do. Run it beside one:

    docker compose up --build --wait && python3 tests/compose_check.py

Standard library only. It asks through the published ports (`PETIOLE_PORT`, `PETIOLE_FLOWER_PORT`) and looks into the
containers. It stops and starts containers, so it is for a stack that nobody works with.
"""

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
API = os.environ.get("PETIOLE_PORT", "8000")
FLOWER = os.environ.get("PETIOLE_FLOWER_PORT", "5555")
SERVICES = ("redis", "api", "watcher", "worker", "flower")
CELERY = ("celery", "kombu", "billiard", "amqp", "vine", "flower")
DEADLINE_SECONDS = 60
GRACE_SECONDS = 60
"""What `stop_grace_period` gives the worker, and the others less."""
KILLED = 137
"""Exit code of a container that did not end when it was told to."""
TASKS = 12
"""More than the worker's processes run at once, so that some run and some wait when it is stopped."""
FIND = "import importlib.util as i, sys; print(*[name for name in sys.argv[1:] if i.find_spec(name)])"


@dataclass(frozen=True, kw_only=True)
class Stack:
    """The containers of this folder's compose project, seen through `docker` or `podman`."""

    engine: str

    def ask(self, *arguments: str) -> str:
        """What the engine prints. Raises CalledProcessError when it refuses."""
        return subprocess.run(
            [self.engine, *arguments], check=True, text=True, stdout=subprocess.PIPE, timeout=2 * GRACE_SECONDS
        ).stdout.strip()

    def containers(self, service: str) -> list[str]:
        """Ids of the service's running containers, at least one."""
        labels = {"service": service, "project.working_dir": str(ROOT)}
        filters = [f"--filter=label=com.docker.compose.{name}={value}" for name, value in labels.items()]
        found = self.ask("ps", "--quiet", *filters).split()
        assert found, f"no container of {service} runs here; docker compose up --build --wait"
        return found

    def inside(self, service: str, *argv: str) -> list[str]:
        """What a program prints in each container of a service."""
        return [self.ask("exec", container, *argv) for container in self.containers(service)]


class Refused(OSError):
    """An answer with a status of 400 or more."""


@contextmanager
def answer(port: str, path: str, body: object = None) -> Iterator[HTTPResponse]:
    """What a published port answers; a body makes it a POST. Raises Refused, or OSError when nobody answers."""
    connection = HTTPConnection("127.0.0.1", int(port), timeout=DEADLINE_SECONDS)
    with closing(connection):
        content = None if body is None else json.dumps(body)
        connection.request("POST" if content else "GET", path, content, {"Content-Type": "application/json"})
        response = connection.getresponse()
        if response.status >= HTTPStatus.BAD_REQUEST:
            raise Refused(f"{path}: {response.status} {response.read(1000)!r}")
        yield response


def fetch(port: str, path: str, body: object = None) -> Any:
    """The JSON of an answer. Raises as `answer` does."""
    with answer(port, path, body) as response:
        return json.load(response)


def until(question: Callable[[], bool], wish: str) -> None:
    """Ask until the answer is yes; no answer is a no. Raises AssertionError with the wish after the deadline."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not answered(question):
        assert time.monotonic() < deadline, f"waited {DEADLINE_SECONDS} s until {wish}"
        threading.Event().wait(0.2)


def answered(question: Callable[[], bool]) -> bool:
    """The answer; no when the one who was asked cannot answer yet."""
    try:
        return question()
    except (OSError, HTTPException):
        return False


def stream(task_id: str) -> Iterator[dict[str, str]]:
    """The server-sent events of a task, to the end of its stream."""
    with answer(API, f"/v1/tasks/{task_id}/events") as response:
        event: dict[str, str] = {}
        for line in (raw.decode().rstrip("\r\n") for raw in response):
            if line and not line.startswith(":"):
                name, _, value = line.partition(": ")
                event[name] = value
            elif not line and "event" in event:
                yield event
                event = {}


def submit() -> str:
    """The id of a new task, by the first contract."""
    accepted = fetch(API, "/tasks/submit", {"data": "sample payload"})
    assert accepted.keys() == {"task_id", "status"}, accepted
    return str(accepted["task_id"])


def the_service_becomes_ready(_stack: Stack) -> None:
    until(lambda: fetch(API, "/readyz")["watchers"] > 0, "/readyz says that a watcher is alive")


def a_task_submitted_over_http_is_followed_to_its_end(_stack: Stack) -> None:
    task_id = submit()
    events = list(stream(task_id))
    assert [event["id"] for event in events] == [str(seq) for seq in range(1, len(events) + 1)], events
    assert events[-1]["event"] == "succeeded", events[-1]
    assert json.loads(events[-1]["data"])["final"] is True, events[-1]
    assert "result" in fetch(API, f"/v1/tasks/{task_id}/result"), task_id


def flower_knows_the_task_and_its_worker(_stack: Stack) -> None:
    task_id = submit()
    path = f"/api/task/info/{task_id}"
    until(lambda: fetch(FLOWER, path)["state"] == "SUCCESS", f"Flower shows that {task_id} succeeded")
    worker = fetch(FLOWER, path)["worker"]
    assert fetch(FLOWER, "/api/workers?status=true")[worker] is True, f"{worker} is not online"


def the_images_of_the_service_hold_no_celery(stack: Stack) -> None:
    for service in ("api", "watcher"):
        assert set(stack.inside(service, "python", "-c", FIND, *CELERY)) == {""}, service
    assert set(stack.inside("worker", "python", "-c", FIND, *CELERY)) != {""}, "the question finds nothing anywhere"


def no_process_is_root_nor_can_become_it(stack: Stack) -> None:
    for service in SERVICES:
        for status in stack.inside(service, "cat", "/proc/1/status"):
            facts = dict(line.split(":", 1) for line in status.splitlines())
            assert "0" not in facts["Uid"].split() + facts["Gid"].split(), (service, facts["Uid"], facts["Gid"])
            assert int(facts["CapBnd"], 16) == 0, (service, facts["CapBnd"])
            assert facts["NoNewPrivs"].strip() == "1", service


def no_container_can_change_its_image(stack: Stack) -> None:
    for service in SERVICES:
        for mounts in stack.inside(service, "cat", "/proc/mounts"):
            options = [line.split()[3].split(",") for line in mounts.splitlines() if line.split()[1] == "/"]
            assert "ro" in options[-1], (service, options)


def a_worker_told_to_stop_finishes_what_it_runs(stack: Stack) -> None:
    ids = [submit() for _ in range(TASKS)]
    next(event for event in stream(ids[0]) if event["event"] == "running")
    restart(stack, "worker", lambda: until(lambda: not running(ids), "a stopped worker leaves no task running"))
    for task_id in ids:
        names = [event["event"] for event in stream(task_id)]
        assert names[-1] == "succeeded", (task_id, names)
        assert names.count("running") == 1, (task_id, names)


def running(ids: list[str]) -> list[str]:
    """Those that run, as far as the service knows."""
    return [task_id for task_id in ids if fetch(API, f"/v1/tasks/{task_id}")["status"] == "running"]


def each_role_ends_by_itself_when_told_to(stack: Stack) -> None:
    for service in ("flower", "watcher", "api", "redis"):
        restart(stack, service, lambda: None)
    the_service_becomes_ready(stack)
    a_task_submitted_over_http_is_followed_to_its_end(stack)


def restart(stack: Stack, service: str, between: Callable[[], object]) -> None:
    """Stop the containers of a service, look, start them again. A container that had to be killed fails the check."""
    containers = stack.containers(service)
    stack.ask("stop", "-t", str(GRACE_SECONDS), *containers)
    codes = [stack.ask("inspect", "--format={{.State.ExitCode}}", container) for container in containers]
    between()
    stack.ask("start", *containers)
    assert str(KILLED) not in codes, f"{service} was killed after {GRACE_SECONDS} s"


CHECKS: tuple[Callable[[Stack], None], ...] = (
    the_service_becomes_ready,
    a_task_submitted_over_http_is_followed_to_its_end,
    flower_knows_the_task_and_its_worker,
    the_images_of_the_service_hold_no_celery,
    no_process_is_root_nor_can_become_it,
    no_container_can_change_its_image,
    a_worker_told_to_stop_finishes_what_it_runs,
    each_role_ends_by_itself_when_told_to,
)


def main() -> int:
    """Run the checks one after the other, to the first that fails."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--engine", choices=("docker", "podman"), default="docker")
    stack = Stack(engine=arguments.parse_args().engine)
    for check in CHECKS:
        began = time.monotonic()
        check(stack)
        sys.stdout.write(f"ok  {time.monotonic() - began:5.1f} s  {check.__name__.replace('_', ' ')}\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
