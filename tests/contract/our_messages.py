"""The calls of `option_calls`, as messages of ours."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from bridge.protocol.encoding import encode
from bridge.protocol.envelope import seal_task
from bridge.protocol.route import Route
from bridge.submit.call import Call
from bridge.submit.options import Options
from tests.contract.canvas_calls import Call as CanvasCall
from tests.contract.comparable_writes import OLDER
from tests.contract.option_calls import ARGS, CANVASES, KWARGS, LATER
from tests.contract.our_canvases import build_ours


def without_ignored(text: str, options: Mapping[str, Any]) -> str:
    """A message of Celery's as the newest version has it where nobody says whether the result is ignored."""
    return text if "ignore_result" in options else text.replace(*OLDER)


def our_message(options: Mapping[str, Any], sent: Mapping[str, Any]) -> str:
    """What we put there, with what is random and the time as Celery had them."""
    given = {name: _ours(value) if name in CANVASES else value for name, value in options.items()}
    made = Options.of(given)
    headers, properties = sent["headers"], sent["properties"]
    call = Call("tasks.add", ARGS, KWARGS)
    message = made.message(call, task_id="a1", origin=headers["origin"], now=lambda: _now(options, headers))
    template, values = seal_task(
        encode(message),
        Route(queue=made.queue or "celery", priority=made.priority),
        reply_to=made.reply_to or properties["reply_to"],
        expires_ms=int(properties["expiration"]) if "expiration" in properties else None,
    )
    return template.filled("a1", properties["delivery_tag"], values)


def _ours(value: Any) -> Any:
    return build_ours(value) if isinstance(value, CanvasCall) else [build_ours(one) for one in value]


def _now(options: Mapping[str, Any], headers: Mapping[str, Any]) -> datetime:
    """When Celery counted from."""
    for name, header in (("countdown", "eta"), ("expires", "expires")):
        if isinstance(options.get(name), int | float):
            return datetime.fromisoformat(headers[header]) - timedelta(seconds=options[name])
    return LATER
