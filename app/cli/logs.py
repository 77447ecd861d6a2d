"""How the API and the watcher log: one line per message on stderr."""

from typing import Any

FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
WATCHER_LOG_AT = f"{__name__}.WATCHER_LOG"
"""Where arq is told to find its configuration."""


def log_config(level: str) -> dict[str, Any]:
    """For `logging.config.dictConfig`: a configuration that every logger follows, uvicorn's too."""
    name = level.upper()
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"format": FORMAT}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": name},
        "loggers": {"uvicorn": {"level": name}, "httpx": {"level": "WARNING"}},
    }


# arq tells of every run of every cron job: one a second, and never news.
WATCHER_LOG = log_config("info") | {"loggers": {"arq.worker": {"level": "WARNING"}}}
