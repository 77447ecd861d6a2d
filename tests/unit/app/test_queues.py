"""Queues and workers over HTTP."""

import time
from typing import Any

import pytest
from fastapi import FastAPI

from bridge.errors import BrokerUnavailable, QueueNotFound, QueuePaused
from bridge.remote.queues import LOOKED_AT, Backlog, QueueState, WorkerStatus
from tests.unit.app.edge import ToldClient, asked


def state(**fields: Any) -> QueueState:
    told: dict[str, Any] = {
        "name": "mail",
        "ready": 3,
        "by_priority": {0: 2, 3: 1},
        "unacked": 1,
        "scheduled": 4,
        "oldest_since": None,
        "consumers": ("w1",),
        "paused": False,
    }
    return QueueState(**{**told, **fields})


def backlog(*queues: QueueState, unacked: int = 1) -> Backlog:
    return Backlog(queues=queues, unacked=unacked, scheduled=4, open=8)


async def test_queues_tell_how_they_stand(app: FastAPI) -> None:
    queues = (state(), state(name="slow", oldest_since=int(time.time() * 1000) - 60_000, paused=True, consumers=()))
    answer = await asked(app, ToldClient(backlog=backlog(*queues)), "GET", "/v1/queues")
    told = answer.json()
    mail, slow = told.pop("queues")
    assert told == {"unacked": 1, "scheduled": 4, "open": 8, "exact": True}
    assert mail == {
        "name": "mail",
        "ready": 3,
        "by_priority": {"0": 2, "3": 1},
        "unacked": 1,
        "scheduled": 4,
        "oldest_age_seconds": None,
        "consumers": ["w1"],
        "paused": False,
    }
    assert 60 <= slow["oldest_age_seconds"] < 90
    assert slow["paused"]


async def test_counts_that_are_short_are_said_to_be(app: FastAPI) -> None:
    answer = await asked(app, ToldClient(backlog=backlog(unacked=LOOKED_AT + 1)), "GET", "/v1/queues")
    assert answer.json()["exact"] is False


async def test_one_queue_is_read_and_one_that_nobody_knows_is_404(app: FastAPI) -> None:
    client = ToldClient(backlog=backlog(state()))
    assert (await asked(app, client, "GET", "/v1/queues/mail")).json()["ready"] == 3
    answer = await asked(app, client, "GET", "/v1/queues/nobodys")
    assert (answer.status_code, answer.json()["type"]) == (404, "queue-not-found")


@pytest.mark.parametrize(
    ("order", "told"),
    [
        ("pause", {"queue": "mail", "paused": True}),
        ("resume", {"queue": "mail", "paused": False}),
        ("purge", {"queue": "mail", "purged": 3, "ready": 1}),
    ],
)
async def test_a_queue_is_told_what_to_do(app: FastAPI, order: str, told: dict[str, object]) -> None:
    client = ToldClient()
    answer = await asked(app, client, "POST", f"/v1/queues/mail/{order}")
    assert (answer.status_code, answer.json()) == (202, told)
    assert client.told_queues.asked == [(order, "mail")]


SLASHES = [
    ("mail%2Fbulk", "mail/bulk"),
    ("mail%2fpause", "mail/pause"),
    ("%2F%2F", "//"),
    ("a%252Fb", "a%2Fb"),
    ("a%252Fb%2Fc", "a%2Fb/c"),
    ("%C3%A4%2F%C3%A4", "ä/ä"),
]


@pytest.mark.parametrize(("sent", "name"), SLASHES)
async def test_a_queue_whose_name_has_a_slash_is_read_and_told_what_to_do(app: FastAPI, sent: str, name: str) -> None:
    client = ToldClient(backlog=backlog(state(name=name)))
    assert (await asked(app, client, "GET", f"/v1/queues/{sent}")).json()["name"] == name
    for order in ("pause", "resume", "purge"):
        answer = await asked(app, client, "POST", f"/v1/queues/{sent}/{order}")
        assert (answer.status_code, answer.json()["queue"]) == (202, name)
    assert client.told_queues.asked == [(order, name) for order in ("pause", "resume", "purge")]


async def test_a_slash_that_divides_is_no_part_of_a_name(app: FastAPI) -> None:
    client = ToldClient(backlog=backlog(state(name="mail/bulk")))
    assert (await asked(app, client, "GET", "/v1/queues/mail/bulk")).status_code == 404
    answer = await asked(app, client, "GET", "/v1/queues/mail%2Fbulk/pause")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("order", ["pause", "resume", "purge"])
@pytest.mark.parametrize(
    ("error", "status"), [(QueueNotFound("mail"), 404), (BrokerUnavailable("gone"), 503)], ids=["unknown", "away"]
)
async def test_what_cannot_be_done_is_a_problem(app: FastAPI, order: str, error: Exception, status: int) -> None:
    answer = await asked(app, ToldClient(fails=error), "POST", f"/v1/queues/mail/{order}")
    assert answer.status_code == status


async def test_a_submit_to_a_paused_queue_is_409(app: FastAPI) -> None:
    answer = await asked(app, ToldClient(fails=QueuePaused("celery")), "POST", "/tasks/submit", json={"data": "x"})
    assert (answer.status_code, answer.json()["type"]) == (409, "queue-paused")


class StaffedClient(ToldClient):
    """Knows two workers."""

    async def workers(self) -> list[WorkerStatus]:
        said: dict[str, Any] = {"active": 2, "processed": 9, "loadavg": [1, 2, 3]}
        said |= {"sw_ident": "py-celery", "sw_ver": "5.6.3", "sw_sys": "Linux"}
        return [
            WorkerStatus(hostname="w1", online=True, heard_at=0, heartbeat=said, pool_size=4, queues=("mail",)),
            WorkerStatus(hostname="w2", online=False, heard_at=0, heartbeat={}),
        ]


async def test_workers_tell_their_load_their_version_and_their_pool(app: FastAPI) -> None:
    first, second = (await asked(app, StaffedClient(), "GET", "/v1/workers")).json()["workers"]
    assert first == {
        "hostname": "w1",
        "online": True,
        "heard_at": "1970-01-01T00:00:00.000Z",
        "active": 2,
        "processed": 9,
        "loadavg": [1.0, 2.0, 3.0],
        "software": "py-celery 5.6.3",
        "system": "Linux",
        "pool_size": 4,
        "queues": ["mail"],
    }
    assert (second["online"], second["pool_size"], second["queues"]) == (False, None, None)
