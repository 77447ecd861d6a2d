"""The ways to submit one task over HTTP."""

from typing import Any

from bridge.protocol.catalog import Catalog, TaskType
from tests.unit.app.edge import ToldClient

SUBMITS: list[tuple[str, Any]] = [
    ("/tasks/submit", {"data": "x"}),
    ("/v1/tasks", {"task": "tasks.add"}),
    ("/v1/task-types/tasks.add/tasks", {}),
]


def told(**said: Any) -> ToldClient:
    """A client that knows the type among them."""
    return ToldClient(task_types=Catalog.of([[TaskType(name="tasks.add")]]), **said)
