"""HTTP GET on behalf of a client, within limits that only the worker's operator can widen."""

from workers.celery_app import app
from workers.retry import RetryingTask
from workers.settings import WorkerSettings
from workers.work.fetch import Fetched, FetchLimits, fetch

# Above the longest fetch_timeout that a worker accepts: a name server that never answers is not within that.
SOFT_TIME_LIMIT = 330


@app.task(name="workers.tasks.fetch_url", base=RetryingTask, soft_time_limit=SOFT_TIME_LIMIT)
def fetch_url(url: str) -> Fetched:
    """Fetch a public http(s) URL; tried again on timeouts, broken connections, 5xx and 429."""
    settings = WorkerSettings.load()
    limits = FetchLimits(
        allow_private=settings.fetch_allow_private,
        max_bytes=settings.fetch_max_bytes,
        timeout=settings.fetch_timeout,
    )
    return fetch(url, limits)
