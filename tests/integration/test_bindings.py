"""Exchanges, as the binding sets in Redis describe them."""

import asyncio
from contextlib import aclosing
from dataclasses import dataclass

import pytest

from bridge import Call, SubmitOptions, TaskClient, chain, signature
from bridge.errors import InvalidMessage, UnreadableBytes
from bridge.protocol.bindings import Destination
from bridge.protocol.envelope import open_message
from bridge.protocol.route import Route
from bridge.redis import Redis
from bridge.settings import BridgeSettings
from bridge.submit.bindings import FRESH_SECONDS, Bindings
from bridge.submit.options import Options
from bridge.submit.publisher import Publisher
from tests.integration.exchanges import KEY, bound, listening
from tests.integration.submissions import submission

RED = Destination(exchange="x", routing_key="red")


@dataclass
class Seconds:
    """A clock that stands still until a test moves it."""

    now: float = 0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def bindings(redis: Redis, seconds: Seconds) -> Bindings:
    return Bindings(redis, seconds)


async def test_a_queue_is_found_by_exchange_and_routing_key(redis: Redis, bindings: Bindings) -> None:
    await redis.execute("SADD", KEY, bound("red", "paint"), bound("blue", "sky"))
    assert await bindings.queue(RED) == "paint"


async def test_what_was_found_is_believed_for_a_moment(redis: Redis, bindings: Bindings, seconds: Seconds) -> None:
    await redis.execute("SADD", KEY, bound("red", "paint"))
    assert await bindings.queue(RED) == "paint"
    await redis.execute("DEL", KEY)
    await redis.execute("SADD", KEY, bound("red", "other"))

    seconds.now = FRESH_SECONDS / 2
    assert await bindings.queue(RED) == "paint"
    seconds.now = FRESH_SECONDS
    assert await bindings.queue(RED) == "other"


async def test_a_queue_that_is_bound_after_a_failure_is_found_at_once(redis: Redis, bindings: Bindings) -> None:
    with pytest.raises(InvalidMessage, match="has no queues"):
        await bindings.queue(RED)
    await redis.execute("SADD", KEY, bound("red", "paint"))
    assert await bindings.queue(RED) == "paint"


async def test_bindings_in_a_sorted_set_are_refused_with_the_reason(redis: Redis, bindings: Bindings) -> None:
    await redis.execute("ZADD", KEY, 1, bound("red", "paint"))
    with pytest.raises(UnreadableBytes, match=r"_kombu\.binding\.x is a sorted set, and Kombu keeps bindings in a set"):
        await bindings.queue(RED)


async def test_bindings_in_a_key_of_any_other_kind_are_refused_too(redis: Redis, bindings: Bindings) -> None:
    await redis.execute("HSET", KEY, "red", "paint")
    with pytest.raises(UnreadableBytes, match=r"_kombu\.binding\.x is a hash"):
        await bindings.queue(RED)


@pytest.mark.parametrize("routing_key", ["", "red"])
async def test_an_exchange_that_somebody_listens_to_is_a_fanout_exchange(
    redis: Redis, client: TaskClient, routing_key: str
) -> None:
    """Kombu passes over an empty message, which is what we ask with."""
    await redis.execute("SADD", KEY, bound(routing_key, "bcast.1"))
    before = await redis.execute("KEYS", "*")
    async with listening(redis) as messages:
        handle = await client.submit("tasks.add", exchange="x", routing_key=routing_key, record=False)
        heard = [await anext(messages), await anext(messages)]
    assert [message.channel for message in heard] == ["/0.x" + f"/{routing_key}" * bool(routing_key)] * 2
    assert heard[0].data == b""
    headers, body = open_message(heard[1].data)
    assert (headers["id"], body[0]) == (handle.task_id, [])
    assert await redis.execute("KEYS", "*") == before


@pytest.mark.parametrize(
    ("options", "pointer", "reason"),
    [
        ({"exchange": "x"}, "/options/exchange", "add record=False"),
        ({"exchange": "x", "record": False, "idempotency_key": "k"}, "/options/idempotency_key", "cannot be kept"),
        ({"exchange": "x", "record": False, "queue": "q"}, "/options/queue", "cannot be given together with exchange"),
    ],
)
async def test_what_a_fanout_exchange_cannot_do_is_refused(
    redis: Redis, client: TaskClient, options: SubmitOptions, pointer: str, reason: str
) -> None:
    async with listening(redis):
        with pytest.raises(InvalidMessage, match=reason) as refused:
            await client.submit("tasks.add", **options)
    assert refused.value.pointer == pointer


OWN = pytest.mark.parametrize("exchange", ["celeryev", "celery.pidbox", "reply.celery.pidbox", "shop.pidbox"])


