"""Remote control: what makes workers revoke a task (kombu/pidbox.py, celery/worker/control.py)."""

import re

from bridge.errors import InvalidMessage
from bridge.protocol.envelope import PERSISTENT, seal_broadcast

EXCHANGE = "celery.pidbox"
_SIGNAL = re.compile(r"SIG[A-Z0-9]{1,12}")
NEVER_EXPIRES = 0
"""A command with a deadline is dropped in silence by a worker whose clock is ahead or that is busy."""


def seal_revoke(task_id: str, *, terminate: bool, signal: str, delivery_tag: str, clock: int = 1) -> bytes:
    """The broadcast that makes every worker discard a task, and with `terminate` end the process that runs it.

    Raises:
        InvalidMessage: `signal` is no name of a signal, for example ``SIGTERM``.
    """
    if not _SIGNAL.fullmatch(signal):
        raise InvalidMessage("/signal", "must be the name of a signal, for example SIGTERM")
    command = {
        "method": "revoke",
        "arguments": {"task_id": task_id, "terminate": terminate, "signal": signal},
        "destination": None,
        "pattern": None,
        "matcher": None,
    }
    headers = {"clock": clock, "expires": NEVER_EXPIRES}
    return seal_broadcast(
        command, headers, exchange=EXCHANGE, routing_key="", delivery_tag=delivery_tag, mode=PERSISTENT
    )
