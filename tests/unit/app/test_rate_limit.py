import pytest

from app.errors import ProblemRaised
from app.rate_limit import Limiter
from bridge.access.rate_limits import Allowance
from bridge.errors import BrokerUnavailable, PublisherBusy
from tests.unit.app.entering import ToldRates


async def test_an_answer_says_how_much_is_left() -> None:
    limiter = Limiter(ToldRates(Allowance(True, 3, 7, 0), rate=2, burst=5))
    assert await limiter.admit("k") == [
        (b"ratelimit-policy", b'"requests";q=5;w=3'),
        (b"ratelimit", b'"requests";r=3;t=7'),
    ]


async def test_who_asks_too_much_is_told_when_to_try_again() -> None:
    with pytest.raises(ProblemRaised) as raised:
        await Limiter(ToldRates(Allowance(False, 0, 7, 4))).admit("k")
    problem = raised.value.problem
    assert (problem.type, problem.status) == ("rate-limited", 429)
    assert problem.headers["Retry-After"] == "4"
    assert problem.headers["RateLimit"] == '"requests";r=0;t=7'
    assert problem.headers["RateLimit-Policy"] == '"requests";q=5;w=3'


@pytest.mark.parametrize("error", [BrokerUnavailable("away"), PublisherBusy(1)])
async def test_nothing_is_counted_while_it_cannot_be(error: BrokerUnavailable | PublisherBusy) -> None:
    assert await Limiter(ToldRates(error)).admit("k") == []


async def test_without_rates_nothing_is_counted() -> None:
    assert not Limiter().counts
    assert await Limiter().admit("k") == []


def test_each_key_has_places_of_its_own_and_gives_them_back() -> None:
    limiter = Limiter(places=2)
    with limiter.place("a"), limiter.place("b"):
        with limiter.place("a"), pytest.raises(ProblemRaised) as raised, limiter.place("a"):
            pass
        assert (raised.value.problem.status, raised.value.problem.headers) == (429, {"Retry-After": "1"})
        with limiter.place("a"):
            pass
    assert repr(limiter) == "<Limiter None staying=0>"
