"""Keys, limits and tokens that are told what to say: no Redis."""

from dataclasses import replace
from hashlib import sha256
from typing import Any

from app.auth import Doorkeeper, KnownKeys
from app.deps import Edge
from app.entrance import Entrance
from app.rate_limit import Limiter
from bridge.access.api_keys import ApiKey, ApiKeys, Scope
from bridge.access.rate_limits import Allowance, RateLimits
from bridge.access.stream_tokens import StreamTokens
from bridge.errors import PetioleError
from tests.clocks import Clock
from tests.unit.app.edge import ToldClient, edge_on

SECRET = "5e" * 32


def key_id(number: int) -> str:
    return f"{number:016x}"


def text_of(number: int = 1, secret: str = SECRET) -> str:
    """The text of a key."""
    return f"ptl_{key_id(number)}_{secret}"


def shown(number: int = 1, secret: str = SECRET) -> dict[str, str]:
    """The header that shows it."""
    return {"Authorization": f"Bearer {text_of(number, secret)}"}


class ToldKeys(ApiKeys):
    """Keeps keys in memory, and counts how often it is asked."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or Clock()
        self.kept: dict[str, ApiKey] = {}
        self.asked = 0
        self.used: list[str] = []
        self.fails: PetioleError | None = None

    def __repr__(self) -> str:
        return "<ToldKeys>"

    def add(self, *scopes: Scope, number: int = 1, **fields: Any) -> None:
        """Keep a key."""
        told: dict[str, Any] = {"owner": "acme", "created_ms": 0, **fields}
        digest = sha256(SECRET.encode()).hexdigest()
        self.kept[key_id(number)] = ApiKey(key_id=key_id(number), scopes=frozenset(scopes), digest=digest, **told)

    async def find(self, key_id: str) -> ApiKey | None:
        """The key that was added."""
        self.asked += 1
        if self.fails:
            raise self.fails
        return self.kept.get(key_id)

    async def note_use(self, key_id: str) -> None:
        """Keep it."""
        self.used.append(key_id)


class ToldRates(RateLimits):
    """Answers what it is told."""

    def __init__(self, *answers: Allowance | PetioleError, rate: float = 2, burst: int = 5) -> None:
        self.rate = rate
        self.burst = burst
        self.answers = list(answers)
        self.callers: list[str] = []

    def __repr__(self) -> str:
        return "<ToldRates>"

    def take_ahead(self, caller: str) -> Allowance | None:
        """Nothing is."""
        return None

    async def take(self, caller: str) -> Allowance:
        """The next answer."""
        self.callers.append(caller)
        answer = self.answers.pop(0)
        if isinstance(answer, PetioleError):
            raise answer
        return answer


def tokens() -> StreamTokens:
    async def secret() -> bytes:
        return b"s" * 32

    return StreamTokens(secret)


def guarded_edge(
    keys: ToldKeys, limiter: Limiter | None = None, clock: Clock | None = None, client: ToldClient | None = None
) -> Edge:
    """An edge where everybody is asked for a key."""
    time = clock or Clock()
    entrance = Entrance(doorkeeper=Doorkeeper(tokens(), KnownKeys(keys, time), time), limiter=limiter or Limiter())
    return replace(edge_on(client or ToldClient()), entrance=entrance)
