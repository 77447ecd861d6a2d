"""What the environment may say to a worker."""

import pytest

from workers.errors import InvalidSettings
from workers.settings import WorkerSettings


def test_a_worker_needs_no_settings() -> None:
    settings = WorkerSettings.load()
    assert settings.redis_url == settings.backend_url == "redis://localhost:6379/0"
    assert not settings.fetch_allow_private


def test_results_go_to_the_broker_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PETIOLE_REDIS_URL", "redis://broker/3")
    monkeypatch.setenv("PETIOLE_RESULT_BACKEND_URL", "")
    assert WorkerSettings.load().backend_url == "redis://broker/3"
    monkeypatch.setenv("PETIOLE_RESULT_BACKEND_URL", "redis://results/1")
    assert WorkerSettings.load().backend_url == "redis://results/1"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PETIOLE_RESULT_EXPIRES", "0"),
        ("PETIOLE_VISIBILITY_TIMEOUT", "an hour"),
        ("PETIOLE_DEFAULT_QUEUE", ""),
        ("PETIOLE_FETCH_TIMEOUT", "1000"),
        ("PETIOLE_FETCH_ALLOW_PRIVATE", "perhaps"),
        ("PETIOLE_REDIS_URL", ""),
    ],
)
def test_a_bad_value_is_refused_by_the_name_of_its_variable(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(InvalidSettings, match=f"{variable}: .*Correct the environment"):
        WorkerSettings.load()


def test_a_refused_url_is_not_repeated_since_it_may_hold_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PETIOLE_REDIS_URL", "amqp://user:secret@broker")
    with pytest.raises(InvalidSettings, match=r"PETIOLE_REDIS_URL: .*redis://localhost") as refusal:
        WorkerSettings.load()
    assert "secret" not in str(refusal.value)


def test_every_setting_is_described() -> None:
    assert all(field.description for field in WorkerSettings.model_fields.values())
