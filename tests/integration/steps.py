"""Steps of workflows that tests start, and what is recorded of them, by the names of their tasks."""

from bridge import TaskClient, signature
from bridge.records.task_list import TaskFilter
from bridge.submit.planned_steps import GRACE_MS
from tests.integration.telling import AT_MS

LATER = AT_MS + GRACE_MS
"""When a step that waits in vain since `AT_MS` is given up."""
A, B, C, D = (signature(name) for name in "abcd")


async def statuses(client: TaskClient, batch: str = "w1") -> dict[str | None, str]:
    page = await client.tasks.page(TaskFilter(batch=batch))
    return {record.task: record.status for record in page.tasks}


async def ids(client: TaskClient, batch: str = "w1") -> dict[str | None, str]:
    page = await client.tasks.page(TaskFilter(batch=batch))
    return {record.task: record.task_id for record in page.tasks}
