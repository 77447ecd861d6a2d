"""Celery's asyncio side: submit tasks and know what becomes of them, without Celery in the process."""

from bridge.cancelling import Cancelled
from bridge.client import TaskClient
from bridge.errors import (
    BrokerUnavailable,
    CallsBrokeOff,
    ClientClosed,
    DuplicateTask,
    HeldBack,
    IdempotencyKeyReused,
    InvalidMessage,
    InvalidSettings,
    NotAccepted,
    PayloadGone,
    PetioleError,
    PublisherBusy,
    QueueNotFound,
    QueuePaused,
    QueueSaturated,
    SomeRefused,
    SubscriberTooSlow,
    TaskCancelled,
    TaskEnded,
    TaskExpired,
    TaskFailed,
    TaskNotFound,
    UnreadableBytes,
    WrongLoop,
)
from bridge.handle import ChainHandle, GroupHandle, TaskHandle
from bridge.opening import connect, open_client
from bridge.protocol.canvas import Canvas, chain, chord, chunks, group, signature, xmap, xstarmap
from bridge.protocol.events import CeleryEvent
from bridge.protocol.part_options import PartOptions
from bridge.protocol.serializers import Serializer, register_serializer
from bridge.protocol.signature import Chain, Chord, Group, Signature
from bridge.protocol.state import Status
from bridge.records.status import StatusUpdate, TaskRecord
from bridge.remote.control import TaskControl
from bridge.submit.call import Call, SubmitOptions

__all__ = [
    "BrokerUnavailable",
    "Call",
    "CallsBrokeOff",
    "Cancelled",
    "Canvas",
    "CeleryEvent",
    "Chain",
    "ChainHandle",
    "Chord",
    "ClientClosed",
    "DuplicateTask",
    "Group",
    "GroupHandle",
    "HeldBack",
    "IdempotencyKeyReused",
    "InvalidMessage",
    "InvalidSettings",
    "NotAccepted",
    "PartOptions",
    "PayloadGone",
    "PetioleError",
    "PublisherBusy",
    "QueueNotFound",
    "QueuePaused",
    "QueueSaturated",
    "Serializer",
    "Signature",
    "SomeRefused",
    "Status",
    "StatusUpdate",
    "SubmitOptions",
    "SubscriberTooSlow",
    "TaskCancelled",
    "TaskClient",
    "TaskControl",
    "TaskEnded",
    "TaskExpired",
    "TaskFailed",
    "TaskHandle",
    "TaskNotFound",
    "TaskRecord",
    "UnreadableBytes",
    "WrongLoop",
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
