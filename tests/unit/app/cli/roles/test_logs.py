from operator import attrgetter

from app.cli.roles import logs


def test_arq_finds_the_configuration_where_it_is_told_to_look() -> None:
    module, _, name = logs.WATCHER_LOG_AT.rpartition(".")
    assert module == logs.__name__
    assert attrgetter(name)(logs) is logs.WATCHER_LOG


def test_every_logger_follows_the_level_of_the_settings() -> None:
    config = logs.log_config("debug")
    assert config["root"]["level"] == config["loggers"]["uvicorn"]["level"] == "DEBUG"
