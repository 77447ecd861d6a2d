import pytest

from app.auth import ANYBODY, KEY_SECONDS, KEYS_KNOWN, Caller, Doorkeeper, KnownKeys
from app.errors import ProblemRaised
from bridge.access.api_keys import Scope
from bridge.errors import BrokerUnavailable
from tests.clocks import START, Clock
from tests.unit.app.entering import ToldKeys, key_id, text_of, tokens

READER = Caller(owner="acme", scopes=frozenset({Scope.READ}), key_id=key_id(1))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys(clock: Clock) -> ToldKeys:
    told = ToldKeys(clock)
    told.add(Scope.READ)
    return told


@pytest.fixture
def known(keys: ToldKeys, clock: Clock) -> KnownKeys:
    return KnownKeys(keys, clock)


async def ask(known: KnownKeys, number: int = 1) -> Caller | None:
    """As a request does it."""
    text = text_of(number).encode()
    return known.known(text) or await known.look_up(text)


async def test_a_key_is_looked_up_once_in_a_while_and_not_for_each_request(
    known: KnownKeys, keys: ToldKeys, clock: Clock
) -> None:
    for _ in range(10):
        assert await ask(known) == READER
    clock.now += KEY_SECONDS
    assert await ask(known) == READER
    assert keys.asked == 2
    assert keys.used == [key_id(1)] * 2


async def test_a_revoked_key_is_refused_after_that_while(known: KnownKeys, keys: ToldKeys, clock: Clock) -> None:
    await ask(known)
    keys.kept.clear()
    clock.now += KEY_SECONDS - 0.1
    assert await ask(known) == READER
    clock.now += 0.1
    assert await ask(known) is None


async def test_a_new_key_works_at_once(known: KnownKeys, keys: ToldKeys) -> None:
    assert await ask(known, 2) is None
    keys.add(Scope.SUBMIT, number=2)
    assert await ask(known, 2) == Caller(owner="acme", scopes=frozenset({Scope.SUBMIT}), key_id=key_id(2))


async def test_a_key_is_not_trusted_beyond_its_own_end(known: KnownKeys, keys: ToldKeys, clock: Clock) -> None:
    keys.add(Scope.READ, expires_ms=int(START * 1000) + 1_000)
    await ask(known)
    clock.now += 1
    assert known.known(text_of().encode()) is None


async def test_another_secret_is_refused_also_while_the_key_is_known(known: KnownKeys) -> None:
    await ask(known)
    wrong = text_of(secret="5f" * 32).encode()
    assert known.known(wrong) is None
    assert await known.look_up(wrong) is None


async def test_what_is_no_key_is_refused_without_asking(known: KnownKeys, keys: ToldKeys) -> None:
    assert await known.look_up(b"hunter2") is None
    assert await known.look_up("ptl_é".encode()) is None
    assert keys.asked == 0


async def test_invented_keys_take_no_room_and_known_ones_a_bounded_one(known: KnownKeys, keys: ToldKeys) -> None:
    assert await ask(known, 2) is None
    assert repr(known) == "<KnownKeys 0>"
    for number in range(KEYS_KNOWN + 1):
        keys.add(Scope.READ, number=number)
        await ask(known, number)
    assert repr(known) == f"<KnownKeys {KEYS_KNOWN}>"
    assert known.known(text_of(0).encode()) is None
    assert known.known(text_of(1).encode()) is not None


async def test_admin_may_everything(known: KnownKeys, keys: ToldKeys) -> None:
    keys.add(Scope.ADMIN, number=3)
    caller = await ask(known, 3)
    assert caller
    assert caller.scopes == frozenset(Scope)


async def test_while_redis_is_away_a_key_is_not_known_rather_than_wrong(known: KnownKeys, keys: ToldKeys) -> None:
    keys.fails = BrokerUnavailable("away")
    with pytest.raises(BrokerUnavailable):
        await ask(known)


async def test_without_keys_everybody_is_the_same_caller_who_may_everything() -> None:
    doorkeeper = Doorkeeper(tokens())
    assert doorkeeper.known({}) == await doorkeeper.caller({}) == ANYBODY
    assert Caller(owner="", scopes=frozenset(Scope), key_id="") == ANYBODY


@pytest.mark.parametrize(
    "headers",
    [
        {b"authorization": b"Bearer " + text_of().encode()},
        {b"authorization": b"bearer   " + text_of().encode() + b" "},
        {b"x-api-key": text_of().encode()},
        {b"authorization": b"Basic dXNlcjpwYXNz", b"x-api-key": text_of().encode()},
    ],
)
async def test_a_key_is_shown_in_either_of_two_headers(known: KnownKeys, headers: dict[bytes, bytes]) -> None:
    doorkeeper = Doorkeeper(tokens(), known)
    assert await doorkeeper.caller(headers) == doorkeeper.known(headers) == READER


@pytest.mark.parametrize("headers", [{}, {b"authorization": b"Bearer"}, {b"authorization": b"Basic dXNlcjpwYXNz"}])
async def test_who_shows_no_key_is_told_how(known: KnownKeys, headers: dict[bytes, bytes]) -> None:
    with pytest.raises(ProblemRaised) as raised:
        await Doorkeeper(tokens(), known).caller(headers)
    assert (raised.value.problem.type, raised.value.problem.status) == ("unauthenticated", 401)
    assert raised.value.problem.headers == {"WWW-Authenticate": 'Bearer realm="petiole"'}
    assert "Authorization: Bearer" in raised.value.problem.detail


async def test_who_shows_a_bad_key_is_not_told_what_is_bad_about_it_nor_the_key(known: KnownKeys) -> None:
    details = set()
    for text in (text_of(2), text_of(secret="5f" * 32), "hunter2"):
        with pytest.raises(ProblemRaised) as raised:
            await Doorkeeper(tokens(), known).caller({b"x-api-key": text.encode()})
        details.add(raised.value.problem.detail)
        assert raised.value.problem.headers["WWW-Authenticate"].endswith('error="invalid_token"')
    assert len(details) == 1
    assert not any(text in str(details) for text in ("ptl_", "hunter2"))
