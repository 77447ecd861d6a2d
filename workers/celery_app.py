"""The Celery app: ``celery -A workers.celery_app:app worker -E``. Importing it reads no settings and opens nothing."""

from typing import Any

from celery import Celery

from workers.catalog import announce
from workers.celeryconfig import configuration
from workers.settings import WorkerSettings

app = Celery("petiole", include=["workers.tasks"])


def _configuration_from_environment() -> dict[str, Any]:
    return configuration(WorkerSettings.load())


# A function given as defaults is called when Celery first needs its configuration: as late as config_from_object("…"),
# but without a module that reads the environment when imported. Celery's own CELERY_CONFIG_MODULE can override them.
app.add_defaults(_configuration_from_environment)
announce(app)
