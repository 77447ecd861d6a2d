"""API keys, limits and stream tokens, with real replicas and the real command."""

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from ipaddress import IPv4Address
from typing import Any

import pytest

from app.auth import KEY_SECONDS
from app.cli.ports import free_port
from tests.acceptance.api import Api
from tests.acceptance.installation import Installation
from tests.acceptance.programs import Ended, run
from tests.acceptance.waiting import DEADLINE, until

pytestmark = pytest.mark.asyncio(loop_scope="package")
KEYS = {"PETIOLE_AUTH": "keys"}
PAYLOAD = {"data": "sample payload"}
SLACK = 5.0
"""Seconds that a busy machine may take beyond what is promised."""


async def petiole(own: Installation, *arguments: str, **environment: str) -> Ended:
    """The command, which must end by itself."""
    return await run(sys.executable, "-m", "app.cli", *arguments, environment={**own.environment, **environment})


async def made(own: Installation, *arguments: str) -> dict[str, Any]:
    """A new key of acme."""
    code, stdout, stderr = await petiole(own, "keys", "create", "--owner", "acme", "--json", *arguments)
    assert code == 0, stderr
    key: dict[str, Any] = json.loads(stdout)
    return key


def shown(key: Mapping[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {key['key']}"}


async def submits(api: Api, key: Mapping[str, Any]) -> int:
    return (await api.http.post("/tasks/submit", json=PAYLOAD, headers=shown(key))).status_code


async def test_a_key_works_at_every_replica_from_the_moment_it_is_made_until_it_is_revoked(
    own: Installation, lifetimes: AsyncExitStack
) -> None:
    replicas = [await lifetimes.enter_async_context(own.api(**KEYS)) for _ in range(2)]
    for api in replicas:
        assert (await api.http.post("/tasks/submit", json=PAYLOAD)).status_code == 401
    key = await made(own)
    assert [await submits(api, key) for api in replicas] == [202, 202]
    _, listed, _ = await petiole(own, "keys", "list", "--json")
    assert json.loads(listed)[0]["last_used_at"]

    assert (await petiole(own, "keys", "revoke", key["id"]))[0] == 0
    await until(lambda: _all_refuse(replicas, key), within=KEY_SECONDS + SLACK)
    assert key["key"] not in "".join(own.log.latest().values())


async def _all_refuse(replicas: Sequence[Api], key: Mapping[str, Any]) -> bool:
    return [await submits(api, key) for api in replicas] == [401] * len(replicas)


async def test_replicas_share_the_rate_limit_of_a_key(own: Installation, lifetimes: AsyncExitStack) -> None:
    told = {**KEYS, "PETIOLE_RATE_LIMIT": "0.001", "PETIOLE_RATE_BURST": "4"}
    replicas = [await lifetimes.enter_async_context(own.api(**told)) for _ in range(2)]
    key, other = await made(own), await made(own)
    answers = [await api.http.post("/tasks/submit", json=PAYLOAD, headers=shown(key)) for api in replicas * 3]
    assert [answer.status_code for answer in answers] == [202] * 4 + [429] * 2
    assert [answer.headers["ratelimit"].partition(";t=")[0] for answer in answers] == [
        f'"requests";r={left}' for left in (3, 2, 1, 0, 0, 0)
    ]
    assert answers[-1].json()["type"] == "rate-limited"
    assert int(answers[-1].headers["retry-after"]) > 0
    assert await submits(replicas[0], other) == 202


async def test_a_stream_token_of_one_replica_opens_the_stream_at_another(
    own: Installation, lifetimes: AsyncExitStack
) -> None:
    one, other = [await lifetimes.enter_async_context(own.api(**KEYS)) for _ in range(2)]
    key = await made(own)
    submitted = await one.http.post("/tasks/submit", json=PAYLOAD, headers=shown(key))
    task_id = submitted.json()["task_id"]
    answer = await one.http.post("/v1/stream-tokens", json={"task": [task_id]}, headers=shown(key))
    token = answer.json()["token"]
    async with other.http.stream("GET", f"/v1/tasks/{task_id}/events", params={"token": token}) as stream:
        assert stream.status_code == 200
        async for line in stream.aiter_lines():
            if line.startswith("event: "):
                assert line == "event: submitted"
                break
    assert (await other.http.get("/v1/tasks/nobody/events", params={"token": token})).status_code == 404
    assert token not in "".join(own.log.latest().values())


async def test_a_key_has_only_so_many_streams(own: Installation) -> None:
    async with own.api(**KEYS, PETIOLE_MAX_STREAMS_PER_KEY="1") as api:
        key, other = await made(own), await made(own)
        submitted = await api.http.post("/tasks/submit", json=PAYLOAD, headers=shown(key))
        path = f"{submitted.headers['location']}/events"
        async with api.http.stream("GET", path, headers=shown(key)) as first:
            assert first.status_code == 200
            assert (await api.http.get(path, headers=shown(key))).status_code == 429
            async with api.http.stream("GET", path, headers=shown(other)) as second:
                assert second.status_code == 200


async def test_without_redis_a_call_with_a_key_answers_503_and_does_not_hang(own: Installation) -> None:
    async with own.api(**KEYS, PETIOLE_RATE_LIMIT="100") as api:
        key = await made(own)
        assert await submits(api, key) == 202
        await own.server.kill()
        async with asyncio.timeout(DEADLINE):
            assert await submits(api, key) == 503
            unknown = await api.http.post("/tasks/submit", json=PAYLOAD, headers={"X-API-Key": _other(key["key"])})
        assert (unknown.status_code, unknown.json()["type"]) == (503, "broker-unavailable")


def _other(key: str) -> str:
    prefix, _, secret = key.rpartition("_")
    return f"{prefix[:-1]}{'0' if prefix[-1] != '0' else '1'}_{secret}"


async def test_the_command_sends_the_key_that_it_is_told(own: Installation) -> None:
    async with own.api(**KEYS) as api:
        key, url = await made(own), str(api.http.base_url)
        submit = ("submit", "workers.tasks.heavy_task", "--args", '["x"]', "--url", url)
        code, _, stderr = await petiole(own, *submit)
        assert code == 2
        assert "API key" in stderr
        code, task_id, _ = await petiole(own, *submit, PETIOLE_API_KEY=key["key"])
        assert code == 0
        assert (await api.http.get(f"/v1/tasks/{task_id.strip()}", headers=shown(key))).status_code == 200


@pytest.mark.parametrize("role", ["api", "up"])
async def test_the_api_does_not_start_for_everybody_without_keys(own: Installation, role: str) -> None:
    everywhere = {"PETIOLE_HOST": str(IPv4Address(0)), "PETIOLE_PORT": str(free_port())}
    code, _, stderr = await petiole(own, role, **everywhere)
    assert code == 2
    assert "PETIOLE_AUTH=keys" in stderr
    assert "Traceback" not in stderr


async def test_with_keys_it_does(own: Installation) -> None:
    async with own.api(**KEYS, PETIOLE_HOST=str(IPv4Address(0))) as api:
        assert (await api.http.get("/healthz")).status_code == 200
        assert (await api.http.get("/v1/tasks/x")).status_code == 401
