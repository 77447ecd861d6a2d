"""The app of `celery_tasks`, which takes more than JSON and writes all that it says as the environment says."""

import os

from tests.contract.celery_tasks import app

serializer = os.environ["SERIALIZER"]
app.conf.update(
    accept_content=["json", "yaml", "msgpack"],
    result_serializer=serializer,
    task_serializer=serializer,  # of replies to remote control, too
    event_serializer=serializer,
    result_extended=True,
)

__all__ = ["app"]
