"""Entity tags (RFC 9110, 8.8.3): whether what a client has is what there is."""

from bridge import TaskRecord


def etag(record: TaskRecord) -> str:
    """The tag of a task as it is: its seq; a request to cancel it shows before there is an update."""
    return f'"{record.seq}{"-cancelling" if record.cancel_reason is not None and not record.final else ""}"'


def matches(if_none_match: str | None, tag: str) -> bool:
    """Whether a client's `If-None-Match` names the tag."""
    named = {one.strip().removeprefix("W/") for one in (if_none_match or "").split(",")}
    return "*" in named or tag in named
