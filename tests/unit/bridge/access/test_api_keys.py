import math
from typing import Any

import pytest

from bridge.access.api_keys import ApiKey, Presented, Scope, read_key
from bridge.errors import InvalidOwner

KEY_ID, SECRET = "0123456789abcdef", "5e" * 32
DIGEST = "d1" * 32


def key(**fields: Any) -> ApiKey:
    told: dict[str, Any] = {"owner": "acme", "digest": DIGEST, "scopes": frozenset(Scope), "created_ms": 0, **fields}
    return ApiKey(key_id=KEY_ID, **told)


def test_a_key_has_an_id_and_a_secret() -> None:
    assert read_key(f"ptl_{KEY_ID}_{SECRET}") == Presented(KEY_ID, SECRET)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ptl_",
        f"ptl_{KEY_ID}",
        f"ptl_{KEY_ID}_",
        f"ptl_{KEY_ID}_{SECRET}0",
        f"ptl_{KEY_ID}_{SECRET[1:]}",
        f"ptl_{KEY_ID}_{SECRET}\n",
        f" ptl_{KEY_ID}_{SECRET}",
        f"PTL_{KEY_ID}_{SECRET}",
        f"ptl_{KEY_ID}_{SECRET.upper()}",
        f"ptl_*_{SECRET}",
        "ptl_" + "é" * 16 + f"_{SECRET}",
    ],
)
def test_anything_else_is_no_key(text: str) -> None:
    assert read_key(text) is None


def test_a_key_that_is_shown_has_neither_its_secret_nor_its_hash_in_it() -> None:
    assert DIGEST not in repr(key())


@pytest.mark.parametrize("owner", ["acme", "a", "team-a.b_c@example.org", "A1", "x" * 64])
def test_an_owner_has_a_plain_name(owner: str) -> None:
    assert key(owner=owner).owner == owner


@pytest.mark.parametrize("owner", ["", "a:b", "a b", ".a", "-a", "é", "x" * 65, "a\n", "a*"])
def test_a_name_that_could_be_mistaken_in_a_key_of_redis_is_no_owner(owner: str) -> None:
    with pytest.raises(InvalidOwner, match="letters, digits"):
        key(owner=owner)


@pytest.mark.parametrize(("expires_ms", "left"), [(None, math.inf), (1_500, 0.5), (1_000, 0), (500, -0.5)])
def test_a_key_lives_to_its_time(expires_ms: int | None, left: float) -> None:
    assert key(expires_ms=expires_ms).seconds_left(1_000) == left
