import pytest

from app.main import create_app
from app.settings import Settings
from tests.unit.app.edge import ToldClient, asked

PAGE = "https://example.org"
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,idempotency-key"}
ALLOWED = "access-control-allow-origin"


@pytest.mark.parametrize(
    ("origins", "origin", "told"),
    [
        ("", PAGE, None),
        (PAGE, PAGE, PAGE),
        (f"https://a.example , {PAGE}", PAGE, PAGE),
        (PAGE, "https://evil.example", None),
        ("*", PAGE, "*"),
    ],
)
async def test_a_page_may_call_if_its_origin_is_named(origins: str, origin: str, told: str | None) -> None:
    app = create_app(Settings.load(cors_origins=origins))
    answer = await asked(app, ToldClient(), "GET", "/healthz", headers={"Origin": origin})
    assert answer.headers.get(ALLOWED) == told
    assert "access-control-allow-credentials" not in answer.headers


async def test_a_page_may_send_its_key_and_read_what_the_answer_says() -> None:
    app = create_app(Settings.load(cors_origins=PAGE))
    asked_first = await asked(app, ToldClient(), "OPTIONS", "/v1/tasks", headers={"Origin": PAGE, **PREFLIGHT})
    assert (asked_first.status_code, asked_first.headers[ALLOWED]) == (200, PAGE)
    answer = await asked(app, ToldClient(), "GET", "/healthz", headers={"Origin": PAGE})
    assert {"ETag", "Location", "RateLimit"} <= set(answer.headers["access-control-expose-headers"].split(", "))


async def test_without_origins_nobody_is_answered_before_a_call() -> None:
    app = create_app(Settings.load())
    answer = await asked(app, ToldClient(), "OPTIONS", "/v1/tasks", headers={"Origin": PAGE, **PREFLIGHT})
    assert answer.status_code == 405
    assert ALLOWED not in answer.headers


@pytest.mark.parametrize(
    ("origin", "asks", "refused"),
    [
        ("https://evil.example", PREFLIGHT, "origin"),
        (PAGE, {"Access-Control-Request-Method": "DELETE"}, "method"),
        (PAGE, {**PREFLIGHT, "Access-Control-Request-Headers": "x-other"}, "headers"),
    ],
)
async def test_a_page_that_may_not_call_is_told_so_as_a_problem(
    origin: str, asks: dict[str, str], refused: str
) -> None:
    app = create_app(Settings.load(cors_origins=PAGE))
    answer = await asked(app, ToldClient(), "OPTIONS", "/v1/tasks", headers={"Origin": origin, **asks})
    problem = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert (problem["type"], problem["status"], problem["instance"]) == ("cross-origin-refused", 400, "/v1/tasks")
    assert f"CORS {refused}" in problem["detail"]
    assert answer.headers["x-request-id"]
    assert answer.headers["vary"].startswith("Origin")
    assert answer.headers.get(ALLOWED) == (PAGE if origin == PAGE else None)


async def test_what_a_page_is_allowed_has_a_name_as_well() -> None:
    app = create_app(Settings.load(cors_origins=PAGE))
    headers = {"Origin": PAGE, "X-Request-ID": "a1", **PREFLIGHT}
    answer = await asked(app, ToldClient(), "OPTIONS", "/v1/tasks", headers=headers)
    assert (answer.status_code, answer.headers["x-request-id"]) == (200, "a1")
