import pytest
from fastapi import FastAPI

from tests.unit.app.edge import MAX_BODY, ToldClient, asked

HEADER = "X-Request-ID"


@pytest.mark.parametrize("given", ["a", "0af7651916cd43dd8448eb211c80319c", "Root=1-67:a/b.c_d+e@f", "x" * 128])
async def test_a_request_keeps_its_name(app: FastAPI, given: str) -> None:
    answer = await asked(app, ToldClient(), "GET", "/healthz", headers={HEADER: given})
    assert answer.headers.get_list(HEADER) == [given]


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, "<script>", 'a"b', "a,b"])
async def test_a_name_that_could_do_harm_in_a_log_is_replaced(app: FastAPI, given: str) -> None:
    answer = await asked(app, ToldClient(), "GET", "/healthz", headers={HEADER: given})
    assert len(answer.headers[HEADER]) == 32
    assert answer.headers[HEADER] != given


async def test_a_request_without_a_name_gets_one_of_its_own(app: FastAPI) -> None:
    names = {(await asked(app, ToldClient(), "GET", "/healthz")).headers[HEADER] for _ in range(3)}
    assert len(names) == 3


@pytest.mark.parametrize(("path", "size", "status"), [("/nowhere", 0, 404), ("/tasks/submit", MAX_BODY + 1, 413)])
async def test_an_error_has_it_as_well(app: FastAPI, path: str, size: int, status: int) -> None:
    answer = await asked(app, ToldClient(), "POST", path, content=b"x" * size, headers={HEADER: "a1"})
    assert (answer.status_code, answer.headers[HEADER]) == (status, "a1")


async def test_a_mistake_of_the_server_has_it_as_well(app: FastAPI) -> None:
    answer = await asked(app, ToldClient(fails=ZeroDivisionError()), "GET", "/v1/tasks/a1", headers={HEADER: "a1"})
    assert (answer.status_code, answer.headers.get_list(HEADER)) == (500, ["a1"])
