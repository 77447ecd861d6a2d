import json

import pytest

from bridge.protocol.news import UNKNOWN_ATTEMPT, News, first_update, submitted_update, update_rest, update_text
from bridge.protocol.state import ENDS, Status

AT_MS = 1_795_488_861_007
TIME = "2026-11-24T02:54:21.007Z"


def test_an_update_ends_with_its_time_which_is_as_long_as_advance_lua_says() -> None:
    rest = update_rest({"result": 5}, AT_MS, final=True)

    assert rest == f',"result":5,"final":true,"time":"{TIME}"}}'.encode()
    assert len(f',"time":"{TIME}"}}') == 35


def test_an_update_without_details_is_its_time_alone() -> None:
    assert update_rest({}, AT_MS) == f',"time":"{TIME}"}}'.encode()


def test_half_of_a_surrogate_pair_does_not_get_into_an_update() -> None:
    assert b'"message":"a?b"' in update_rest({"message": "a\ud800b"}, AT_MS)


def test_the_first_update_is_of_the_first_attempt() -> None:
    assert json.loads(first_update(Status.SUBMITTED, AT_MS)) == {"status": "submitted", "attempt": 1, "time": TIME}
    assert json.loads(first_update(Status.SCHEDULED, AT_MS, AT_MS))["eta"] == TIME


def test_a_submit_is_the_first_update_of_most_tasks() -> None:
    assert submitted_update(AT_MS) == first_update(Status.SUBMITTED, AT_MS)


@pytest.mark.parametrize(
    ("stored", "whole"),
    [
        (f"{AT_MS}", submitted_update(AT_MS)),
        (f"{AT_MS} {AT_MS + 1}", submitted_update(AT_MS, AT_MS + 1)),
        ('{"status":"running"}', b'{"status":"running"}'),
        ("", b""),
        ("9" * 15, b"9" * 15),
        ("somebody else's", b"somebody else's"),
    ],
)
def test_a_first_update_is_stored_by_its_times(stored: str, whole: bytes) -> None:
    assert update_text(stored.encode()) == whole


@pytest.mark.parametrize("status", Status)
def test_news_is_final_when_its_status_is_an_end(status: Status) -> None:
    assert News(task_id="a1", status=status, at_ms=AT_MS).final == (status in ENDS)


def test_news_becomes_arguments_of_the_script() -> None:
    news = News(
        task_id="a1",
        status=Status.RUNNING,
        at_ms=AT_MS,
        attempt=2,
        facts={"task": "tasks.add"},
        changes={"worker": "w1", "eta": 5},
    )

    assert news.script_args() == [
        *("a1", "running", 2, AT_MS, "", "", "", "", update_rest({}, AT_MS)),
        *(1 * 2, b"task", b"tasks.add"),
        *(3 * 2, b"celery_state", b"STARTED", b"worker", b"w1", b"eta", 5),
    ]


def test_progress_has_no_status_and_changes_no_state_of_celery_unless_it_names_one() -> None:
    plain = News(task_id="a1", status=None, at_ms=AT_MS)
    named = News(task_id="a1", status=None, at_ms=AT_MS, celery_state="BAKING")

    assert plain.script_args() == ["a1", "", UNKNOWN_ATTEMPT, AT_MS, "", "", "", "", update_rest({}, AT_MS), 0, 0]
    assert named.script_args()[-3:] == [2, b"celery_state", b"BAKING"]


@pytest.mark.parametrize(
    ("status", "adopts", "from_backend", "flags"),
    [
        (Status.RUNNING, False, False, ""),
        (Status.RUNNING, True, True, "AB"),
        (Status.SUCCEEDED, True, False, "A"),
        (Status.FAILED, False, False, "P"),
        (Status.CANCELLED, True, True, "ABP"),
    ],
)
def test_the_payload_is_kept_by_every_end_but_success(
    status: Status, adopts: bool, from_backend: bool, flags: str
) -> None:
    news = News(task_id="a1", status=status, at_ms=AT_MS, adopts=adopts, from_backend=from_backend)
    assert news.script_args()[4] == flags


def test_an_end_that_the_backend_does_not_say_yet_is_noted() -> None:
    assert News(task_id="a1", status=Status.CANCELLED, at_ms=AT_MS, untold=True).script_args()[4] == "PU"


@pytest.mark.parametrize(("adopts", "said"), [(True, b"b1 c?1"), (False, "")])
def test_what_a_task_comes_of_is_told_where_it_may_be_adopted(adopts: bool, said: object) -> None:
    news = News(task_id="a1", status=Status.RECEIVED, at_ms=AT_MS, kin=("b1", "c\ud8001"), adopts=adopts)
    assert news.script_args()[7] == said


def test_half_of_a_surrogate_pair_does_not_get_into_a_record() -> None:
    news = News(task_id="a1", status=None, at_ms=AT_MS, changes={"progress": '"\ud800"'})
    assert news.script_args()[-2:] == [b"progress", b'"?"']


def test_the_script_is_told_what_a_sweep_has_read() -> None:
    assert (
        News(task_id="a1", status=Status.RUNNING, at_ms=AT_MS, from_backend=True, swept=True).script_args()[4] == "BS"
    )
