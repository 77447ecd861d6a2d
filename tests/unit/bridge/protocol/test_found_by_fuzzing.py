"""What tests/contract/versions/test_trust.py has found to harm workers."""

from typing import Any

import pytest

from bridge.errors import InvalidMessage
from bridge.protocol.canvas.check import check_canvas
from bridge.protocol.commands import time_limit
from bridge.protocol.embed import check_stamps
from bridge.protocol.message import MAX_LIMIT, TaskMessage
from bridge.protocol.signature import Signature


@pytest.mark.parametrize("seconds", [10**400, 10**5000, MAX_LIMIT + 1], ids=["400 digits", "5000 digits", "a year"])
@pytest.mark.parametrize("name", ["time_limit", "soft_time_limit"])
def test_a_time_limit_that_no_clock_can_be_added_to_is_refused(name: str, seconds: int) -> None:
    """A worker that adds 10**400 to its clock exits, and leaves the message to the next."""
    limits: dict[str, Any] = {name: seconds}
    with pytest.raises(InvalidMessage, match=rf"/options/{name}: .*a year at the most"):
        TaskMessage(task="any", task_id="a1", **limits)


def test_workers_are_not_told_of_such_a_time_limit_either() -> None:
    with pytest.raises(InvalidMessage, match=r"/hard: .*a year at the most"):
        time_limit("any", soft=None, hard=10**400)


@pytest.mark.parametrize("name", [10**5000, None, b"a"], ids=["5000 digits", "null", "bytes"])
def test_what_is_no_text_is_no_name_and_the_complaint_does_not_try_to_print_it(name: Any) -> None:
    with pytest.raises(InvalidMessage, match=r"^/kwargs: has a key that is a "):
        TaskMessage(task="any", task_id="a1", kwargs={name: 1})
    with pytest.raises(InvalidMessage, match=r"^/options/stamps: "):
        check_stamps({name: 1}, [name])
    with pytest.raises(InvalidMessage, match=r"^/options/stamped_headers: "):
        check_stamps({}, [name])


def test_stamps_that_together_look_like_a_typed_value_are_refused() -> None:
    """Each by itself is harmless. Together they are a header that a worker cannot read, and then it exits."""
    stamps = {"__type__": "datetime", "__value__": True}
    with pytest.raises(InvalidMessage, match="/options/stamps/__type__: cannot be the name of a stamp"):
        check_stamps(stamps, list(stamps))
    with pytest.raises(InvalidMessage, match="/options/__type__: cannot be the name of a stamp"):
        check_canvas(Signature(task="any").stamp(**stamps))
