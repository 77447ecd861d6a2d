"""CPU work with a small, repeatable result: key stretching over the canonical JSON of any value."""

import hashlib
import json
from typing import TypedDict

from workers.errors import InvalidInput
from workers.progress import Progress, Report

STEPS = 4
ROUNDS = 1_400_000  # PBKDF2 rounds in all: 0.3 to 0.5 s of one core


class Stretched(TypedDict):
    """`sha256` is the stretched key in hex; `bytes` is the size of the canonical JSON."""

    sha256: str
    rounds: int
    bytes: int


def canonical_json(data: object) -> bytes:
    """The same bytes for the same JSON value, whatever the order of its keys.

    Raises:
        InvalidInput: `data` is not a JSON value.
    """
    try:
        return json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"data must be a JSON value: {error}.") from error


def stretch(data: object, *, rounds: int, report: Report) -> Stretched:
    """Stretch `data` in `STEPS` steps of ``rounds // STEPS`` rounds of PBKDF2-HMAC-SHA256, each keyed by the last."""
    text = canonical_json(data)
    salt = key = hashlib.sha256(text).digest()
    for step in range(1, STEPS + 1):
        key = hashlib.pbkdf2_hmac("sha256", key, salt, rounds // STEPS)
        report(Progress(current=step, total=STEPS, message=f"step {step} of {STEPS}"))
    return {"sha256": key.hex(), "rounds": rounds, "bytes": len(text)}
