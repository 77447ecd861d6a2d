from app.cli.stack.running import names_a_server
from app.settings import Settings


def test_a_server_is_started_only_when_nobody_named_one() -> None:
    assert names_a_server(Settings(redis_url="redis://here:6379/0"))
    assert not names_a_server(Settings(port=1))
