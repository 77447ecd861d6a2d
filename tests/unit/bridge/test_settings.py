import pytest
from pydantic import ValidationError

from bridge.errors import InvalidSettings
from bridge.settings import BridgeSettings


def test_every_setting_has_a_default_that_works() -> None:
    assert BridgeSettings.load().redis_url == "redis://localhost:6379/0"


def test_settings_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PETIOLE_REDIS_URL", "redis://broker:6380/3")
    monkeypatch.setenv("PETIOLE_ADOPT", "false")

    settings = BridgeSettings.load()

    assert (settings.redis_url, settings.adopt) == ("redis://broker:6380/3", False)


def test_what_the_caller_gives_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PETIOLE_DEFAULT_QUEUE", "slow")

    assert BridgeSettings.load(default_queue="fast").default_queue == "fast"


@pytest.mark.parametrize("told", [None, ""])
def test_the_result_backend_is_the_broker_unless_told(monkeypatch: pytest.MonkeyPatch, told: str | None) -> None:
    monkeypatch.setenv("PETIOLE_REDIS_URL", "redis://broker/1")
    if told is not None:
        monkeypatch.setenv("PETIOLE_RESULT_BACKEND_URL", told)

    assert BridgeSettings.load().result_backend_url == "redis://broker/1"


def test_the_result_backend_can_be_another_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PETIOLE_REDIS_URL", "redis://broker/1")
    monkeypatch.setenv("PETIOLE_RESULT_BACKEND_URL", "rediss://results/2")

    settings = BridgeSettings.load()

    assert (settings.redis_url, settings.result_backend_url) == ("redis://broker/1", "rediss://results/2")


def test_without_any_setting_both_are_the_local_server() -> None:
    settings = BridgeSettings.load()

    assert settings.result_backend_url == settings.redis_url


@pytest.mark.parametrize(
    "url",
    [
        "redis://h",
        "redis://h/",
        "redis://u:p%2Fw@h:1/2?ssl_cert_reqs=none",
        "rediss://[::1]:6379/0",
        "unix:///a/b.sock",
        "redis+socket:///a/b.sock?virtual_host=2",
    ],
)
def test_an_address_that_redis_py_understands_is_taken(url: str) -> None:
    assert BridgeSettings.load(redis_url=url).redis_url == url


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "must start with redis://"),
        ("localhost:6379", "must start with redis://"),
        ("amqp://localhost", "must start with redis://"),
        ("REDIS://localhost", "must start with redis://"),
        ("redis://h:port/0", "is no address"),
        ("redis://[::1/0", "is no address"),
        ("redis://h/zero", "must name the database by its number"),
        ("redis://h/-1", "must name the database by its number"),
    ],
)
def test_an_address_that_would_fail_or_mislead_later_is_refused_now(
    monkeypatch: pytest.MonkeyPatch, url: str, reason: str
) -> None:
    monkeypatch.setenv("PETIOLE_REDIS_URL", url)

    with pytest.raises(InvalidSettings, match=f"PETIOLE_REDIS_URL: {reason}"):
        BridgeSettings.load()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PETIOLE_RESULT_BACKEND_URL", "amqp://localhost"),
        ("PETIOLE_PREFIX", ""),
        ("PETIOLE_MAX_QUEUE_DEPTH", "many"),
        ("PETIOLE_SUBMIT_BATCH", "1001"),
        ("PETIOLE_SWEEP_SECONDS", "0"),
        ("PETIOLE_HOLD_AFTER", "nan"),
        ("PETIOLE_COMMAND_TIMEOUT", "inf"),
        ("PETIOLE_ADOPT", "perhaps"),
        ("PETIOLE_BROKER_PRIORITY_STEPS", "0,6,3"),
        ("PETIOLE_BROKER_PRIORITY_STEPS", "0,3,3"),
        ("PETIOLE_BROKER_PRIORITY_STEPS", "0,10"),
        ("PETIOLE_BROKER_PRIORITY_STEPS", ""),
        ("PETIOLE_BROKER_PRIORITY_STEPS", "3,6"),
    ],
)
def test_a_bad_value_fails_with_a_sentence_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(InvalidSettings, match=f"^Settings that cannot work: {variable}: .+ Correct the environment"):
        BridgeSettings.load()


