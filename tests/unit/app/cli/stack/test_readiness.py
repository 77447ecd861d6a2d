import httpx
import pytest

from app.cli.stack.readiness import answers_ok, worker_is_online
from tests.unit.app.cli.following.streams import BASE_URL, Script, client

UP = {"hostname": "mine@host", "online": True}


@pytest.mark.parametrize(
    ("answer", "ready"),
    [(httpx.Response(200), True), (httpx.Response(503), False), (httpx.ConnectError("refused"), False)],
)
async def test_a_service_is_ready_when_it_answers_ok(answer: httpx.Response | Exception, ready: bool) -> None:
    async with client(Script([answer])) as http:
        assert await answers_ok(http, f"{BASE_URL}/readyz")() is ready


@pytest.mark.parametrize(
    ("answer", "online"),
    [
        (httpx.Response(200, json={"workers": [UP]}), True),
        (httpx.Response(200, json={"workers": [UP | {"online": False}]}), False),
        (httpx.Response(200, json={"workers": [UP | {"hostname": "mine-not@host"}]}), False),
        (httpx.Response(503, json={"title": "down"}), False),
        (httpx.Response(502, content=b"<html>"), False),
        (httpx.ConnectError("refused"), False),
    ],
)
async def test_a_worker_is_ready_when_the_api_sees_it_and_not_another(
    answer: httpx.Response | Exception, online: bool
) -> None:
    async with client(Script([answer])) as http:
        assert await worker_is_online(http, BASE_URL, "mine")() is online
