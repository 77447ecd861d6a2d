import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.access.stream_tokens import MAX_LENGTH, StreamGrant, new_secret, read_token, signed

SECRET = b"s" * 32
GRANT = StreamGrant(owner="acme", key_id="k1", expires_at=1_000, filters={"task": ["a1", "b/2?&é"], "tag": ["x"]})
NOW = 999.0


def test_a_token_says_what_it_was_made_for() -> None:
    assert read_token(signed(GRANT, SECRET), SECRET, NOW) == GRANT


def test_a_token_can_stand_in_an_address_as_it_is() -> None:
    token = signed(GRANT, SECRET)
    assert token.isascii()
    assert all(letter.isalnum() or letter in "-_." for letter in token)


@pytest.mark.parametrize(("now", "good"), [(0, True), (999.9, True), (1_000, False), (2_000, False)])
def test_a_token_is_good_until_it_expires(now: float, good: bool) -> None:
    assert (read_token(signed(GRANT, SECRET), SECRET, now) is not None) is good


def test_a_token_is_worth_nothing_with_another_secret() -> None:
    assert read_token(signed(GRANT, SECRET), new_secret(), NOW) is None


def test_a_token_of_which_one_letter_is_changed_is_worth_nothing() -> None:
    token = signed(GRANT, SECRET)
    # The last letter of each part holds bits that base64 does not use, so another letter there may mean the same.
    said, _, signature = token.partition(".")
    for at in [*range(len(said) - 1), *range(len(said) + 1, len(token) - 1)]:
        forged = token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]
        assert read_token(forged, SECRET, NOW) is None, at
    assert len(signature) == 43


def test_the_signature_of_one_token_does_not_fit_another() -> None:
    other = StreamGrant(owner="other", key_id="k1", expires_at=1_000)
    said, _, _ = signed(other, SECRET).partition(".")
    _, _, signature = signed(GRANT, SECRET).partition(".")
    assert read_token(f"{said}.{signature}", SECRET, NOW) is None


@given(st.text(max_size=80) | st.from_regex(r"[A-Za-z0-9_-]{0,40}\.[A-Za-z0-9_-]{0,60}", fullmatch=True))
def test_whatever_else_is_sent_is_no_token(text: str) -> None:
    assert read_token(text, SECRET, NOW) is None


def test_a_token_that_is_too_long_is_none() -> None:
    grant = StreamGrant(owner="acme", key_id="k1", expires_at=1_000, filters={"task": ["x" * MAX_LENGTH]})
    assert read_token(signed(grant, SECRET), SECRET, NOW) is None
