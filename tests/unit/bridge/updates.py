"""Updates as they are recorded, for tests that need some."""

import json
from typing import Any

from bridge.records.status import StatusUpdate

TASK_ID = "a1"
TIME = "2026-11-24T02:54:21.007Z"


def update(seq: int, status: str = "running", **fields: Any) -> StatusUpdate:
    text = json.dumps({"status": status, "attempt": 1, **fields, "time": TIME}, separators=(",", ":"))
    return StatusUpdate(task_id=TASK_ID, seq=seq, text=text.encode())


def last_update(seq: int) -> StatusUpdate:
    return update(seq, "succeeded", result=5, final=True)
