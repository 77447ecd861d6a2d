"""The tasks, one module each. Importing this package registers them under the names that producers use."""

from workers.tasks.fetch_url import fetch_url
from workers.tasks.flaky import flaky
from workers.tasks.heavy_task import heavy_task
from workers.tasks.summarise_csv import summarise_csv

__all__ = ["fetch_url", "flaky", "heavy_task", "summarise_csv"]
