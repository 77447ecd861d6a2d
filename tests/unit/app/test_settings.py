import pytest

from app.settings import Settings
from bridge.errors import InvalidSettings


def test_every_setting_has_a_default_that_works() -> None:
    assert Settings.load().port == 8000


def test_the_service_reads_its_own_settings_and_the_bridges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PETIOLE_PORT", "9000")
    monkeypatch.setenv("PETIOLE_REDIS_URL", "redis://broker/1")

    settings = Settings.load()

    assert (settings.port, settings.redis_url, settings.result_backend_url) == (
        9000,
        "redis://broker/1",
        "redis://broker/1",
    )


@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [
        ("PETIOLE_PORT", "70000", "less than or equal to 65535"),
        ("PETIOLE_HOST", "", "at least 1 character"),
        ("PETIOLE_API_URL", "localhost:8000", "must start with http:// or https://"),
        ("PETIOLE_LOG_LEVEL", "loud", "'debug', 'info', 'warning' or 'error'"),
        ("PETIOLE_KEEP_ALIVE", "0", "greater than 0"),
        ("PETIOLE_MAX_STREAMS", "none", "valid integer"),
        ("PETIOLE_REDIS_URL", "amqp://broker", "must start with redis://"),
    ],
)
def test_a_bad_value_fails_with_a_sentence_that_names_the_variable_and_the_rule(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, reason: str
) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(InvalidSettings, match=f"^Settings that cannot work: {variable}: .*{reason}"):
        Settings.load()


@pytest.mark.parametrize("url", ["", "http://localhost:8000", "https://tasks.example.org/petiole"])
def test_the_address_of_the_api_is_a_web_address_or_not_set(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("PETIOLE_API_URL", url)

    assert Settings.load().api_url == url
