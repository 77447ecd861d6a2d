"""Retries to look at."""

from workers.backoff import Backoff
from workers.celery_app import app
from workers.retry import RetryingTask
from workers.work.flaky import Survived, fail_until


@app.task(name="workers.tasks.flaky", base=RetryingTask, bind=True, max_retries=4, backoff=Backoff(base=0.5))
def flaky(self: RetryingTask, fail_times: int) -> Survived:
    """Fail `fail_times` times, then succeed; more than the four retries can cure fail for good."""
    return fail_until(fail_times, attempt=self.request.retries + 1)
