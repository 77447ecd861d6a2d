"""News, and tasks that it has moved to where a test wants them."""

from typing import Any

from bridge.protocol.news import News
from bridge.protocol.state import Status
from bridge.records.status_store import Advanced, StatusStore
from tests.clocks import START

AT_MS = int(START * 1000)


def news(status: Status | None, attempt: int = 1, *, task_id: str = "a1", at_ms: int = AT_MS, **fields: Any) -> News:
    return News(task_id=task_id, status=status, attempt=attempt, at_ms=at_ms, **fields)


def progress(current: int, attempt: int = 1, **fields: Any) -> News:
    return news(None, attempt, details={"progress": {"current": current}}, **fields)


async def in_status(store: StatusStore, status: Status, attempt: int = 1, *, task_id: str = "a1") -> None:
    """A task that has come to `status`."""
    await store.advance([news(status, attempt, task_id=task_id, adopts=True)])


async def one(store: StatusStore, told: News) -> Advanced:
    (outcome,) = await store.advance([told])
    return outcome


async def kinds(store: StatusStore, task_id: str = "a1") -> list[str]:
    return [update.kind for update in (await store.read_after(task_id, 0)).updates]
