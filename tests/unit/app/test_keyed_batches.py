"""Batches with an idempotency key: of all that come with one key, one is queued."""

from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from bridge.errors import BrokerUnavailable, IdempotencyKeyReused
from tests.unit.app.edge import ToldClient, asked, edge_on, requests_to
from tests.unit.app.test_batches import BAD, GOOD, NDJSON, PATH, either, lines, sent

OTHER = {"task": "tasks.add", "args": [2]}


async def keyed(app: FastAPI, client: ToldClient, items: list[Any], *, as_lines: bool, **more: Any) -> httpx.Response:
    request = sent(items, as_lines=as_lines, **more)
    request["headers"] = {**request.get("headers", {}), "Idempotency-Key": "k1"}
    return await asked(app, client, "POST", PATH, **request)


def assert_reused(answer: httpx.Response) -> None:
    assert (answer.status_code, answer.json()["type"]) == (422, "idempotency-key-reused")
    assert "'k1'" in answer.json()["detail"]


@either
async def test_a_batch_that_is_sent_again_keeps_its_id_and_its_key(app: FastAPI, as_lines: bool) -> None:
    client = ToldClient()
    for _ in range(2):
        await keyed(app, client, [GOOD, GOOD], as_lines=as_lines)
    (one, calls), (other, _) = client.batches
    assert one == other
    assert client.keys == ["k1", "k1"]
    assert not any("idempotency_key" in call.options for call in calls)
    await asked(app, client, "POST", PATH, **sent([GOOD], as_lines=as_lines))
    assert client.batches[-1][0] != one
    assert client.keys[-1] is None


@either
async def test_its_links_are_those_of_the_first(app: FastAPI, as_lines: bool) -> None:
    client = ToldClient()
    first = await keyed(app, client, [GOOD], as_lines=as_lines)
    client.told_feed.told = "7-0"
    client.told["replayed"] = True
    again = await keyed(app, client, [GOOD], as_lines=as_lines)
    assert again.json()["links"] == first.json()["links"]
    assert again.headers["link"] == first.headers["link"]
    assert (first.headers.get("idempotency-replayed"), again.headers["idempotency-replayed"]) == (None, "true")


@either
async def test_where_the_first_place_in_the_feed_is_not_known_the_link_says_none(app: FastAPI, as_lines: bool) -> None:
    answer = await keyed(app, ToldClient(replayed=True), [GOOD], as_lines=as_lines)
    assert answer.json()["links"]["events"] == f"/v1/events?batch={answer.json()['batch_id']}"


@pytest.mark.parametrize("items", [[OTHER, GOOD], [GOOD], [GOOD, GOOD, GOOD], [GOOD, BAD]])
@pytest.mark.parametrize("atomic", [False, True])
@either
async def test_another_batch_with_the_key_is_refused_as_a_whole(
    app: FastAPI, as_lines: bool, atomic: bool, items: list[Any]
) -> None:
    client = ToldClient()
    await keyed(app, client, [GOOD, GOOD], as_lines=as_lines)
    assert_reused(await keyed(app, client, items, as_lines=as_lines, atomic=atomic))
    assert len(client.batches) == 1
    assert (await keyed(app, client, [GOOD, GOOD], as_lines=as_lines)).status_code == 202


async def test_lines_and_json_with_the_same_items_are_the_same_batch(app: FastAPI) -> None:
    client = ToldClient()
    first = await keyed(app, client, [GOOD, BAD], as_lines=True)
    assert (await keyed(app, client, [GOOD, BAD], as_lines=False)).json()["items"] == first.json()["items"]
    assert_reused(await keyed(app, client, [GOOD], as_lines=False))


async def test_headers_of_a_trace_make_no_other_batch(app: FastAPI) -> None:
    client = ToldClient()
    for trace in ("1", "2"):
        headers = {"Idempotency-Key": "k1", "traceparent": f"00-{trace * 32}-{trace * 16}-01"}
        answer = await asked(app, client, "POST", PATH, json={"items": [GOOD]}, headers=headers)
        assert answer.status_code == 202


async def test_a_key_that_a_single_task_claimed_is_none_for_a_batch(app: FastAPI) -> None:
    client = ToldClient()
    client.told_claims.held["k1"] = "0123 nonce some-id"
    for as_lines in (False, True):
        assert_reused(await keyed(app, client, [GOOD], as_lines=as_lines))
    assert client.batches == []


@either
async def test_a_batch_of_which_nothing_was_queued_does_not_use_its_key(app: FastAPI, as_lines: bool) -> None:
    client = ToldClient()
    refused = await keyed(app, client, [GOOD, BAD], as_lines=as_lines, atomic=True)
    assert refused.json()["type"] == "batch-refused"
    assert client.told_claims.held == {}
    assert (await keyed(app, client, [GOOD, GOOD], as_lines=as_lines, atomic=True)).status_code == 202


@either
async def test_when_redis_goes_away_meanwhile_the_key_stays_claimed(app: FastAPI, as_lines: bool) -> None:
    client = ToldClient(fails=BrokerUnavailable("gone"))
    assert (await keyed(app, client, [GOOD], as_lines=as_lines)).status_code == 503
    client.told["fails"] = None
    assert (await keyed(app, client, [GOOD], as_lines=as_lines)).status_code == 202
    assert "k1" in client.told_claims.held


@either
async def test_a_task_that_is_another_than_before_ends_the_batch(app: FastAPI, as_lines: bool) -> None:
    client = ToldClient(fails=IdempotencyKeyReused("k1"))
    assert_reused(await keyed(app, client, [GOOD], as_lines=as_lines))
    assert client.told_claims.held == {}


async def test_lines_that_break_off_can_be_followed_by_more(app: FastAPI) -> None:
    client = ToldClient()
    headers = {**NDJSON, "Idempotency-Key": "k1"}
    async with requests_to(app, edge_on(client, max_batch=2)) as http:
        await http.post(PATH, content=lines(GOOD, GOOD, OTHER), headers=headers)
    whole = await keyed(app, client, [GOOD, GOOD, OTHER], as_lines=True)
    assert (whole.status_code, whole.json()["accepted"]) == (202, 3)
    assert_reused(await keyed(app, client, [GOOD, GOOD, OTHER, OTHER], as_lines=True))
