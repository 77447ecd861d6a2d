"""Statistics of a table, with progress."""

from workers.celery_app import app
from workers.progress import reporter
from workers.retry import RetryingTask
from workers.work.csv_summary import Summary, summarise


@app.task(name="workers.tasks.summarise_csv", base=RetryingTask, bind=True)
def summarise_csv(self: RetryingTask, text: str) -> Summary:
    """Summarise each column of a CSV table: numbers by range, mean and spread, texts by what is most frequent."""
    return summarise(text, report=reporter(self))
