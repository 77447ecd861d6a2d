"""Celery's own `send_task`, with the `task-sent` event that Petiole writes as well."""

import json
import sys
import time

from celery import Celery


def main(url: str, count: int) -> None:
    """Submit from one thread, which is what Celery's producer is made for."""
    app = Celery(broker=url, backend=url)
    app.conf.task_send_sent_event = True
    app.send_task("bench.add", (2, 3))
    started = time.perf_counter()
    for _ in range(count):
        app.send_task("bench.add", (2, 3))
    print(json.dumps({"submit": count / (time.perf_counter() - started)}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
