"""What Prometheus reads of a real process."""

import httpx
import pytest

from tests.acceptance.api import Api
from tests.acceptance.installation import Installation
from tests.acceptance.test_keys import KEYS, made, shown
from tests.acceptance.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def lines(api: Api) -> set[str]:
    answer = await api.http.get("/metrics")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    return set(answer.text.splitlines())


async def test_metrics_tell_of_queues_watchers_streams_and_requests_and_that_redis_is_away(own: Installation) -> None:
    async with own.api() as api, own.running(own.watcher()):
        await until(lambda: _is_ready(api))
        task_id = await api.submit("stock.add", 1, 1, queue="reports")
        await api.submit("stock.add", 1, 1, queue="reports", countdown=3_600)
        await api.http.get("/v1/tasks/nobody")
        await api.http.get("/nowhere")
        async with api.stream(task_id) as stream:
            await stream.next()
            told = await lines(api)
        assert told >= {
            'petiole_queue_ready{queue="reports"} 1.0',
            'petiole_queue_scheduled{queue="reports"} 1.0',
            'petiole_queue_unacked{queue="reports"} 0.0',
            "petiole_open_tasks 2.0",
            "petiole_watchers_alive 1.0",
            "petiole_streams_open 1.0",
            "petiole_redis_up 1.0",
            'petiole_http_requests_total{method="POST",route="/v1/tasks",status="202"} 2.0',
            'petiole_http_requests_total{method="GET",route="/v1/tasks/{task_id}",status="404"} 1.0',
            'petiole_http_requests_total{method="GET",route="/v1/tasks/{task_id}/events",status="200"} 1.0',
            'petiole_http_requests_total{method="GET",route="none",status="404"} 1.0',
            'petiole_http_request_duration_seconds_count{method="POST",route="/v1/tasks"} 2.0',
        }
        assert any(line.startswith("petiole_watcher_lag_seconds{watcher=") for line in told)
        await own.server.kill()
        told = await lines(api)
        assert "petiole_redis_up 0.0" in told
        assert not any(line.startswith("petiole_queue_") for line in told)


async def _is_ready(api: Api) -> bool:
    return (await api.http.get("/readyz")).status_code == httpx.codes.OK


async def test_with_keys_metrics_are_for_who_may_administer(own: Installation) -> None:
    async with own.api(**KEYS) as api:
        reader, admin = await made(own, "--scope", "read"), await made(own, "--scope", "admin")
        asked = [await api.http.get("/metrics", headers=headers) for headers in ({}, shown(reader), shown(admin))]
        assert [answer.status_code for answer in asked] == [401, 403, 200]
        assert asked[1].json()["type"] == "forbidden"
