"""The canvases of `canvas_calls`, built of our classes."""

from collections.abc import Callable
from datetime import UTC, datetime

from kombu.utils.uuid import uuid

from bridge.protocol import canvas as ours
from bridge.protocol.canvas import Sending, plan
from bridge.protocol.encoding import encode
from bridge.protocol.envelope import seal_task
from bridge.protocol.keys import BrokerKeys
from tests.contract.canvas_calls import Call
from tests.contract.comparable_writes import Writes, unsealed


def build_ours(call: Call) -> ours.Canvas:
    built = _OURS[call.kind](call, [build_ours(inner) for inner in call.tasks])
    built = built.set(**call.options) if call.options else built
    for callback in call.link:
        built = built.link(build_ours(callback))
    for errback in call.link_error:
        built = built.link_error(build_ours(errback))
    return built.stamp(**call.stamps) if call.stamps else built


_OURS: dict[str, Callable[[Call, list[ours.Canvas]], ours.Canvas]] = {
    "task": lambda call, _: ours.signature(call.task, call.args, call.kwargs, immutable=call.immutable),
    "chain": lambda _, tasks: ours.chain(tasks),
    "group": lambda _, tasks: ours.group(tasks),
    "chord": lambda _, tasks: ours.chord(tasks[:-1], tasks[-1]),
    "or": lambda _, tasks: tasks[0] | tasks[1],
    "xmap": lambda call, _: ours.xmap(ours.signature(call.task), call.args),
    "xstarmap": lambda call, _: ours.xstarmap(ours.signature(call.task), call.args),
    "chunks": lambda call, _: ours.chunks(ours.signature(call.task), call.args, 2),
}


def sealed(planned: ours.PlannedTask, delivery_tag: str) -> bytes:
    expires_ms = 0 if planned.message.expires else None
    template, values = seal_task(
        encode(planned.message), planned.route, reply_to=planned.reply_to, expires_ms=expires_ms
    )
    return template.filled(planned.message.task_id, delivery_tag, values).encode()


def our_writes(call: Call, reply_to: str) -> Writes:
    """What we write for a canvas, made comparable."""
    made = plan(build_ours(call), Sending(new_id=uuid, now=datetime.now(UTC), queue="celery", reply_to=reply_to))
    written = {key.key: [key.value] for key in made.keys}
    for planned in made.messages:
        key = BrokerKeys().list_of(planned.route.queue, planned.route.priority)
        written.setdefault(key, []).append(unsealed(sealed(planned, "")))
    return written
