"""Exchanges that parts of a canvas name, and in their place the queues that these lead to."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from bridge.errors import InvalidMessage
from bridge.protocol.bindings import Destination, destination_of
from bridge.protocol.canvas.check import MAX_NESTING
from bridge.protocol.canvas.shape import parts, with_parts
from bridge.protocol.signature import Canvas

BY_EXCHANGE = ("exchange", "routing_key")
"""Options that say by which exchange a part goes to its queue."""


def destinations(canvas: Any, pointer: str = "", depth: int = 0) -> Iterator[tuple[str, Destination | None]]:
    """Where the parts of a canvas are sent that name an exchange or a routing key, each with the pointer to it.

    Nothing else is checked, and what is nested too deep is not looked at: `plan` refuses that.

    Raises:
        InvalidMessage: what is named contradicts itself, or cannot be a name.
    """
    if not isinstance(canvas, Canvas) or depth > MAX_NESTING:
        return
    if not canvas.options.keys().isdisjoint(BY_EXCHANGE):
        try:
            yield pointer, destination_of(canvas.options)
        except InvalidMessage as error:
            raise InvalidMessage(f"{pointer}{error.pointer}", error.reason) from error
    for place, part in parts(canvas):
        yield from destinations(part, f"{pointer}/{place}", depth + 1)


def routed(canvas: Any, queues: Mapping[Destination, str], depth: int = 0) -> Any:
    """The same canvas with the queues of its `destinations` in the place of the exchanges."""
    if not isinstance(canvas, Canvas) or depth > MAX_NESTING:
        return canvas
    destination = destination_of(canvas.options)
    options = {name: value for name, value in canvas.options.items() if name not in BY_EXCHANGE}
    if destination:
        options["queue"] = queues[destination]
    return with_parts(replace(canvas, options=options), lambda part: routed(part, queues, depth + 1))
