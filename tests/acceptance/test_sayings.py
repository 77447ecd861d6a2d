"""What a stock task says by events of its own comes to whoever follows it: in order, once, before its end."""

import asyncio

import pytest

from tests.acceptance.api import Api, assert_complete
from tests.acceptance.installation import Installation

pytestmark = pytest.mark.asyncio(loop_scope="package")
LINES = 100
"""More at once than any look at the latest updates would tell apart."""


@pytest.mark.parametrize("others", [0, 1], ids=["one watcher", "two watchers"])
async def test_the_output_and_the_log_of_each_attempt_arrive_whole_and_in_order(
    api: Api, shared: Installation, others: int
) -> None:
    async with shared.running(*(shared.watcher() for _ in range(others))):
        task_ids = [await api.submit("stock.says", LINES, queue="stock") for _ in range(4)]
        for updates in await asyncio.gather(*map(api.follow, task_ids)):
            assert_complete(updates)
            for attempt in (1, 2):
                said = [update.content for update in updates if update.attempt == attempt]
                output = [content["output"] for content in said if "output" in content]
                assert output == [f"line {number}\n" if number % 2 else "…\n" for number in range(LINES)]
                assert [content["log"] for content in said if "log" in content] == [
                    {"level": "WARNING", "message": "all said"}
                ]
