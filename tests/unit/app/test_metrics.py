"""What Prometheus reads."""

import time
from dataclasses import replace
from typing import Any

import pytest
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families

from app.routes.health import WATCHER_SILENCE_MS
from app.traffic import Kind, Traffic
from bridge.errors import BrokerUnavailable
from bridge.remote.queues import Backlog, QueueState, WatcherStatus
from tests.unit.app.edge import ToldClient, edge_on, requests_to

Labels = tuple[tuple[str, str], ...]


def samples(text: str) -> dict[tuple[str, Labels], float]:
    """Every sample by its name and labels."""
    families = text_string_to_metric_families(text)
    read = [one for family in families for one in family.samples]
    found = {(one.name, tuple(sorted(one.labels.items()))): one.value for one in read}
    assert len(found) == len(read)
    return found


def queue(name: str, **fields: Any) -> QueueState:
    told = {"ready": 3, "by_priority": {0: 3}, "unacked": 1, "scheduled": 4, "oldest_since": None}
    return QueueState(**{**told, "name": name, "consumers": (), "paused": False, **fields})


async def read(
    app: FastAPI, *, traffic: Traffic | None = None, streams: int = 0, **told: Any
) -> dict[tuple[str, Labels], float]:
    edge = replace(edge_on(ToldClient(**told)), traffic=traffic or Traffic())
    edge.streams.open = streams
    async with requests_to(app, edge) as http:
        answer = await http.get("/metrics")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert all(line.startswith(("petiole_", "# HELP petiole_", "# TYPE petiole_")) for line in answer.text.splitlines())
    return samples(answer.text)


async def test_it_tells_how_the_installation_stands(app: FastAPI) -> None:
    now = int(time.time() * 1000)
    queues = (queue("mail"), queue('odd "name"\n\\', ready=0, oldest_since=now - 60_000))
    watchers = [
        WatcherStatus(name="w1", at=now, lag_ms=250),
        WatcherStatus(name="gone", at=now - WATCHER_SILENCE_MS, lag_ms=0),
    ]
    told = await read(
        app, backlog=Backlog(queues=queues, unacked=2, scheduled=9, open=12), watchers=watchers, streams=5
    )
    mail = (("queue", "mail"),)
    assert [told[f"petiole_queue_{name}", mail] for name in ("ready", "unacked", "scheduled")] == [3, 1, 4]
    odd = (("queue", 'odd "name"\n\\'),)
    assert 60 <= told["petiole_queue_oldest_age_seconds", odd] < 90
    assert ("petiole_queue_oldest_age_seconds", mail) not in told
    single = {name: value for (name, labels), value in told.items() if not labels}
    assert single == {
        "petiole_redis_up": 1,
        "petiole_open_tasks": 12,
        "petiole_scheduled_tasks": 9,
        "petiole_unacked_messages": 2,
        "petiole_watchers_alive": 1,
        "petiole_streams_open": 5,
    }
    assert {labels: value for (name, labels), value in told.items() if name == "petiole_watcher_lag_seconds"} == {
        (("watcher", "w1"),): 0.25
    }


async def test_it_counts_requests_by_route_method_and_status_and_tells_how_long_they_took(app: FastAPI) -> None:
    traffic = Traffic()
    for status, seconds in ((202, 0.004), (202, 0.2), (503, 20.0)):
        traffic.note(Kind("POST", "/tasks/submit", status), seconds)
    told = await read(app, traffic=traffic, backlog=Backlog(queues=(), unacked=0, scheduled=0, open=0))
    where = (("method", "POST"), ("route", "/tasks/submit"))
    counts = {labels: value for (name, labels), value in told.items() if name == "petiole_http_requests_total"}
    assert counts == {(*where, ("status", "202")): 2, (*where, ("status", "503")): 1}
    buckets = {
        dict(labels)["le"]: value
        for (name, labels), value in told.items()
        if name == "petiole_http_request_duration_seconds_bucket"
    }
    assert [buckets[le] for le in ("0.005", "0.1", "0.25", "10.0", "+Inf")] == [1, 1, 2, 2, 3]
    assert told["petiole_http_request_duration_seconds_count", where] == 3
    assert told["petiole_http_request_duration_seconds_sum", where] == pytest.approx(20.204)


async def test_without_redis_it_tells_of_the_process_alone(app: FastAPI) -> None:
    told = await read(app, fails=BrokerUnavailable("Redis does not answer."))
    assert told == {("petiole_redis_up", ()): 0, ("petiole_streams_open", ()): 0}
