"""API keys as they stand in Redis."""

import pytest

from bridge.access.api_keys import ApiKeys, Scope, read_key
from bridge.errors import ApiKeyNotFound, InvalidOwner, UnreadableBytes
from bridge.protocol.keys import Keys
from bridge.redis import Redis
from tests.clocks import Clock

SCOPES = (Scope.READ, Scope.SUBMIT)


@pytest.fixture
def keys(redis: Redis, clock: Clock) -> ApiKeys:
    return ApiKeys(redis, clock)


@pytest.fixture
def names(redis: Redis) -> Keys:
    return Keys(redis.settings.prefix)


async def test_a_key_that_was_made_is_found_and_opened_by_its_secret(keys: ApiKeys, clock: Clock) -> None:
    made, text = await keys.create("acme", SCOPES, name="ci", lifetime=60)
    presented = read_key(text)
    assert presented
    assert await keys.find(presented.key_id) == made
    assert (made.owner, made.scopes, made.name) == ("acme", frozenset(SCOPES), "ci")
    assert (made.created_ms, made.expires_ms) == (clock.ms, clock.ms + 60_000)
    assert made.is_opened_by(presented.secret)
    assert not made.is_opened_by(presented.secret[::-1])


async def test_what_is_kept_does_not_tell_the_secret(keys: ApiKeys, redis: Redis, names: Keys) -> None:
    made, text = await keys.create("acme", SCOPES)
    presented = read_key(text)
    assert presented
    assert presented.secret.encode() not in (await redis.hash(names.api_keys))[made.key_id]


async def test_two_keys_have_nothing_in_common(keys: ApiKeys) -> None:
    texts = {(await keys.create("acme", SCOPES))[1] for _ in range(2)}
    parts = [read_key(text) for text in texts]
    assert len({part for pair in parts if pair for part in pair}) == 4


async def test_a_key_is_not_found_after_its_end(keys: ApiKeys, clock: Clock) -> None:
    made, _ = await keys.create("acme", SCOPES, lifetime=60)
    clock.now += 59
    assert await keys.find(made.key_id)
    clock.now += 1
    assert await keys.find(made.key_id) is None
    assert [key.key_id for key in await keys.all()] == [made.key_id]


async def test_keys_are_listed_in_their_order_with_their_last_use(keys: ApiKeys, clock: Clock) -> None:
    made = []
    for owner in ("acme", "beta"):
        made.append((await keys.create(owner, SCOPES))[0])
        clock.now += 1
    await keys.note_use(made[1].key_id)
    listed = await keys.all()
    assert [(key.key_id, key.used_ms) for key in listed] == [(made[0].key_id, None), (made[1].key_id, clock.ms)]


async def test_a_revoked_key_leaves_nothing_behind(keys: ApiKeys, redis: Redis, names: Keys) -> None:
    made, _ = await keys.create("acme", SCOPES)
    await keys.note_use(made.key_id)
    await keys.revoke(made.key_id)
    assert await keys.find(made.key_id) is None
    assert await redis.execute("EXISTS", names.api_keys, names.api_keys_used) == 0
    with pytest.raises(ApiKeyNotFound, match=made.key_id):
        await keys.revoke(made.key_id)


async def test_a_full_redis_does_not_keep_a_key_from_being_used(keys: ApiKeys, redis: Redis) -> None:
    made, _ = await keys.create("acme", SCOPES)
    await redis.execute("CONFIG", "SET", "maxmemory", "1")
    try:
        await keys.note_use(made.key_id)
        assert await keys.find(made.key_id) == made
    finally:
        await redis.execute("CONFIG", "SET", "maxmemory", "0")


async def test_no_key_is_made_for_a_name_that_is_none(keys: ApiKeys) -> None:
    with pytest.raises(InvalidOwner):
        await keys.create("a:b", SCOPES)
    assert await keys.all() == []


@pytest.mark.parametrize("kept", ["", "{}", "[]", '{"owner":"acme","scopes":["everything"],"digest":"d1"}'])
async def test_what_is_no_key_is_an_error_that_does_not_repeat_it(
    keys: ApiKeys, redis: Redis, names: Keys, kept: str
) -> None:
    await redis.execute("HSET", names.api_keys, "k1", kept)
    with pytest.raises(UnreadableBytes, match="API key k1") as raised:
        await keys.find("k1")
    assert "d1" not in str(raised.value)
