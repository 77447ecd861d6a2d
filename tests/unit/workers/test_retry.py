"""The retry policy, with Celery's own machinery and no broker: `apply` runs a task and its retries on the spot."""

from collections.abc import Sequence
from itertools import pairwise

import pytest

pytest.importorskip("celery")

from celery import Celery
from celery.exceptions import Retry

from workers.backoff import Backoff
from workers.errors import TransientError
from workers.retry import RetryingTask

app = Celery("retry-tests", set_as_current=False)
app.add_defaults(lambda: {"task_store_eager_result": False, "result_backend": "disabled://"})


class Recorder:
    """What a failing task saw: the delay it would wait after each attempt."""

    def __init__(self) -> None:
        self.delays: list[float] = []


recorder = Recorder()


@app.task(name="fails", shared=False, base=RetryingTask, bind=True, max_retries=3, backoff=Backoff(base=0.5, cap=60))
def fails(self: RetryingTask, kind: str, *arguments: object) -> None:
    error = {"transient": TransientError, "os": OSError, "connection": ConnectionError, "value": ValueError}[kind]
    recorder.delays.append(self.next_delay(None))
    raise error(*arguments)


@pytest.fixture(autouse=True)
def _fresh_recorder() -> None:
    recorder.delays.clear()


@pytest.mark.parametrize("kind", ["transient", "connection"])
def test_a_transient_error_is_tried_again_as_often_as_allowed_and_then_is_the_result(kind: str) -> None:
    result = fails.apply((kind, "busy"))
    assert len(recorder.delays) == 4
    assert result.state == "FAILURE"
    assert isinstance(result.result, (TransientError, ConnectionError))
    assert result.result.args == ("busy",)


def test_the_waits_grow_from_retry_to_retry() -> None:
    fails.apply(("transient", "busy"))
    assert all(earlier < later for earlier, later in pairwise(recorder.delays))


@pytest.mark.parametrize(("kind", "arguments"), [("value", ("wrong",)), ("os", (2, "No such file"))])
def test_a_permanent_error_is_not_tried_again(kind: str, arguments: tuple[object, ...]) -> None:
    result = fails.apply((kind, *arguments))
    assert len(recorder.delays) == 1
    assert isinstance(result.result, (ValueError, FileNotFoundError))


def test_the_wait_that_the_other_side_asked_for_is_kept_within_the_cap() -> None:
    assert fails.next_delay(TransientError("busy", retry_after=20)) == 20
    assert fails.next_delay(TransientError("busy", retry_after=10_000)) == 60
    assert 0.5 <= fails.next_delay(TransientError("busy", retry_after=0)) < 1


@pytest.mark.parametrize(("asked", "retries_left"), [(0, []), (1, [0]), (2, [0, 1]), (9, range(9))])
def test_a_task_is_retried_as_often_as_its_message_says(asked: int, retries_left: Sequence[int]) -> None:
    retried = []
    for retries in range(10):
        fails.push_request(id="a1", retries=retries, max_retries=asked, called_directly=False, is_eager=True)
        try:
            with pytest.raises((Retry, TransientError)) as raised:
                fails.retry(("transient",), exc=TransientError("busy"))
        finally:
            fails.pop_request()
        if raised.type is Retry:
            retried.append(retries)
    assert retried == list(retries_left)


def test_what_one_task_was_told_is_nothing_to_the_next() -> None:
    fails.push_request(id="a1", retries=0, max_retries=0, called_directly=False, is_eager=True)
    try:
        with pytest.raises(TransientError):
            fails.run("transient", "busy")
    finally:
        fails.pop_request()
    recorder.delays.clear()
    fails.apply(("transient", "busy"))
    assert len(recorder.delays) == 4


@pytest.mark.parametrize("asked", [None, True, -1, "2", 2.0, [1]])
def test_what_is_no_count_leaves_it_to_the_task(asked: object) -> None:
    fails.push_request(max_retries=asked)
    try:
        assert fails.asked_max_retries() is None
    finally:
        fails.pop_request()


def test_a_task_without_options_has_the_policy_of_the_class() -> None:
    @app.task(name="plain", shared=False, base=RetryingTask)
    def plain() -> None: ...

    assert plain.max_retries == 5
    assert plain.backoff == Backoff()
