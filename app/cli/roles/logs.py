"""How the API and the watcher log: one line per message on stderr."""

import logging
import re
from typing import Any

FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
_TOKEN = re.compile(r"([?&]token=)[^&\s]*")
WATCHER_LOG_AT = f"{__name__}.WATCHER_LOG"
"""Where arq is told to find its configuration."""


class WithoutTokens(logging.Filter):
    """Takes stream tokens out of the addresses that uvicorn logs: whoever reads the log could follow with them."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record; it is logged in any case."""
        if isinstance(record.args, tuple):
            record.args = tuple(_TOKEN.sub(r"\1…", arg) if isinstance(arg, str) else arg for arg in record.args)
        return True


def log_config(level: str) -> dict[str, Any]:
    """For `logging.config.dictConfig`: a configuration that every logger follows, uvicorn's too."""
    name = level.upper()
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"format": FORMAT}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "filters": {"without_tokens": {"()": WithoutTokens}},
        "root": {"handlers": ["stderr"], "level": name},
        "loggers": {
            "uvicorn": {"level": name},
            "uvicorn.access": {"filters": ["without_tokens"]},
            "httpx": {"level": "WARNING"},
        },
    }


# arq tells of every run of every cron job: one a second, and never news.
WATCHER_LOG = log_config("info") | {"loggers": {"arq.worker": {"level": "WARNING"}}}
