"""Celery's asyncio side: submit tasks and know what becomes of them, without Celery in the process."""

from bridge.cancelling import Cancelled
from bridge.client import TaskClient
from bridge.handle import ChainHandle, GroupHandle, TaskHandle
from bridge.opening import connect, open_client
from bridge.protocol.canvas import Canvas, chain, chord, chunks, group, signature, xmap, xstarmap
from bridge.protocol.events import CeleryEvent
from bridge.protocol.serializers import Serializer, register_serializer
from bridge.records.status import StatusUpdate, TaskRecord
from bridge.remote.control import TaskControl
from bridge.submit.call import Call, SubmitOptions

__all__ = [
    "Call",
    "Cancelled",
    "Canvas",
    "CeleryEvent",
    "ChainHandle",
    "GroupHandle",
    "Serializer",
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
    "register_serializer",
    "signature",
    "xmap",
    "xstarmap",
]
