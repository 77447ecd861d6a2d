import httpx
import pytest

from app.cli.errors import ApiUnreachable, UnexpectedAnswer, UsageProblem
from app.cli.following.api_client import ApiClient, describe_problem, open_api
from tests.unit.app.cli.following.streams import Script, client

REQUEST = httpx.Request("POST", "http://api.test/v1/tasks")


async def call_status(answer: httpx.Response | Exception) -> object:
    async with client(Script([answer])) as http:
        return await ApiClient(http).task("t")


async def test_a_task_id_cannot_become_another_path() -> None:
    script = Script([httpx.Response(200, json={})])
    async with client(script) as http:
        await ApiClient(http).task("../a b?c")
    assert script.requests[0].url.raw_path == b"/v1/tasks/..%2Fa%20b%3Fc"


async def test_what_the_api_refuses_is_a_problem_of_usage() -> None:
    with pytest.raises(UsageProblem, match="Exists already"):
        await call_status(httpx.Response(409, json={"title": "Conflict", "detail": "Exists already."}))


async def test_a_server_in_trouble_counts_as_out_of_reach() -> None:
    with pytest.raises(ApiUnreachable, match="503"):
        await call_status(httpx.Response(503))


async def test_no_answer_names_the_address_and_what_to_do() -> None:
    with pytest.raises(ApiUnreachable, match=r"http://api\.test.*petiole up"):
        await call_status(httpx.ConnectError("refused"))


@pytest.mark.parametrize("content", [b"<html>", b"[]"])
async def test_another_web_server_is_told_apart(content: bytes) -> None:
    with pytest.raises(UnexpectedAnswer, match="PETIOLE_API_URL"):
        await call_status(httpx.Response(200, content=content))


def test_a_problem_names_the_fields_it_is_about() -> None:
    problem = {
        "title": "Invalid",
        "detail": "The task is not valid.",
        "errors": [{"pointer": "/args", "detail": "no array"}],
    }
    assert (
        describe_problem(httpx.Response(422, json=problem, request=REQUEST))
        == "The task is not valid.\n  /args: no array"
    )


@pytest.mark.parametrize("content", [b"", b"<html>", b"[1]", b"{}", b'{"title": "x", "errors": 3}'])
def test_an_error_that_is_no_problem_document_is_told_by_its_status(content: bytes) -> None:
    told = describe_problem(httpx.Response(404, content=content, request=REQUEST))
    assert told == "http://api.test/v1/tasks answered 404 Not Found."


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://x", "http://"])
async def test_an_address_that_cannot_be_one_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(UsageProblem, match=r"http://127\.0\.0\.1:8000"):
        async with open_api(url):
            raise AssertionError("an API was opened")
