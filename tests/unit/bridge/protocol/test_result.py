import bz2
import json
import lzma
import zlib
from decimal import Decimal
from typing import Any

import pytest

from bridge.errors import TaskCancelled, TaskFailed, UnreadableBytes
from bridge.protocol.failure import MESSAGE_LIMIT, TRACEBACK_LIMIT
from bridge.protocol.news import News
from bridge.protocol.result import COMPRESSED, news_of_meta, outcome, read_meta, revoked_meta
from bridge.protocol.state import Status
from tests.celery_says import WORKER, exception, meta
from tests.nesting import nested

AT_MS = 1_795_488_861_007
LIMIT = 100


def news_of(value: bytes, attempt: int = 0) -> News:
    news = news_of_meta(read_meta(value), at_ms=AT_MS, attempt=attempt, inline_limit=LIMIT)
    assert news is not None
    return news


@pytest.mark.parametrize(
    ("state", "result", "status"),
    [
        ("STARTED", {"pid": 1, "hostname": WORKER}, Status.RUNNING),
        ("RETRY", exception(), Status.RETRYING),
        ("SUCCESS", 5, Status.SUCCEEDED),
        ("FAILURE", exception(), Status.FAILED),
        ("REVOKED", exception("TaskRevokedError", "revoked"), Status.CANCELLED),
        ("REVOKED", exception("TaskRevokedError", "terminated"), Status.CANCELLED),
        ("REVOKED", exception("TaskRevokedError", "expired"), Status.EXPIRED),
        ("REVOKED", None, Status.CANCELLED),
        ("REJECTED", None, Status.REJECTED),
        ("IGNORED", None, Status.REJECTED),
        ("PROGRESS", {"current": 1}, None),
        ("BAKING", None, None),
    ],
)
def test_every_state_of_celery_has_its_status(state: str, result: object, status: Status | None) -> None:
    news = news_of(meta("a1", state, result), attempt=2)

    assert (news.task_id, news.status, news.celery_state, news.attempt, news.at_ms) == ("a1", status, state, 2, AT_MS)
    assert news.from_backend


def test_a_task_says_what_has_sent_it() -> None:
    assert news_of(meta("a1", "SUCCESS", 5, parent_id="p1")).kin == ("p1",)
    assert news_of(meta("a1", "SUCCESS", 5)).kin == ()


@pytest.mark.parametrize(("reason", "spares"), [("revoked", True), ("terminated", False), ("expired", False)])
def test_a_worker_that_was_told_to_revoke_a_task_stores_so_while_that_runs(reason: str, spares: bool) -> None:
    news = news_of(meta("a1", "REVOKED", exception("TaskRevokedError", reason)))

    assert news.spares_running is spares
    assert ("R" in str(news.script_args()[4])) is spares


@pytest.mark.parametrize("state", ["PENDING", "RECEIVED"])
def test_a_state_that_says_nothing_new_is_no_news(state: str) -> None:
    assert news_of_meta(read_meta(meta("a1", state)), at_ms=AT_MS, inline_limit=LIMIT) is None


def test_a_result_that_fits_is_told_with_the_end() -> None:
    assert news_of(meta("a1", "SUCCESS", {"sum": 5})).details == {"result": {"sum": 5}}


def test_a_result_of_exactly_the_limit_still_fits() -> None:
    assert news_of(meta("a1", "SUCCESS", "x" * (LIMIT - 2))).details == {"result": "x" * (LIMIT - 2)}


@pytest.mark.parametrize("result", ["x" * (LIMIT - 1), list(range(10_000))])
def test_a_larger_result_is_told_by_its_address(result: object) -> None:
    assert news_of(meta("a1", "SUCCESS", result)).details == {"result_ref": "/v1/tasks/a1/result"}


def test_a_result_nested_too_deep_to_be_written_again_is_told_by_its_address() -> None:
    found = read_meta(meta("a1", "SUCCESS", 0))
    deep: list[Any] = []
    for _ in range(10_000):
        deep = [deep]

    news = news_of_meta(found._replace(result=deep), at_ms=AT_MS, inline_limit=LIMIT)
    assert news is not None
    assert news.details == {"result_ref": "/v1/tasks/a1/result"}


@pytest.mark.parametrize(("depth", "told"), [(64, "result"), (65, "result_ref")])
def test_a_result_that_is_nested_deeper_than_readers_go_is_told_by_its_address(depth: int, told: str) -> None:
    result = json.loads("[" * depth + "]" * depth)
    news = news_of_meta(read_meta(meta("a1", "SUCCESS", [*result])), at_ms=AT_MS, inline_limit=4_096)
    assert news is not None
    assert list(news.details) == [told]


def test_a_failure_tells_type_message_and_traceback() -> None:
    news = news_of(meta("a1", "FAILURE", exception("ValueError", "oops"), traceback="Traceback …"))
    assert news.details == {"error": {"type": "ValueError", "message": "oops", "traceback": "Traceback …"}}


def test_a_retry_tells_its_error_without_the_traceback() -> None:
    news = news_of(meta("a1", "RETRY", exception("ValueError", "oops"), traceback="Traceback …"))
    assert news.details == {"error": {"type": "ValueError", "message": "oops"}}


def test_a_start_tells_its_worker() -> None:
    assert news_of(meta("a1", "STARTED", {"hostname": WORKER})).changes == {"worker": WORKER}
    assert news_of(meta("a1", "STARTED", None)).changes == {}
    assert news_of(meta("a1", "STARTED", {})).changes == {}


