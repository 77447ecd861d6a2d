"""Whose a message is that waits in a queue or is with a worker, unacknowledged (kombu/transport/redis.py)."""

import json

_UNREADABLE = (ValueError, KeyError, TypeError, IndexError, RecursionError)


def task_of_message(message: bytes) -> str | None:
    """The id of the task in an element of a queue; None for what is no task message of protocol 2."""
    try:
        return str(json.loads(message)["headers"]["id"])
    except _UNREADABLE:
        return None


def task_of_unacked(value: bytes) -> str | None:
    """The id of the task in a value of the hash ``unacked``: ``[message, exchange, routing_key]``."""
    try:
        return str(json.loads(value)[0]["headers"]["id"])
    except _UNREADABLE:
        return None
