"""Celery's asyncio side: submit tasks and know what becomes of them, without Celery in the process."""

from bridge.client import Cancelled, TaskClient, TaskHandle, connect, open_client
from bridge.options import SubmitOptions
from bridge.status import StatusUpdate, TaskRecord

__all__ = [
    "Cancelled",
    "StatusUpdate",
    "SubmitOptions",
    "TaskClient",
    "TaskHandle",
    "TaskRecord",
    "connect",
    "open_client",
]
