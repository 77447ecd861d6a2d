"""The app of `celery_tasks`, which takes more than JSON and writes its results as the environment says."""

import os

from tests.contract.celery_tasks import app

app.conf.update(
    accept_content=["json", "yaml", "msgpack"], result_serializer=os.environ["RESULT_SERIALIZER"], result_extended=True
)

__all__ = ["app"]