@pytest.mark.parametrize(
    ("state", "result", "progress"),
    [
        ("PROGRESS", {"current": 4, "total": 10}, {"current": 4, "total": 10}),
        ("PROGRESS", "half way", {"message": "half way"}),
        ("BAKING", {"degrees": 180}, {"state": "BAKING", "degrees": 180}),
        ("BAKING", None, {"state": "BAKING", "message": None}),
    ],
)
def test_a_state_of_the_tasks_own_is_progress(state: str, result: object, progress: dict[str, Any]) -> None:
    news = news_of(meta("a1", state, result))

    assert news.details == {"progress": progress}
    assert json.loads(str(news.changes["progress"])) == progress


def test_more_progress_than_fits_is_left_out_and_says_so() -> None:
    news = news_of(meta("a1", "BAKING", {"cake": "x" * LIMIT}))
    assert news.details["progress"] == {"state": "BAKING", "message": "more than 100 bytes of progress, left out"}


def test_an_extended_result_tells_the_name_of_the_task() -> None:
    value = meta("a1", "SUCCESS", 5, name="tasks.add", worker=WORKER)

    assert news_of(value).facts == {"task": "tasks.add"}
    assert read_meta(value).worker == WORKER
    assert news_of(meta("a1", "SUCCESS", 5)).facts == {}


@pytest.mark.parametrize(
    ("content_type", "data"),
    [
        (b"application/x-gzip", zlib.compress(meta("a1", "SUCCESS", 5))),
        (b"application/x-bz2", bz2.compress(meta("a1", "SUCCESS", 5))),
        (b"application/x-lzma", lzma.compress(meta("a1", "SUCCESS", 5))),
    ],
)
def test_a_compressed_value_is_read_like_any_other(content_type: bytes, data: bytes) -> None:
    found = read_meta(COMPRESSED + content_type + b"\x00" + data)
    assert (found.task_id, found.result) == ("a1", 5)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"\x80\x04pickle",
        b"null",
        b"[]",
        b"{}",
        b'{"status": "SUCCESS"}',
        b'{"task_id": "a1"}',
        b'{"task_id": 5, "status": "SUCCESS"}',
        b'{"task_id": "a1", "status": null}',
        b'{"task_id": "a1", "status": "SUCCESS", "name": ["tasks.add"]}',
        b'{"task_id": "a1", "status": "SUCCESS", "worker": 5}',
        b'{"task_id": "a1", "status": "SUCCESS", "children": 5}',
        b'{"task_id": "a1", "status": "SUCCESS", "children": "a2"}',
        b'{"task_id": "a1", "status": "SUCCESS", "result": ' + b"[" * 10_000,
        COMPRESSED,
        COMPRESSED + b"application/x-gzip\x00not zlib",
        COMPRESSED + b"application/x-bz2\x00not bzip2",
        COMPRESSED + b"application/x-lzma\x00not xz",
        COMPRESSED + b"application/zstd\x00data",
    ],
)
def test_what_is_no_meta_is_unreadable(value: bytes) -> None:
    with pytest.raises(UnreadableBytes, match="not the meta of a task"):
        read_meta(value)


def test_a_success_comes_to_its_value_with_typed_ones_made_again() -> None:
    typed = {"__type__": "decimal", "__value__": "1.50"}
    assert outcome(read_meta(meta("a1", "SUCCESS", [typed]))) == [Decimal("1.50")]


def test_a_revoked_task_is_cancelled_to_who_awaits_it() -> None:
    with pytest.raises(TaskCancelled) as cancelled:
        outcome(read_meta(meta("a1", "REVOKED", exception("TaskRevokedError", "terminated"))))
    assert (cancelled.value.task_id, cancelled.value.reason) == ("a1", "terminated")


def test_a_value_nested_too_deep_to_be_made_again_is_unreadable() -> None:
    deep = read_meta(meta("a1", "SUCCESS"))._replace(result=nested(10_000))
    with pytest.raises(UnreadableBytes, match="the result of task a1 is nested too deep"):
        outcome(deep)


def test_a_failure_is_told_whole_to_who_awaits_it() -> None:
    message, traceback = "m" * (MESSAGE_LIMIT + 1), "t" * (TRACEBACK_LIMIT + 1)
    found = read_meta(meta("a1", "FAILURE", exception("ValueError", message), traceback=traceback))
    with pytest.raises(TaskFailed) as failed:
        outcome(found)
    told = failed.value
    assert (told.task_id, told.type, told.message, told.traceback) == ("a1", "ValueError", message, traceback)
    assert str(told) == f"ValueError: {message}"


def test_a_failure_says_what_was_raised_with_which_arguments() -> None:
    typed = {"__type__": "decimal", "__value__": "1.50"}
    raised = {"exc_type": "OutOfStock", "exc_message": ["pear", 5, typed], "exc_module": "os.system"}
    with pytest.raises(TaskFailed) as failed:
        outcome(read_meta(meta("a1", "FAILURE", raised)))
    assert (failed.value.type, failed.value.module) == ("OutOfStock", "os.system")
    assert (failed.value.arguments, failed.value.traceback) == (["pear", 5, typed], None)


@pytest.mark.parametrize(("children", "found"), [([], []), ([[["a2", None], None]],) * 2, (None, None)])
def test_what_a_task_has_started_is_read(children: object, found: object) -> None:
    assert read_meta(meta("a1", "SUCCESS", children=children)).children == found


def test_a_task_revoked_before_it_ran_is_stored_so_that_celerys_waiters_wake_up() -> None:
    news = news_of(revoked_meta("a1"))
    assert news.status is Status.CANCELLED
    assert news.details == {"error": {"type": "TaskRevokedError", "message": "revoked"}}
    assert news_of(revoked_meta("a1", "expired")).status is Status.EXPIRED
