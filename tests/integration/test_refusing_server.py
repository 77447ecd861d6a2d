"""A server that is there, and writes nothing."""

import asyncio

import pytest

from app.cli.processes.child import Child
from bridge import connect
from bridge.errors import BrokerUnavailable


async def test_a_server_that_refuses_to_write_is_said_to_be_unavailable(own_server: Child, own_url: str) -> None:
    async with connect(own_url) as client, asyncio.timeout(10):
        task = await client.submit("tasks.add")
        await client._parts.store._redis.execute("CONFIG", "SET", "min-replicas-to-write", "1")
        for call in (
            client.submit("tasks.add"),
            client.submit_many([("tasks.add",)] * 2, atomic=True),
            client.control.ping(),
            task.cancel(),
            task.forget(),
            client._parts.backend.store_revoked(task.task_id),
        ):
            with pytest.raises(BrokerUnavailable, match="NOREPLICAS Not enough good replicas"):
                await call
