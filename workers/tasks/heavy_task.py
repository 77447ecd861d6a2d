"""CPU work with progress."""

from workers.celery_app import app
from workers.progress import reporter
from workers.retry import RetryingTask
from workers.work.heavy import ROUNDS, Stretched, stretch


@app.task(name="workers.tasks.heavy_task", base=RetryingTask, bind=True)
def heavy_task(self: RetryingTask, data: object) -> Stretched:
    """Work on any JSON value for about half a second, in four steps; the same value gives the same result."""
    return stretch(data, rounds=ROUNDS, report=reporter(self))
