"""Every call of remote control, as a program makes it, and the text by which commands are compared."""

import json
import re
from base64 import b64decode
from collections.abc import Awaitable, Callable

from bridge.remote.control import Inquiry, Order, TaskControl
from bridge.remote.mailbox import Replies

TASK = "golden.echo"
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
RUN = re.compile(r'"(clock|expires)": [0-9.]+')

ASKED: dict[str, Callable[[TaskControl, Inquiry], Awaitable[Replies]]] = {
    "ping": lambda control, inquiry: control.ping(**inquiry),
    "stats": lambda control, inquiry: control.stats(**inquiry),
    "clock": lambda control, inquiry: control.clock(**inquiry),
    "report": lambda control, inquiry: control.report(**inquiry),
    "conf": lambda control, inquiry: control.conf(**inquiry),
    "conf with defaults": lambda control, inquiry: control.conf(with_defaults=True, **inquiry),
    "active": lambda control, inquiry: control.active(**inquiry),
    "active safe": lambda control, inquiry: control.active(safe=True, **inquiry),
    "reserved": lambda control, inquiry: control.reserved(**inquiry),
    "scheduled": lambda control, inquiry: control.scheduled(**inquiry),
    "revoked": lambda control, inquiry: control.revoked(**inquiry),
    "registered": lambda control, inquiry: control.registered(**inquiry),
    "registered with attributes": lambda control, inquiry: control.registered("serializer", "ignore_result", **inquiry),
    "active_queues": lambda control, inquiry: control.active_queues(**inquiry),
    "query_task": lambda control, inquiry: control.query_task("a1", "a2", **inquiry),
    "memsample": lambda control, inquiry: control.memsample(**inquiry),
}
TOLD: dict[str, Callable[[TaskControl, Order], Awaitable[Replies]]] = {
    "revoke": lambda control, order: control.revoke("a1", **order),
    "revoke many": lambda control, order: control.revoke(["a1", "a2"], **order),
    "revoke and terminate": lambda control, order: control.revoke("a1", terminate=True, signal="SIGKILL", **order),
    "revoke_by_stamped_headers": lambda control, order: control.revoke_by_stamped_headers({"tenant": "acme"}, **order),
    "revoke_by_stamped_headers, several": lambda control, order: control.revoke_by_stamped_headers(
        {"tenant": ["acme", "é"], "user": "42"}, terminate=True, **order
    ),
    "terminate": lambda control, order: control.terminate("a1", **order),
    "rate_limit": lambda control, order: control.rate_limit(TASK, "100/m", **order),
    "rate_limit off": lambda control, order: control.rate_limit(TASK, 0, **order),
    "time_limit": lambda control, order: control.time_limit(TASK, soft=1.5, hard=2, **order),
    "time_limit off": lambda control, order: control.time_limit(TASK, **order),
    "time_limit of no task": lambda control, order: control.time_limit("nowhere", **order),
    "pool_grow": lambda control, order: control.pool_grow(**order),
    "pool_shrink": lambda control, order: control.pool_shrink(1, **order),
    "autoscale": lambda control, order: control.autoscale(4, 1, **order),
    "pool_restart": lambda control, order: control.pool_restart(**order),
    "pool_restart with modules": lambda control, order: control.pool_restart(["tests"], reload=True, **order),
    "add_consumer": lambda control, order: control.add_consumer("mail", **order),
    "add_consumer of an exchange": lambda control, order: control.add_consumer(
        "logs", "topics", "topic", "log.#", **order
    ),
    "cancel_consumer": lambda control, order: control.cancel_consumer("mail", **order),
    "enable_events": lambda control, order: control.enable_events(**order),
    "disable_events": lambda control, order: control.disable_events(**order),
    "heartbeat": lambda control, order: control.heartbeat(**order),
}
CALLS = [*ASKED, *TOLD]
ASKED_BEFORE = {"pool_shrink": "stats", "cancel_consumer": "active_queues"}
"""What the workers are asked before an order, whether they would survive it."""


def replied(control: TaskControl, name: str, inquiry: Inquiry) -> Awaitable[Replies]:
    """Make a call that waits for replies."""
    if name in ASKED:
        return ASKED[name](control, inquiry)
    return TOLD[name](control, {**inquiry, "reply": True})


def comparable(command: bytes) -> str:
    """A command with its body readable, and without what is of one moment: ids, clocks, the time it expires."""
    envelope = json.loads(command)
    text = json.dumps({**envelope, "body": b64decode(envelope["body"]).decode()})
    return UUID.sub("<id>", RUN.sub(r'"\1": 0', text))
