"""Celery's own calls of remote control, under the names of those in tests/control_calls.py."""

from collections.abc import Callable
from typing import Any

from celery import Celery

TASK = "golden.echo"
ASKED: dict[str, Callable[[Any], object]] = {
    "ping": lambda inspect: inspect.ping(),
    "stats": lambda inspect: inspect.stats(),
    "clock": lambda inspect: inspect.clock(),
    "report": lambda inspect: inspect.report(),
    "conf": lambda inspect: inspect.conf(),
    "conf with defaults": lambda inspect: inspect.conf(with_defaults=True),
    "active": lambda inspect: inspect.active(),
    "active safe": lambda inspect: inspect.active(safe=True),
    "reserved": lambda inspect: inspect.reserved(),
    "scheduled": lambda inspect: inspect.scheduled(),
    "revoked": lambda inspect: inspect.revoked(),
    "registered": lambda inspect: inspect.registered(),
    "registered with attributes": lambda inspect: inspect.registered("serializer", "ignore_result"),
    "active_queues": lambda inspect: inspect.active_queues(),
    "query_task": lambda inspect: inspect.query_task("a1", "a2"),
    "memsample": lambda inspect: inspect.memsample(),
}
TOLD: dict[str, Callable[..., object]] = {
    "revoke": lambda control, **order: control.revoke("a1", **order),
    "revoke many": lambda control, **order: control.revoke(["a1", "a2"], **order),
    "revoke and terminate": lambda control, **order: control.revoke("a1", terminate=True, signal="SIGKILL", **order),
    "revoke_by_stamped_headers": lambda control, **order: control.revoke_by_stamped_headers(
        {"tenant": "acme"}, **order
    ),
    "revoke_by_stamped_headers, several": lambda control, **order: control.revoke_by_stamped_headers(
        {"tenant": ["acme", "é"], "user": "42"}, terminate=True, **order
    ),
    "terminate": lambda control, **order: control.terminate("a1", **order),
    "rate_limit": lambda control, **order: control.rate_limit(TASK, "100/m", **order),
    "rate_limit off": lambda control, **order: control.rate_limit(TASK, 0, **order),
    "time_limit": lambda control, **order: control.time_limit(TASK, soft=1.5, hard=2, **order),
    "time_limit off": lambda control, **order: control.time_limit(TASK, **order),
    "time_limit of no task": lambda control, **order: control.time_limit("nowhere", **order),
    "pool_grow": lambda control, **order: control.pool_grow(**order),
    "pool_shrink": lambda control, **order: control.pool_shrink(1, **order),
    "autoscale": lambda control, **order: control.autoscale(4, 1, **order),
    "pool_restart": lambda control, **order: control.pool_restart(**order),
    "pool_restart with modules": lambda control, **order: control.pool_restart(["tests"], reload=True, **order),
    "add_consumer": lambda control, **order: control.add_consumer("mail", **order),
    "add_consumer of an exchange": lambda control, **order: control.add_consumer(
        "logs", "topics", "topic", "log.#", **order
    ),
    "cancel_consumer": lambda control, **order: control.cancel_consumer("mail", **order),
    "enable_events": lambda control, **order: control.enable_events(**order),
    "disable_events": lambda control, **order: control.disable_events(**order),
    "heartbeat": lambda control, **order: control.heartbeat(**order),
}


def replied(app: Celery, name: str, **inquiry: Any) -> object:
    """Make a call that waits for replies; what Celery makes of them."""
    if name in ASKED:
        return ASKED[name](app.control.inspect(**inquiry))
    return TOLD[name](app.control, reply=True, **inquiry)