def test_all_bad_values_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PETIOLE_HISTORY_LIMIT", "few")
    monkeypatch.setenv("PETIOLE_OPEN_TTL", "1")

    with pytest.raises(InvalidSettings, match=r"PETIOLE_OPEN_TTL: .*; PETIOLE_HISTORY_LIMIT: "):
        BridgeSettings.load()


def test_a_bad_broker_is_not_blamed_on_the_result_backend_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PETIOLE_REDIS_URL", "amqp://localhost")

    with pytest.raises(InvalidSettings) as raised:
        BridgeSettings.load()

    assert "PETIOLE_RESULT_BACKEND_URL" not in str(raised.value)


@pytest.mark.parametrize("url", ["amqp://me:hunter2@h/0", "redis://:hunter2/@h/0", "redis://me:hunter2@h/zero"])
def test_an_error_does_not_repeat_a_password(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("PETIOLE_REDIS_URL", url)

    with pytest.raises(InvalidSettings) as raised:
        BridgeSettings.load()

    assert "hunter2" not in f"{raised.value} {raised.value.__cause__}"


def test_a_setting_that_does_not_exist_is_refused() -> None:
    with pytest.raises(InvalidSettings, match=r" redis_ulr: is no setting; the nearest is redis_url\. Correct what is"):
        BridgeSettings.load(redis_ulr="redis://localhost")
    with pytest.raises(InvalidSettings, match=r" wibble: is no setting\. Correct what is given\."):
        BridgeSettings.load(wibble="redis://localhost")


def test_what_was_given_badly_is_not_blamed_on_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidSettings, match=r"work: history_limit: .+\. Correct what is given\.$"):
        BridgeSettings.load(history_limit=1)
    monkeypatch.setenv("PETIOLE_OPEN_TTL", "1")
    with pytest.raises(InvalidSettings, match=r"PETIOLE_OPEN_TTL: .+; history_limit: .+ Correct the environment"):
        BridgeSettings.load(history_limit=1)


@pytest.mark.parametrize("name", ["redis_url", "adopt"])
def test_settings_do_not_change_once_read(name: str) -> None:
    settings = BridgeSettings.load()

    with pytest.raises(ValidationError, match="frozen"):
        setattr(settings, name, "other")


SENTINELS = "sentinel://a:26379;sentinel://b:26379/0"


def test_sentinels_are_asked_for_the_master_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PETIOLE_REDIS_URL", SENTINELS)
    monkeypatch.setenv("PETIOLE_BROKER_MASTER_NAME", "mymaster")
    monkeypatch.setenv("PETIOLE_SENTINEL_PASSWORD", "s3cret")

    settings = BridgeSettings.load()

    assert settings.broker.sentinels == (("a", 26379), ("b", 26379))
    assert (settings.broker.master_name, settings.broker.sentinel_password) == ("mymaster", "s3cret")
    assert settings.backend == settings.broker


def test_the_result_backend_can_have_sentinels_of_its_own() -> None:
    settings = BridgeSettings.load(
        redis_url="sentinel://a",
        broker_master_name="one",
        result_backend_url="sentinel://b",
        result_backend_master_name="two",
    )

    assert (settings.broker.master_name, settings.backend.master_name) == ("one", "two")


@pytest.mark.parametrize(
    ("given", "variable"),
    [
        ({"redis_url": SENTINELS}, "PETIOLE_BROKER_MASTER_NAME"),
        ({"result_backend_url": SENTINELS}, "PETIOLE_RESULT_BACKEND_MASTER_NAME"),
    ],
)
def test_sentinels_without_the_name_of_a_master_are_refused(given: dict[str, str], variable: str) -> None:
    with pytest.raises(InvalidSettings, match=f"{variable}: must name the master that the sentinels"):
        BridgeSettings.load(**given)


def test_petioles_own_keys_stand_behind_the_prefix_of_celerys() -> None:
    assert BridgeSettings.load(broker_global_keyprefix="team-a.").prefix == "team-a.petiole:"
    assert BridgeSettings.load(broker_global_keyprefix="team-a.", prefix="petiole:").prefix == "petiole:"
    assert BridgeSettings.load(result_backend_global_keyprefix="r").prefix == "petiole:"