@OWN
async def test_nothing_is_published_to_an_exchange_of_celerys_own(
    redis: Redis, client: TaskClient, exchange: str
) -> None:
    """A worker that runs gossip, as all do by themselves, exits when it hears a task there."""
    async with aclosing(redis.listen("/0.*")) as messages, asyncio.timeout(5):
        assert (await anext(messages)).begins
        with pytest.raises(InvalidMessage, match=f"'{exchange}' is an exchange of Celery's own") as refused:
            await client.submit("tasks.add", exchange=exchange, routing_key="worker.heartbeat", record=False)
        await redis.execute("PUBLISH", "/0.end", "")
        assert (await anext(messages)).channel == "/0.end"
    assert refused.value.pointer == "/options/exchange"


@OWN
async def test_no_part_or_callback_names_an_exchange_of_celerys_own(client: TaskClient, exchange: str) -> None:
    part = signature("b", options={"exchange": exchange})
    for call, pointer in (
        (client.start(chain(signature("a"), part)), "/tasks/1/options/exchange"),
        (client.submit("a", link=[part]), "/options/link/0/options/exchange"),
        (client.submit("a", link_error=part), "/options/link_error/options/exchange"),
        (client.submit("a", link=signature("b", options={"queue": exchange})), "/options/link/0/options/queue"),
    ):
        with pytest.raises(InvalidMessage, match=r"Celery's own|Celery keeps for itself") as refused:
            await call
        assert refused.value.pointer == pointer


async def test_the_exchange_of_events_is_known_by_its_queues_when_it_has_another_name(
    redis: Redis, client: TaskClient
) -> None:
    await redis.execute("SADD", KEY, bound("worker.#", "celeryev.0f5c"))
    async with listening(redis):
        with pytest.raises(InvalidMessage, match="'x' is an exchange of Celery's own"):
            await client.submit("tasks.add", exchange="x", routing_key="worker.heartbeat", record=False)


async def test_many_tasks_are_not_sent_to_a_fanout_exchange(redis: Redis, client: TaskClient) -> None:
    call = Call("tasks.add", options={"exchange": "x", "record": False})
    async with listening(redis):
        (refused,) = await client.submit_many([call], return_exceptions=True)
    assert isinstance(refused, InvalidMessage)
    assert refused.pointer == "/options/exchange"


async def test_a_task_that_no_worker_hears_is_refused(publisher: Publisher) -> None:
    """What an exchange was found to be is believed for a moment, in which the last worker may go."""
    sent = submission("a1")._replace(route=Route(queue="", fanout="x"), record=False)
    with pytest.raises(InvalidMessage, match="no worker listens to 'x' now"):
        await publisher.broadcast(sent)


@pytest.mark.parametrize(
    ("options", "pointer"),
    [
        (Options(exchange="x", routing_key="red", queue="q"), "/options/queue"),
        (Options(routing_key="red"), "/options/routing_key"),
        (Options(routing_key="red", queue="q"), "/options/routing_key"),
        (Options(exchange=""), "/options/exchange"),
    ],
)
async def test_options_that_contradict_each_other_are_refused_by_their_pointer(
    bindings: Bindings, options: Options, pointer: str
) -> None:
    with pytest.raises(InvalidMessage) as refused:
        await bindings.routed(options)
    assert refused.value.pointer == pointer


async def test_a_queue_may_be_given_with_its_own_name_as_the_routing_key(bindings: Bindings) -> None:
    assert await bindings.routed(Options(queue="mail", routing_key="mail", priority=3)) == Options(
        queue="mail", priority=3
    )


async def test_a_queue_with_its_routing_key_is_submitted_to(client: TaskClient, redis: Redis) -> None:
    await client.submit("tasks.add", queue="mail", routing_key="mail")
    assert await redis.execute("LLEN", "mail") == 1


@pytest.mark.parametrize("routing_key", ["", "red"])
async def test_a_fanout_exchange_whose_workers_have_gone_is_refused(
    redis: Redis, client: TaskClient, routing_key: str
) -> None:
    await redis.execute("SADD", KEY, bound(routing_key, "bcast.0f5c"), bound(routing_key, "bcast.1f5c"))
    with pytest.raises(InvalidMessage, match="'x' is a fanout exchange whose worker has gone"):
        await client.submit("tasks.add", exchange="x", routing_key=routing_key)
    assert await redis.execute("KEYS", "bcast*") == []


async def test_options_lead_to_the_queue_and_keep_all_else(redis: Redis, bindings: Bindings) -> None:
    await redis.execute("SADD", KEY, bound("red", "paint"))

    routed = await bindings.routed(Options(exchange="x", routing_key="red", priority=3))

    assert routed == Options(queue="paint", priority=3)
    assert await bindings.routed(routed) == routed


async def test_prefix_and_separator_of_the_installation_count(shared_url: str, redis: Redis, seconds: Seconds) -> None:
    settings = BridgeSettings.load(redis_url=shared_url, broker_global_keyprefix="team-a.", broker_sep="|")
    await redis.execute("SADD", f"team-a.{KEY}", "red||paint")
    async with Redis.open(settings.broker, settings) as other:
        assert await Bindings(other, seconds).queue(RED) == "paint"
