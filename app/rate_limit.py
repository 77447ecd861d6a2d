"""How much one key may ask for: requests by the clock, and requests that stay. Told in `RateLimit` headers.

Source of the headers: draft-ietf-httpapi-ratelimit-headers-09, as structured fields (RFC 9651).
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil

from app.errors import Problem, ProblemRaised
from bridge.access.rate_limits import Allowance, RateLimits
from bridge.errors import PetioleError

RawHeaders = list[tuple[bytes, bytes]]
NAME = "requests"
STAYING_RETRY_SECONDS = 1


class Limiter:
    """What each key may ask for. Without `rates` its requests are not counted by the clock.

    `places` is how many requests that stay, streams and those that wait, one process serves to one key; None for as
    many as it serves to all.
    """

    def __init__(self, rates: RateLimits | None = None, *, places: int | None = None) -> None:
        self._rates = rates
        self._places = places
        self._taken: Counter[str] = Counter()
        self._policy = _policy(rates) if rates else b""

    def __repr__(self) -> str:
        return f"<Limiter {self._rates!r} staying={self._taken.total()}>"

    @property
    def counts(self) -> bool:
        """Whether requests are counted by the clock."""
        return self._rates is not None

    async def admit(self, key_id: str) -> RawHeaders:
        """Count a request; what its answer says of it.

        While Redis does not answer nothing is counted: the request fails there by itself, if it needs Redis at all.

        Raises:
            ProblemRaised: 429.
        """
        if self._rates is None:
            return []
        try:
            allowance = self._rates.take_ahead(key_id) or await self._rates.take(key_id)
        except PetioleError:
            return []
        said = b'"%b";r=%d;t=%d' % (NAME.encode(), allowance.remaining, allowance.reset)
        if not allowance.passes:
            raise self._too_many(allowance, said)
        return [(b"ratelimit-policy", self._policy), (b"ratelimit", said)]

    def _too_many(self, allowance: Allowance, said: bytes) -> ProblemRaised:
        return _limited(
            f"This key sends more requests than it may. Try again in {allowance.retry_after} s.",
            {
                "Retry-After": str(allowance.retry_after),
                "RateLimit-Policy": self._policy.decode(),
                "RateLimit": said.decode(),
            },
        )

    @contextmanager
    def place(self, key_id: str) -> Iterator[None]:
        """Hold one of the key's places for as long as the block runs.

        Raises:
            ProblemRaised: 429, all are taken.
        """
        if self._places is not None and self._taken[key_id] >= self._places:
            detail = f"This key has {self._places} streams and waiting requests here already. Close some, or wait."
            raise _limited(detail, {"Retry-After": str(STAYING_RETRY_SECONDS)})
        self._taken[key_id] += 1
        try:
            yield
        finally:
            self._taken[key_id] -= 1
            if not self._taken[key_id]:
                del self._taken[key_id]


def _policy(rates: RateLimits) -> bytes:
    return b'"%b";q=%d;w=%d' % (NAME.encode(), rates.burst, max(1, ceil(rates.burst / rates.rate)))


def _limited(detail: str, headers: dict[str, str]) -> ProblemRaised:
    return ProblemRaised(Problem(type="rate-limited", status=429, detail=detail, headers=headers))
