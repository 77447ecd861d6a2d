"""The test's side of `stock.paced`: when it runs, and when it takes its next step."""

from dataclasses import dataclass
from typing import Self

from bridge.redis import Redis
from tests.acceptance.installation import Installation
from tests.acceptance.waiting import until


@dataclass(frozen=True, kw_only=True)
class Pace:
    """Sets the pace of one task."""

    redis: Redis
    task_id: str

    @classmethod
    def of(cls, installation: Installation, task_id: str) -> Self:
        """The pace of a task of that installation."""
        return cls(redis=installation.redis, task_id=task_id)

    async def runs(self) -> int:
        """Wait until the task runs; the process that runs it."""
        key = f"test:runs:{self.task_id}"

        async def is_there() -> bool:
            return bool(await self.redis.execute("LLEN", key))

        await until(is_there)
        return int(await self.redis.execute("LPOP", key))

    async def step(self, times: int = 1) -> None:
        """Let the task take so many steps."""
        await self.redis.execute("RPUSH", f"test:step:{self.task_id}", *["go"] * times)
