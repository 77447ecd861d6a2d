"""What Celery's producer writes, of whatever version runs this: ``python -m tests.contract.celery_writes REDIS_URL``.

A line of JSON for each canvas of `canvas_calls` and each option of `option_calls`, as it stands in Redis. Needs nothing
but Celery.
"""

import json
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from celery import Celery

from tests.contract import canvas_calls, option_calls

Line = tuple[str, str, Mapping[str, Sequence[str]]]
"""What of, by which name, and the values by key."""


def lines(app: Celery) -> Iterator[Line]:
    for name, call in canvas_calls.CALLS.items():
        yield "canvases", name, canvas_calls.written(app, call)
    backend: Any = app.backend  # celery-types knows the base class alone
    backend.client.flushall()
    for option, value in option_calls.ALONE:
        yield "options", f"{option}={value!r}", {"message": [option_calls.sent(app, {option: value})]}


def main(url: str) -> None:
    warnings.simplefilter("ignore")  # Celery tells of a default that may change
    with canvas_calls.producer(url) as app:
        for what, name, writes in lines(app):
            sys.stdout.write(
                json.dumps({"of": what, "call": name, "reply_to": app.thread_oid, "writes": writes}) + "\n"
            )


if __name__ == "__main__":
    main(sys.argv[1])
