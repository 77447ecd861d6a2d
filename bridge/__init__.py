"""Celery's asyncio side: submit tasks and know what becomes of them, without Celery in the process."""

from bridge.client import TaskClient, connect, open_client
from bridge.control import TaskControl
from bridge.handle import Cancelled, GroupHandle, TaskHandle
from bridge.options import SubmitOptions
from bridge.protocol.canvas import Canvas, chain, chord, chunks, group, signature, xmap, xstarmap
from bridge.protocol.events import CeleryEvent
from bridge.status import StatusUpdate, TaskRecord

__all__ = [
    "Cancelled",
    "Canvas",
    "CeleryEvent",
    "GroupHandle",
    "StatusUpdate",
    "SubmitOptions",
    "TaskClient",
    "TaskControl",
    "TaskHandle",
    "TaskRecord",
    "chain",
    "chord",
    "chunks",
    "connect",
    "group",
    "open_client",
    "signature",
    "xmap",
    "xstarmap",
]
