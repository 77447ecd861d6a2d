import logging

import pytest

from app.cli.roles.logs import WithoutTokens, log_config


@pytest.mark.parametrize(
    ("path", "logged"),
    [
        ("/v1/tasks/a/events?token=abc.def", "/v1/tasks/a/events?token=…"),
        ("/v1/events?after=1&token=abc.def&x=y", "/v1/events?after=1&token=…&x=y"),
        ("/v1/tasks/token=1", "/v1/tasks/token=1"),
    ],
)
def test_an_address_is_logged_without_the_token_in_it(path: str, logged: str) -> None:
    record = logging.LogRecord("uvicorn.access", 20, "", 0, '%s - "%s %s"', ("127.0.0.1:1", "GET", path), None)
    assert WithoutTokens().filter(record)
    assert record.getMessage() == f'127.0.0.1:1 - "GET {logged}"'


def test_uvicorns_access_log_is_filtered() -> None:
    config = log_config("info")
    assert config["loggers"]["uvicorn.access"]["filters"] == ["without_tokens"]
    assert config["filters"]["without_tokens"] == {"()": WithoutTokens}
